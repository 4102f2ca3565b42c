//go:build integration

package haproxycfg_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
	"github.com/siteblocks/siteblocks/site/traffic"
)

// here is a golden configuration with its servers on this machine, 10.0.1.11 as 127.0.1.11, and its listeners where the
// test reaches them.
func here(c haproxycfg.Config) haproxycfg.Config {
	move := func(a netip.AddrPort) netip.AddrPort {
		if a.Addr().Is6() {
			return netip.AddrPortFrom(netip.MustParseAddr("127.0.99.1"), a.Port())
		}
		raw := a.Addr().As4()
		raw[0] = 127
		return netip.AddrPortFrom(netip.AddrFrom4(raw), a.Port())
	}
	c.Version, c.Global.Group, c.Global.MaxConn = 0, "admin", 0 // a container may have few file descriptors
	for i := range c.Frontends {
		b := &c.Frontends[i].Binds[0]
		b.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), b.Addr.Port())
	}
	for i := range c.Backends {
		for j := range c.Backends[i].Servers {
			s := &c.Backends[i].Servers[j]
			s.Addr = move(s.Addr)
		}
	}
	for i := range c.Databases {
		for j := range c.Databases[i].Servers {
			s := &c.Databases[i].Servers[j]
			s.Addr = move(s.Addr)
		}
	}
	if c.Stats.Bind.IsValid() {
		c.Stats.Bind = addr("127.0.0.1:8404")
	}
	return c
}

// goldens runs each golden configuration with its servers and with traffic.
func goldens(t *testing.T, s *server) {
	ca := newAuthority(t)
	cert, key := ca.sign(t, time.Now().Add(time.Hour), "www.shop.example", "api.shop.example", "shop.example")
	inner, innerKey := ca.sign(t, time.Now().Add(time.Hour), "app.shop.internal", "www.shop.example", "blog.shop.example")
	s.Root(t, "mkdir -p /etc/app")
	s.Put(t, "/etc/haproxy/shop.pem", 0o600, append(cert, key...))
	s.Put(t, "/etc/haproxy/app-ca.pem", 0o644, ca.pem)
	s.Put(t, "/etc/app/cert.pem", 0o644, inner)
	s.Put(t, "/etc/app/key.pem", 0o644, innerKey)
	for _, g := range []struct {
		name   string
		serves func(*testing.T, *server, haproxycfg.Config, *authority)
	}{
		{"reencrypt", reEncryptServes}, {"database", databaseServes}, {"frontend", frontEndServes},
		{"array", arrayServes}, {"edge", edgeServes}, {"passthrough", passThroughServes},
	} {
		t.Run(g.name, func(t *testing.T) {
			// Started anew, HAProxy knows nothing of servers that had the same names and were down in the end.
			s.Root(t, "systemctl stop haproxy; systemctl reset-failed haproxy || true; rm -f /etc/app/proxy /var/tmp/unready")
			if g.name == "passthrough" {
				s.Root(t, "touch /etc/app/proxy")
			}
			c := here(golden[g.name]())
			var list []string
			for _, b := range append(slices.Clone(c.Backends), databases(c)...) {
				for _, server := range b.Servers {
					list = append(list, server.Addr.String())
				}
			}
			slices.Sort(list)
			list = slices.Compact(list)
			s.Root(t, "systemd-run --quiet --unit farm /opt/app "+strings.Join(list, " "))
			defer s.Root(t, "systemctl stop farm")
			for _, a := range list {
				s.reachable(t, addr(a))
			}
			s.reload(t, c)
			g.serves(t, s, c, ca)
		})
	}
}

func databases(c haproxycfg.Config) []haproxycfg.Backend {
	var list []haproxycfg.Backend
	for _, d := range c.Databases {
		list = append(list, d.Backend())
	}
	return list
}

// settle is a time of even load, after what came before.
func settle(t *testing.T, l traffic.Load) traffic.Report {
	t.Helper()
	l.Clients, l.Rate, l.By = 20, 400, "X-Server"
	report := during(t, l, func() { time.Sleep(1500 * time.Millisecond) })
	t.Log(report)
	require.Empty(t, report.Failed, report.Last)
	return report
}

func frontEndServes(t *testing.T, s *server, c haproxycfg.Config, _ *authority) {
	report := settle(t, traffic.Load{Target: s.target(8000), PostEvery: 5})
	require.Len(t, report.By, 8)
	a := s.ask8000(t, "/a%2Fb?x=%20", "X-Forwarded-For", "192.0.2.7")
	require.Equal(t, "/a%2Fb?x=%20", a.URI)
	require.Equal(t, []string{"192.0.2.7"}, a.Header["X-Forwarded-For"], "Apache in front is trusted")
}

