package local

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
)

// A published port must stay the same for the life of a site, also while no container holds it. Each is recorded
// as an empty volume, named after site, server and port: making one is atomic and idempotent, and its
// labels cannot be changed afterwards.

const (
	firstPort = 20000 // below the ports that Linux, macOS and Windows hand out by themselves
	portCount = 10000
	sshPort   = 22
)

var loopback = netip.MustParseAddr("127.0.0.1")

// publish returns where each port of a server is published, recording the new ones.
func (c *Cloud) publish(ctx context.Context, site, name string, ports []uint16) (map[uint16]uint16, error) {
	unlock, err := engine.Lock(ctx, "ports")
	if err != nil {
		return nil, err
	}
	defer unlock()
	records, err := c.engine.VolumeList(ctx, client.VolumeListOptions{Filters: client.Filters{}.Add("label", labelKind+"="+kindPort)})
	if err != nil {
		return nil, err
	}
	taken, own := map[uint16]bool{}, map[string]uint16{}
	for _, v := range records.Items {
		at, _ := strconv.ParseUint(v.Labels[labelPort], 10, 16)
		taken[uint16(at)] = true
		own[v.Name] = uint16(at)
	}
	out := map[uint16]uint16{}
	for _, port := range ports {
		record := portName(site, name, port)
		at, ok := own[record]
		if !ok {
			if at, err = pick(record, taken); err != nil {
				return nil, err
			}
			labels := c.labels(site, kindPort)
			labels[labelPort] = strconv.Itoa(int(at))
			if _, err := c.engine.VolumeCreate(ctx, client.VolumeCreateOptions{Name: record, Labels: labels}); err != nil {
				return nil, err
			}
			taken[at] = true
		}
		out[port] = at
	}
	return out, nil
}

// pick chooses a free port, the same one on every machine where it is free.
func pick(record string, taken map[uint16]bool) (uint16, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(record))
	start := int(h.Sum32() % portCount)
	for i := range portCount {
		at := uint16(firstPort + (start+i)%portCount)
		if !taken[at] && free(at) {
			return at, nil
		}
	}
	return 0, fmt.Errorf("no free port within %d and %d on 127.0.0.1", firstPort, firstPort+portCount-1)
}

func free(port uint16) bool {
	l, err := net.Listen("tcp", netip.AddrPortFrom(loopback, port).String())
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func formatPorts(ports map[uint16]uint16) string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(ports)) {
		out = append(out, fmt.Sprintf("%d=%d", p, ports[p]))
	}
	return strings.Join(out, ",")
}

func parsePorts(s string) map[uint16]uint16 {
	out := map[uint16]uint16{}
	for pair := range strings.SplitSeq(s, ",") {
		port, at, ok := strings.Cut(pair, "=")
		p, err1 := strconv.ParseUint(port, 10, 16)
		a, err2 := strconv.ParseUint(at, 10, 16)
		if ok && err1 == nil && err2 == nil {
			out[uint16(p)] = uint16(a)
		}
	}
	return out
}

// portHint says which program's port stands in the way.
func portHint(err error, ports map[uint16]uint16) error {
	if !engine.PortTaken(err) {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(ports)) {
		if !free(ports[p]) {
			return fmt.Errorf("port 127.0.0.1:%d, which is kept for port %d of this server, is held by another program: %w; "+
				"end that program and try again", ports[p], p, err)
		}
	}
	return err
}
