//go:build integration

package haproxycfg_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/haproxycfg"
	"github.com/siteblocks/siteblocks/site/traffic"
)

// server is a real Debian with a real HAProxy and, on other addresses of the same machine, the servers behind it.
type server struct {
	*localtest.Machine
	haproxycfg.Runtime
	version haproxycfg.Version
}

// appUnit is one server; its instance is its address.
const appUnit = `[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/opt/app %i
Restart=always
RestartSec=1
`

func newServer(t testing.TB, image string, version haproxycfg.Version) *server {
	m := localtest.Server(t, localtest.Options{Name: "web-1", Image: image, Ports: []uint16{80, 443, 8000},
		Packages: []string{"haproxy", "openssl"}})
	s := &server{Machine: m, Runtime: haproxycfg.Runtime{Host: m.Host}, version: version}
	s.Put(t, "/opt/app", 0o755, localtest.Build(t, "build", "./testdata/app"))
	s.Put(t, "/etc/systemd/system/app@.service", 0o644, []byte(appUnit))
	s.Root(t, "systemctl daemon-reload")
	return s
}

// start starts the servers at the addresses and waits until they accept connections.
func (s *server) start(t testing.TB, list ...netip.AddrPort) {
	t.Helper()
	s.Root(t, "systemctl start"+units(list))
	for _, a := range list {
		s.reachable(t, a)
	}
}

func units(list []netip.AddrPort) string {
	var b strings.Builder
	for _, a := range list {
		b.WriteString(" app@" + a.String())
	}
	return b.String()
}

func (s *server) reachable(t testing.TB, a netip.AddrPort) {
	t.Helper()
	require.Eventually(t, func() bool {
		c, err := s.Machine.Host.Dial(t.Context(), "tcp", a.String())
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
}

// ready says which servers answer 503 to everything.
func (s *server) unready(t testing.TB, list ...netip.AddrPort) {
	t.Helper()
	s.Root(t, "echo '"+strings.TrimSpace(strings.ReplaceAll(units(list), "app@", ""))+"' >/var/tmp/unready.new; mv /var/tmp/unready.new /var/tmp/unready")
}

// reload makes HAProxy serve with the configuration.
func (s *server) reload(t testing.TB, c haproxycfg.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, haproxycfg.Reload(ctx, s.Machine.Host, c))
}

// target is where visitors reach a published port.
func (s *server) target(port uint16) traffic.Target {
	return traffic.Target{Addr: s.Port(port), Host: "www.shop.example"}
}

// during puts load on the server while the work runs.
func during(t testing.TB, l traffic.Load, work func()) traffic.Report {
	t.Helper()
	report, err := l.During(t.Context(), work)
	require.NoError(t, err)
	return report
}

// app is the address of the nth of many servers.
func app(n int) netip.AddrPort { return addr(fmt.Sprintf("127.0.1.%d:3000", n)) }

func apps(from, to int) []netip.AddrPort {
	var list []netip.AddrPort
	for n := from; n <= to; n++ {
		list = append(list, app(n))
	}
	return list
}

// member is the nth server as HAProxy knows it.
func member(n int) haproxycfg.Server {
	return haproxycfg.Server{Name: fmt.Sprintf("app-%d", n), Addr: app(n)}
}

// shop balances over the servers 1 to 4.
func (s *server) shop() haproxycfg.Config {
	c := haproxycfg.Config{
		Name: "shop", Version: s.version, Global: haproxycfg.Global{Group: "admin"},
		Frontends: []haproxycfg.Frontend{{Name: "web", Binds: []haproxycfg.Bind{{Addr: addr("0.0.0.0:8000")}}, Backend: "app"}},
		Backends:  []haproxycfg.Backend{{Name: "app", Check: haproxycfg.Check{Path: "/up", Interval: 400 * time.Millisecond}}},
	}
	for n := 1; n <= 4; n++ {
		c.Backends[0].Servers = append(c.Backends[0].Servers, member(n))
	}
	return c
}