// arrayServes counts what each gets: 8 processes of weight 25 and 11 of weight 100, and one that is drained.
func arrayServes(t *testing.T, s *server, c haproxycfg.Config, _ *authority) {
	report := settle(t, traffic.Load{Target: s.target(8000)})
	total, sum := report.Good[http.MethodGet], 0
	for _, server := range c.Backends[0].Servers {
		if server.State != haproxycfg.Drain {
			sum += server.Weight
		}
	}
	for _, server := range c.Backends[0].Servers {
		got := report.By[server.Addr.String()]
		if server.State == haproxycfg.Drain {
			require.Zero(t, got)
			continue
		}
		want := float64(server.Weight) / float64(sum)
		require.InDelta(t, want, float64(got)/float64(total), 0.02, server.Name)
	}
}

// seen is what a server received, and how HAProxy answered.
type seen struct {
	*http.Response
	Server, Method, URI, Host, Proto string
	Header                           http.Header
}

// ask sends one request through a connection of its own.
func ask(t *testing.T, target traffic.Target, method, path string, header ...string) seen {
	t.Helper()
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return tls.Dial("tcp", target.Addr.String(), target.TLS)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
	scheme := "http://"
	if target.TLS != nil {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, scheme+target.Addr.String()+path, nil)
	require.NoError(t, err)
	req.Host = target.Host
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	a := seen{Response: res}
	_ = json.Unmarshal(body, &a)
	return a
}

func (s *server) ask8000(t *testing.T, path string, header ...string) seen {
	t.Helper()
	return ask(t, s.target(8000), http.MethodGet, path, header...)
}

// secure is the port 443 under a name.
func (s *server) secure(ca *authority, name string) traffic.Target {
	target := s.target(443)
	target.Host, target.TLS = name, &tls.Config{RootCAs: ca.pool(), ServerName: name}
	return target
}

func edgeServes(t *testing.T, s *server, _ haproxycfg.Config, ca *authority) {
	www := s.secure(ca, "www.shop.example")
	require.Len(t, settle(t, traffic.Load{Target: www, PostEvery: 5}).By, 8)

	a := ask(t, s.target(80), http.MethodGet, "/a%2Fb?x=1&y=%20")
	require.Equal(t, http.StatusPermanentRedirect, a.StatusCode)
	require.Equal(t, "https://www.shop.example/a%2Fb?x=1&y=%20", a.Response.Header.Get("Location"))
	a = ask(t, s.secure(ca, "shop.example"), http.MethodGet, "/x?y")
	require.Equal(t, "https://www.shop.example/x?y", a.Response.Header.Get("Location"))
	require.Equal(t, http.StatusForbidden, ask(t, www, http.MethodGet, "/reports/1").StatusCode)

	forged := []string{"Cookie", "x=1"}
	for _, name := range []string{"X-Forwarded-For", "x_forwarded_for", "X-Forwarded-Proto", "X-Forwarded_Host", "Forwarded", "Proxy", "X-Real-Ip",
		"CLIENT_IP", "X-Original-Url", "X_Rewrite_Url", "X_Anything"} {
		forged = append(forged, name, "6.6.6.6")
	}
	a = ask(t, www, http.MethodGet, "/x", forged...)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.NotContains(t, fmt.Sprint(a.Header), "6.6.6.6")
	require.Equal(t, []string{"https"}, a.Header["X-Forwarded-Proto"])
	require.Equal(t, []string{"www.shop.example"}, a.Header["X-Forwarded-Host"])
	require.Equal(t, []string{"443"}, a.Header["X-Forwarded-Port"])
	require.Len(t, a.Header["X-Forwarded-For"], 1)
	require.Equal(t, []string{"it's 100% ${ours}"}, a.Header["X-Shop"])
	require.Equal(t, "max-age=31536000", a.Response.Header.Get("Strict-Transport-Security"))

	for names := range slices.Chunk(droppedByApache(t), 20) { // HAProxy takes 101 headers at a time
		var forged []string
		for _, name := range names {
			forged = append(forged, name, "6.6.6.6", strings.ReplaceAll(strings.ToUpper(name), "-", "_"), "6.6.6.6")
		}
		got := ask(t, www, http.MethodGet, "/x", forged...)
		require.Equal(t, http.StatusOK, got.StatusCode)
		require.NotContains(t, fmt.Sprint(got.Header), "6.6.6.6")
	}

	cookie := a.Cookies()[0]
	require.Equal(t, "SERVER", cookie.Name)
	require.NotContains(t, cookie.Value, "web")
	for range 10 {
		require.Equal(t, a.Server, ask(t, www, http.MethodGet, "/x", "Cookie", cookie.String()).Server, "the visitor stays")
	}
	require.Equal(t, "127.0.1.31:8080", ask(t, s.secure(ca, "api.shop.example"), http.MethodGet, "/x").Server)
	require.NotEqual(t, "127.0.1.31:8080", ask(t, s.secure(ca, "api.shop.example"), http.MethodDelete, "/x").Server)

	cookies(t, s, www)
	figures := traffic.Target{Addr: addr("127.0.0.1:8404"), Dial: func(ctx context.Context) (net.Conn, error) {
		return s.Machine.Host.Dial(ctx, "tcp", "127.0.0.1:8404")
	}}
	client, err := traffic.NewClient(figures)
	require.NoError(t, err)
	defer client.Close()
	require.Equal(t, http.StatusForbidden, client.Ask(t.Context(), http.MethodGet, "/metrics", "").Status, "it is for 10.0.0.0/16")
}

