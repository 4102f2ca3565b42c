package haproxycfg

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// facts are what a reload depends on.
type facts struct {
	version string
	valid   bool
	checked strings.Builder  // HAProxy's words
	bound   []netip.AddrPort // where the running HAProxy listens, by the file that it loaded
	listen  []netip.AddrPort // where anybody does
	pem     map[string][]byte
}

func gather(ctx context.Context, h sshx.Host, c Config, file []byte) (*facts, error) {
	var out bytes.Buffer
	text := assign("config", ConfigPath, "good", GoodPath, "state", StatePath, "unit", Unit, "certificates", strings.Join(c.certificates(), " ")) + factsScript
	if err := h.Run(ctx, sshx.Script{Text: text, Root: true, Stdin: bytes.NewReader(file), Stdout: &out}); err != nil {
		return nil, err
	}
	f := &facts{pem: map[string][]byte{}}
	for line := range strings.Lines(out.String()) {
		if err := f.add(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (c Config) certificates() []string {
	var list []string
	for _, f := range c.Frontends {
		for _, b := range f.Binds {
			list = append(list, b.TLS.Certificates...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (f *facts) add(line string) error {
	kind, value, _ := strings.Cut(line, " ")
	switch kind {
	case "version":
		f.version = value
	case "valid":
		f.valid = true
	case "check":
		f.checked.WriteString(value + "\n")
	case "bound":
		if addr, err := parseBound(value); err == nil { // a socket file, or a name, stands in nobody's way
			f.bound = append(f.bound, addr)
		}
	case "listen":
		addr, err := parseListener(value)
		if err != nil {
			return err
		}
		f.listen = append(f.listen, addr)
	case "pem":
		path, text, _ := strings.Cut(value, " ")
		f.pem[path] = append(f.pem[path], text+"\n"...)
	}
	return nil
}

// parseBound reads an address as a bind line has it.
func parseBound(s string) (netip.AddrPort, error) {
	if strings.HasPrefix(s, "*:") || strings.HasPrefix(s, ":") {
		s = "0.0.0.0" + strings.TrimPrefix(s, "*")
	}
	return netip.ParseAddrPort(s)
}

// parseListener reads an address as /proc/net/tcp has it: words of four bytes, each the wrong way round.
func parseListener(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, errPort := strconv.ParseUint(port, 16, 16)
	if err := errors.Join(err, errPort); err != nil {
		return netip.AddrPort{}, fmt.Errorf("listener %q: %w", s, err)
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("listener %q is no address", s)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// judge decides about the facts.
func (f *facts) judge(c Config, fields []string, now time.Time) error {
	var errs []error
	has, err := ParseVersion(f.version)
	if err != nil {
		return fmt.Errorf("%w; is it installed?", err)
	}
	if needs := cmp.Or(c.Version, V26); has < needs {
		errs = append(errs, &VersionError{What: "config: Version", Needs: needs, Has: has})
	}
	said := explain(fields, f.checked.String())
	if !f.valid && said == nil {
		said = fmt.Errorf("haproxycfg: HAProxy refuses the configuration: %s", strings.TrimSpace(f.checked.String()))
	}
	if !f.valid {
		errs = append(errs, said)
	}
	for _, b := range c.listeners() {
		for _, l := range f.listen {
			if collide(b.addr, l) && !slices.ContainsFunc(f.bound, func(own netip.AddrPort) bool { return collide(own, l) }) {
				errs = append(errs, fmt.Errorf("haproxycfg: %s %v: another program listens on %v", b.field, b.addr, l))
			}
		}
	}
	for _, path := range c.certificates() {
		errs = append(errs, judgeCertificate(path, f.pem[path], now))
	}
	return errors.Join(errs...)
}

type bound struct {
	addr  netip.AddrPort
	field string
}

func (c Config) listeners() []bound {
	var list []bound
	for _, f := range c.Frontends {
		for i, b := range f.Binds {
			list = append(list, bound{b.Addr, fmt.Sprintf("frontend %q: Binds[%d]", f.Name, i)})
		}
	}
	for _, d := range c.Databases {
		list = append(list, bound{d.Bind, fmt.Sprintf("database %q: Bind", d.Name)})
	}
	if c.Stats.Bind.IsValid() {
		list = append(list, bound{c.Stats.Bind, "stats: Bind"})
	}
	return list
}

// collide tells whether both cannot listen at one time. An unspecified IPv6 address stands for IPv4 too.
func collide(a, b netip.AddrPort) bool {
	if a.Port() != b.Port() {
		return false
	}
	every := func(x, y netip.Addr) bool { return x.IsUnspecified() && (x.Is6() || y.Is4()) }
	return a.Addr() == b.Addr() || every(a.Addr(), b.Addr()) || every(b.Addr(), a.Addr())
}

func judgeCertificate(path string, chain []byte, now time.Time) error {
	block, _ := pem.Decode(chain)
	if block == nil {
		return fmt.Errorf("haproxycfg: certificate %q: there is none in it", path)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("haproxycfg: certificate %q: %w", path, err)
	}
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return fmt.Errorf("haproxycfg: certificate %q is valid from %s to %s only", path,
			leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	}
	return nil
}
