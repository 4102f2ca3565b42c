package local

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/siteblocks/siteblocks/ec2x"
)

// Labels are the tags of this cloud: all that is known of a site is in them.
const (
	LabelSite = "siteblocks.site" // on everything of a site

	labelKind     = "siteblocks.kind" // server, s3, network, data or port
	labelName     = "siteblocks.name"
	labelRoles    = "siteblocks.roles"
	labelUser     = "siteblocks.user"
	labelHostKey  = "siteblocks.hostkey"
	labelLaunched = "siteblocks.launched"
	labelPort     = "siteblocks.port"  // on the record of a published port: its number on 127.0.0.1
	labelPorts    = "siteblocks.ports" // on a server: "22=20022,80=20080"
	labelTag      = "siteblocks.tag."  // followed by the tag's name
)

const (
	kindServer  = "server"
	kindS3      = "s3"
	kindNetwork = "network"
	kindData    = "data"
	kindPort    = "port"
)

// loginUser is whom the server image has.
const loginUser = "admin"

// Names are joined by underscores, which neither sites nor servers have in theirs: no two can meet.
func serverName(site, name string) string { return "siteblocks_" + site + "_" + name }
func networkName(site string) string      { return "siteblocks_" + site }
func s3Name(site string) string           { return "siteblocks_" + site + "__s3" }
func dataName(site string) string         { return "siteblocks_" + site + "__data" }
func portName(site, name string, port uint16) string {
	return "siteblocks_" + site + "_" + name + "__port_" + strconv.Itoa(int(port))
}

func (c *Cloud) labels(site, kind string) map[string]string {
	l := maps.Clone(c.opts.Labels)
	if l == nil {
		l = map[string]string{}
	}
	l[LabelSite], l[labelKind] = site, kind
	return l
}

func (c *Cloud) serverLabels(spec ec2x.Spec, hostKey string, ports map[uint16]uint16) map[string]string {
	l := c.labels(spec.Site, kindServer)
	l[labelName] = spec.Name
	l[labelRoles] = strings.Join(spec.Roles, ",")
	l[labelUser] = loginUser
	l[labelHostKey] = hostKey
	l[labelLaunched] = time.Now().UTC().Format(time.RFC3339Nano)
	l[labelPorts] = formatPorts(ports)
	for k, v := range spec.Tags {
		l[labelTag+k] = v
	}
	return l
}

// server reads a server from its container.
func (c *Cloud) server(s container.Summary) ec2x.Server {
	l := s.Labels
	out := ec2x.Server{
		ID: s.ID, Site: l[LabelSite], Name: l[labelName], User: l[labelUser], HostKey: l[labelHostKey],
		State: stateOf(s.State), Arch: c.engine.Arch(), Tags: map[string]string{},
	}
	if l[labelRoles] != "" {
		out.Roles = strings.Split(l[labelRoles], ",")
	}
	out.Launched, _ = time.Parse(time.RFC3339Nano, l[labelLaunched])
	if s.NetworkSettings != nil {
		if n := s.NetworkSettings.Networks[networkName(out.Site)]; n != nil {
			out.Private = n.IPAddress
		}
	}
	out.Published = map[uint16]netip.AddrPort{}
	for port, at := range parsePorts(l[labelPorts]) {
		addr := netip.AddrPortFrom(loopback, at)
		if port == sshPort {
			out.SSH = addr
			continue
		}
		out.Published[port] = addr
	}
	for k, v := range l {
		if name, ok := strings.CutPrefix(k, labelTag); ok {
			out.Tags[name] = v
		}
	}
	return out
}

func stateOf(s container.ContainerState) ec2x.State {
	switch s {
	case container.StateRunning:
		return ec2x.Running
	case container.StateCreated, container.StateRestarting:
		return ec2x.Pending
	case container.StateRemoving:
		return ec2x.Stopping
	}
	return ec2x.Stopped
}