// cookies shows that a server that joins gets visitors who stay with it, and keeps them while it is drained.
func cookies(t *testing.T, s *server, www traffic.Target) {
	s.Root(t, "systemctl start app@127.0.1.77:3000")
	s.reachable(t, addr("127.0.1.77:3000"))
	b := here(edge()).Backends[0]
	require.NoError(t, s.Join(t.Context(), b, haproxycfg.Server{Name: "late", Addr: addr("127.0.1.77:3000"), Weight: 256}))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, s.Await(ctx, "app", "late", haproxycfg.Stat.Usable))
	var cookie string
	require.Eventually(t, func() bool {
		a := ask(t, www, http.MethodGet, "/x")
		if a.Server == "127.0.1.77:3000" && len(a.Cookies()) > 0 {
			cookie = a.Cookies()[0].String()
		}
		return cookie != ""
	}, 20*time.Second, time.Millisecond)
	require.NoError(t, s.Drain(ctx, "app", "late"))
	for range 5 {
		require.Equal(t, "127.0.1.77:3000", ask(t, www, http.MethodGet, "/x", "Cookie", cookie).Server)
		require.NotEqual(t, "127.0.1.77:3000", ask(t, www, http.MethodGet, "/x").Server)
	}
	cut, err := s.Leave(ctx, "app", "late")
	require.NoError(t, err)
	require.Zero(t, cut)
	require.Equal(t, http.StatusOK, ask(t, www, http.MethodGet, "/x", "Cookie", cookie).StatusCode, "and go elsewhere when it is gone")
}

func passThroughServes(t *testing.T, s *server, _ haproxycfg.Config, ca *authority) {
	report := settle(t, traffic.Load{Target: s.secure(ca, "www.shop.example"), PostEvery: 5})
	require.Len(t, report.By, 2)
	require.Equal(t, "127.0.1.41:8443", ask(t, s.secure(ca, "blog.shop.example"), http.MethodGet, "/").Server)
	stranger := s.secure(ca, "other.example")
	_, err := tls.Dial("tcp", stranger.Addr.String(), stranger.TLS)
	require.Error(t, err, "a name that nobody has")
}

func reEncryptServes(t *testing.T, s *server, _ haproxycfg.Config, ca *authority) {
	report := settle(t, traffic.Load{Target: s.target(8000), PostEvery: 5})
	require.Len(t, report.By, 2)
	require.Equal(t, "HTTP/2.0", s.ask8000(t, "/").Proto)

	// A server whose certificate has another name is not believed, and gets nothing.
	wrong, wrongKey := ca.sign(t, time.Now().Add(time.Hour), "other.shop.internal")
	cert, key := s.Root(t, "cat /etc/app/cert.pem"), s.Root(t, "cat /etc/app/key.pem")
	defer func() {
		s.Put(t, "/etc/app/cert.pem", 0o644, []byte(cert))
		s.Put(t, "/etc/app/key.pem", 0o644, []byte(key))
	}()
	s.Put(t, "/etc/app/cert.pem", 0o644, wrong)
	s.Put(t, "/etc/app/key.pem", 0o644, wrongKey)
	s.Root(t, "systemctl restart app@127.0.1.78:8443")
	defer s.Root(t, "systemctl stop app@127.0.1.78:8443")
	s.reachable(t, addr("127.0.1.78:8443"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, s.Join(ctx, here(reEncrypt()).Backends[0], haproxycfg.Server{Name: "liar", Addr: addr("127.0.1.78:8443")}))
	require.NoError(t, s.Await(ctx, "app", "liar", func(st haproxycfg.Stat) bool { return st.LastCheck == "L6RSP" }))
	require.NotContains(t, settle(t, traffic.Load{Target: s.target(8000)}).By, "127.0.1.78:8443")
}
