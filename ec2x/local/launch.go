package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/crypto/ssh"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Launch implements ec2x.Cloud. A server that is there is returned as it is, started again where it was stopped, as
// after a reboot of the machine; one that a killed program left half made is made anew.
// Ports and tags are those of the first launch: to change them, terminate the server and launch it again.
func (c *Cloud) Launch(ctx context.Context, spec ec2x.Spec) (ec2x.Server, error) {
	s, err := c.launch(ctx, spec)
	if err != nil {
		return ec2x.Server{}, fmt.Errorf("local: launch %q of site %q: %w", spec.Name, spec.Site, err)
	}
	return s, nil
}

func (c *Cloud) launch(ctx context.Context, spec ec2x.Spec) (ec2x.Server, error) {
	hostKey, err := checkSpec(spec)
	if err != nil {
		return ec2x.Server{}, err
	}
	unlock, err := engine.Lock(ctx, "launch-"+serverName(spec.Site, spec.Name))
	if err != nil {
		return ec2x.Server{}, err
	}
	defer unlock()
	if s, ok, err := c.revive(ctx, spec.Site, spec.Name); ok || err != nil {
		return s, err
	}
	c.buildS3() // it will be asked for, and takes as long as what follows
	image, err := c.engine.ServerImage(ctx, spec.Image)
	if err != nil {
		return ec2x.Server{}, err
	}
	if err := c.network(ctx, spec.Site); err != nil {
		return ec2x.Server{}, err
	}
	ports, err := c.publish(ctx, spec.Site, spec.Name, append([]uint16{sshPort}, spec.Ports...))
	if err != nil {
		return ec2x.Server{}, err
	}
	if err := c.create(ctx, spec, image, hostKey, ports); err != nil {
		return ec2x.Server{}, portHint(err, ports)
	}
	s, err := c.find(ctx, spec.Site, spec.Name)
	if err != nil {
		return ec2x.Server{}, err
	}
	return c.server(s), nil
}

// checkSpec reports every mistake at once and returns the public host key.
func checkSpec(spec ec2x.Spec) (string, error) {
	errs := []error{checkName("site", spec.Site), checkName("name", spec.Name)}
	if spec.Name == s3Alias {
		errs = append(errs, fmt.Errorf("name %q: is the S3 server's", spec.Name))
	}
	for _, r := range spec.Roles {
		errs = append(errs, checkName("role", r))
	}
	for i, p := range spec.Ports {
		if p == 0 || p == sshPort || slices.Contains(spec.Ports[:i], p) {
			errs = append(errs, fmt.Errorf("port %d: given twice, or not one to publish (SSH is published always)", p))
		}
	}
	hostKey, err := sshx.PublicKey(spec.HostKey)
	if err != nil {
		errs = append(errs, fmt.Errorf("host key: %w", err))
	}
	if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(spec.AuthorizedKey)); err != nil || len(rest) > 0 {
		errs = append(errs, errors.New("authorized key: not one authorized_keys line"))
	}
	return hostKey, errors.Join(errs...)
}

// revive returns the server that is there, starting it if it was stopped.
func (c *Cloud) revive(ctx context.Context, site, name string) (ec2x.Server, bool, error) {
	s, err := c.find(ctx, site, name)
	if engine.NotFound(err) {
		return ec2x.Server{}, false, nil
	}
	if err != nil {
		return ec2x.Server{}, false, err
	}
	switch s.State {
	case container.StateRunning:
		return c.server(s), true, nil
	case container.StatePaused:
		_, err = c.engine.ContainerUnpause(ctx, s.ID, client.ContainerUnpauseOptions{})
	case container.StateExited:
		_, err = c.engine.ContainerStart(ctx, s.ID, client.ContainerStartOptions{})
		err = portHint(err, parsePorts(s.Labels[labelPorts]))
	default: // made and never started, or dying: nothing on it is worth keeping
		return ec2x.Server{}, false, c.engine.Remove(ctx, s.ID)
	}
	if err != nil {
		return ec2x.Server{}, false, err
	}
	s, err = c.find(ctx, site, name)
	return c.server(s), true, err
}

// find looks a server up by its labels. One that is not there gives an error for engine.NotFound.
func (c *Cloud) find(ctx context.Context, site, name string) (container.Summary, error) {
	list, err := c.list(ctx, LabelSite+"="+site, labelKind+"="+kindServer, labelName+"="+name)
	if err != nil {
		return container.Summary{}, err
	}
	if len(list) == 0 {
		return container.Summary{}, notFound(serverName(site, name))
	}
	return list[0], nil
}

func (c *Cloud) list(ctx context.Context, labels ...string) ([]container.Summary, error) {
	res, err := c.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", labels...)})
	return res.Items, err
}

// create makes the container, puts the keys in, and only then starts it.
func (c *Cloud) create(ctx context.Context, spec ec2x.Spec, image, hostKey string, ports map[uint16]uint16) error {
	hc := &container.HostConfig{NetworkMode: container.NetworkMode(networkName(spec.Site)), PortBindings: network.PortMap{}}
	c.engine.Systemd(hc)
	exposed := network.PortSet{}
	for _, p := range slices.Sorted(maps.Keys(ports)) {
		port, _ := network.PortFrom(p, network.TCP)
		exposed[port] = struct{}{}
		hc.PortBindings[port] = []network.PortBinding{{HostIP: loopback, HostPort: strconv.Itoa(int(ports[p]))}}
	}
	id, err := c.createNamed(ctx, spec.Site, client.ContainerCreateOptions{
		Name: serverName(spec.Site, spec.Name),
		Config: &container.Config{
			Image: image, Hostname: spec.Name, ExposedPorts: exposed, Labels: c.serverLabels(spec, hostKey, ports),
		},
		HostConfig: hc,
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			networkName(spec.Site): {Aliases: []string{spec.Name}},
		}},
	})
	if err != nil {
		return err
	}
	if err = c.engine.Put(ctx, id, keyFiles(spec, hostKey)...); err == nil {
		_, err = c.engine.ContainerStart(ctx, id, client.ContainerStartOptions{})
	}
	if err != nil {
		_ = c.engine.Remove(context.WithoutCancel(ctx), id)
	}
	return err
}

func keyFiles(spec ec2x.Spec, hostKey string) []engine.File {
	kind, _, _ := strings.Cut(hostKey, " ")
	file := "/etc/ssh/ssh_host_ed25519_key"
	switch {
	case kind == ssh.KeyAlgoRSA:
		file = "/etc/ssh/ssh_host_rsa_key"
	case strings.HasPrefix(kind, "ecdsa"):
		file = "/etc/ssh/ssh_host_ecdsa_key"
	}
	return []engine.File{
		{Path: file, Mode: 0o600, Data: []byte(spec.HostKey)},
		{Path: file + ".pub", Mode: 0o644, Data: []byte(hostKey + "\n")},
		{Path: "/home/admin/.ssh", Mode: 0o700 | fs.ModeDir, UID: 1000, GID: 1000},
		{Path: "/home/admin/.ssh/authorized_keys", Mode: 0o600, UID: 1000, GID: 1000, Data: []byte(strings.TrimSpace(spec.AuthorizedKey) + "\n")},
	}
}
