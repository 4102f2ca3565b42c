package haproxycfg_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

var update = flag.Bool("update", false, "write the golden files")

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// processes are the four of a front end.
func processes(name, ip string, weight int) []haproxycfg.Server {
	var list []haproxycfg.Server
	for i := range 4 {
		list = append(list, haproxycfg.Server{Name: fmt.Sprintf("%s-%d", name, i+1), Weight: weight,
			Addr: netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(3001+i))})
	}
	return list
}

// frontEnd is what runs beside Apache on both front ends of a redundant site: it spreads requests over the processes
// of both.
func frontEnd() haproxycfg.Config {
	return haproxycfg.Config{
		Name:      "shop",
		Frontends: []haproxycfg.Frontend{{Name: "web", Binds: []haproxycfg.Bind{{Addr: addr("127.0.0.1:8000")}}, Backend: "app", TrustForwarded: true}},
		Backends: []haproxycfg.Backend{{
			Name:    "app",
			Servers: append(processes("web-1", "10.0.1.11", 0), processes("web-2", "10.0.2.11", 0)...),
			Check:   haproxycfg.Check{Path: "/up", Host: "www.shop.example"},
		}},
		Stats: haproxycfg.Stats{Bind: addr("127.0.0.1:8404")},
	}
}

// array has app servers besides, which get four times as much as a front end's process.
func array() haproxycfg.Config {
	c := frontEnd()
	b := &c.Backends[0]
	b.Servers = append(processes("web-1", "10.0.1.11", 25), processes("web-2", "10.0.2.11", 25)...)
	for i := range 3 {
		b.Servers = append(b.Servers, processes(fmt.Sprintf("app-%d", i+1), fmt.Sprintf("10.0.%d.%d", 1+i%2, 21+i), 100)...)
	}
	b.Servers[len(b.Servers)-1].State = haproxycfg.Drain
	return c
}

// edge is HAProxy alone at the front: TLS, the canonical name, an API apart, visitors who stay with their server.
func edge() haproxycfg.Config {
	c := frontEnd()
	c.Version = haproxycfg.V30
	c.Global = haproxycfg.Global{Group: "admin", MaxConn: 20000, Raw: []string{"tune.bufsize 32768"}}
	app, api := c.Backends[0], c.Backends[0]
	app.Cookie = haproxycfg.Cookie{Name: "SERVER", Key: "d3e0f1c2b4a59687"}
	api.Name, api.Balance, api.Timeout = "api", haproxycfg.LeastConn, 5*time.Second
	api.Retries.OnTimeout = true
	api.Servers = []haproxycfg.Server{{Name: "api-1", Addr: addr("10.0.1.31:8080"), MaxConn: 50}, {Name: "api-2", Addr: addr("[2001:db8::31]:8080"), Backup: true}}
	c.Backends = []haproxycfg.Backend{app, api}
	c.Frontends = []haproxycfg.Frontend{
		{
			Name:  "plain",
			Binds: []haproxycfg.Bind{{Addr: addr("[::]:80")}},
			Rules: []haproxycfg.Rule{{Why: "Everything is encrypted.", Redirect: "https://www.shop.example"}},
		},
		{
			Name:  "secure",
			Binds: []haproxycfg.Bind{{Addr: addr("[::]:443"), TLS: haproxycfg.ClientTLS{Certificates: []string{"/etc/haproxy/shop.pem"}}}},
			Rules: []haproxycfg.Rule{
				{Why: "One name for each page.", Redirect: "https://www.shop.example",
					Unless: haproxycfg.Match{Hosts: []string{"www.shop.example", "api.shop.example"}}},
				{Why: "Reports are for the office.", Deny: 403, When: haproxycfg.Match{PathPrefixes: []string{"/reports/"}},
					Unless: haproxycfg.Match{Sources: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}},
				{Why: "It's 100% ours.", Set: haproxycfg.Header{Name: "X-Shop", Value: "it's 100% ${ours}"}},
				{Why: "The API has servers of its own.", Use: "api", When: haproxycfg.Match{Hosts: []string{"api.shop.example"}, Methods: []string{"GET", "POST"}}},
			},
			Backend: "app",
			Raw:     []string{"http-response set-header Strict-Transport-Security max-age=31536000"},
		},
	}
	c.Stats = haproxycfg.Stats{Bind: addr("10.0.1.11:8404"), Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}
	return c
}

// passThrough ends TLS in the app servers.
func passThrough() haproxycfg.Config {
	return haproxycfg.Config{
		Name: "shop",
		Frontends: []haproxycfg.Frontend{{
			Name: "secure", Mode: haproxycfg.TCP, Binds: []haproxycfg.Bind{{Addr: addr("0.0.0.0:443")}},
			Rules: []haproxycfg.Rule{
				{Use: "shop", When: haproxycfg.Match{SNI: []string{"www.shop.example", "shop.example"}}},
				{Use: "blog", When: haproxycfg.Match{SNI: []string{"blog.shop.example"}}},
			},
		}},
		Backends: []haproxycfg.Backend{
			{Name: "shop", Mode: haproxycfg.TCP, SendProxy: true, Servers: []haproxycfg.Server{
				{Name: "app-1", Addr: addr("10.0.1.21:8443")}, {Name: "app-2", Addr: addr("10.0.2.21:8443")}}},
			{Name: "blog", Mode: haproxycfg.TCP, Balance: haproxycfg.Source, SendProxy: true, Servers: []haproxycfg.Server{{Name: "blog-1", Addr: addr("10.0.1.41:8443")}}},
		},
	}
}

// reEncrypt encrypts the way to the app servers and checks who they are.
func reEncrypt() haproxycfg.Config {
	c := frontEnd()
	c.Backends[0].TLS = haproxycfg.ServerTLS{CA: "/etc/haproxy/app-ca.pem", Name: "app.shop.internal", HTTP2: true}
	c.Backends[0].Servers = []haproxycfg.Server{{Name: "app-1", Addr: addr("10.0.1.21:8443")}, {Name: "app-2", Addr: addr("10.0.2.21:8443")}}
	return c
}

// database is what runs on every app server, so that a promotion needs no change in an application.
func database() haproxycfg.Config {
	return haproxycfg.Config{
		Name: "shop",
		Databases: []haproxycfg.Database{{
			Name: "database", Bind: addr("127.0.0.1:3306"), RolePath: "/source", RolePort: 3307,
			Servers: []haproxycfg.Server{{Name: "db-1", Addr: addr("10.0.1.51:3306")}, {Name: "db-2", Addr: addr("10.0.2.51:3306")}},
		}},
	}
}

var golden = map[string]func() haproxycfg.Config{
	"frontend": frontEnd, "array": array, "edge": edge, "passthrough": passThrough, "reencrypt": reEncrypt, "database": database,
}

func TestGolden(t *testing.T) {
	for name, config := range golden {
		t.Run(name, func(t *testing.T) {
			got, err := haproxycfg.Render(config())
			require.NoError(t, err)
			path := filepath.Join("testdata", name+".cfg")
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
			require.False(t, haproxycfg.Edited(got))
			require.True(t, haproxycfg.Edited(append(got, '\n')))
		})
	}
}
