//go:build integration

package apachecfg_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
)

func TestOnDebian13(t *testing.T) {
	s := newServer(t, "")
	t.Run("smallest", func(t *testing.T) { smallestServes(t, s) })
	t.Run("HTTP", func(t *testing.T) {
		site := s.serve(t, allInOne())
		base := fmt.Sprintf("http://%s:%d", site.Host, site.HTTP.PublicPort)
		serves(t, s, site, base)
		t.Run("maintenance", func(t *testing.T) { maintenance(t, s, base) })
		t.Run("loopback", func(t *testing.T) { loopbackOnly(t, s, base) })
		t.Run("socket", func(t *testing.T) {
			c, err := net.Dial("tcp", s.Port(80).String())
			require.NoError(t, err)
			socket(t, c, site.Host)
		})
		t.Run("only the site", func(t *testing.T) { onlyTheSite(t, s, base) })
		t.Run("hidden", func(t *testing.T) { hiddenFiles(t, s, base) })
		t.Run("links", func(t *testing.T) { links(t, s) })
	})
	t.Run("dies", func(t *testing.T) { diesOnce(t, s) })
	t.Run("slow", func(t *testing.T) { slowVisitors(t, s) })
	t.Run("quoting", func(t *testing.T) { quoting(t, s) })
	t.Run("preflight", func(t *testing.T) { preflight(t, s) })
	t.Run("in flight", func(t *testing.T) { inFlight(t, s) })
	t.Run("killed", func(t *testing.T) { killed(t, s) })
	t.Run("rolling restart", func(t *testing.T) { rolling(t, s) })
	t.Run("HTTPS", func(t *testing.T) { https(t, s) })
	t.Run("front end", func(t *testing.T) { frontEndServes(t, s) })
	require.Empty(t, s.Root(t, "grep -h -B3 'exit signal' /var/log/apache2/*error.log || true"), "no child crashed")
}

// TestOnDebian12 shows that the same files serve on the older release.
func TestOnDebian12(t *testing.T) {
	localtest.Turn(t, 1, 2)
	s := newServer(t, "debian-12")
	site := s.serve(t, allInOne())
	base := fmt.Sprintf("http://%s:%d", site.Host, site.HTTP.PublicPort)
	serves(t, s, site, base)
	t.Run("logs", func(t *testing.T) { logs(t, s, base) })
	t.Run("in flight", func(t *testing.T) { inFlight(t, s) })
	t.Run("dies", func(t *testing.T) { diesOnce(t, s) })
	t.Run("killed child", func(t *testing.T) { killedChild(t, s) })
	t.Run("links", func(t *testing.T) { links(t, s) })
	t.Run("HTTPS", func(t *testing.T) { https(t, s) })
}

func smallestServes(t *testing.T, s *server) {
	site := s.serve(t, smallest())
	a := s.get(t, fmt.Sprintf("http://%s:%d/x", site.Host, site.HTTP.PublicPort))
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "3001", a.Seen.Process)
}

// serves drives what HTTP and HTTPS have in common.
func serves(t *testing.T, s *server, site apachecfg.Site, base string) {
	t.Run("files", func(t *testing.T) { servesFiles(t, s, base) })
	t.Run("cached pages", func(t *testing.T) { servesCachedPages(t, s, base) })
	t.Run("names", func(t *testing.T) { servesNames(t, s, site, base) })
	t.Run("forwarding", func(t *testing.T) { forwards(t, s, base) })
	t.Run("balance", func(t *testing.T) {
		seen := map[string]int{}
		for range 40 {
			seen[s.get(t, base+"/x").Seen.Process]++
		}
		require.Len(t, seen, len(site.App.Processes))
	})
	t.Run("own answers pass", func(t *testing.T) {
		a := s.get(t, base+"/own-headers")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		require.Equal(t, []string{"DENY"}, a.Header.Values("X-Frame-Options"))
		require.Equal(t, []string{"private"}, a.Header.Values("Cache-Control"))
		require.Equal(t, []string{"nosniff"}, a.Header.Values("X-Content-Type-Options"))
		require.NotContains(t, a.Text, "Back soon")
		a = s.get(t, base+"/bad-gateway")
		require.Equal(t, http.StatusBadGateway, a.StatusCode)
		require.Equal(t, "the app's own 502\n", a.Text)
	})
}

// logs are rotated while the visitor's connection stays.
func logs(t *testing.T, s *server, base string) {
	const log = "/var/log/apache2/shop-access.log"
	s.get(t, base+"/before-rotation")
	before := s.Root(t, "systemctl show -p MainPID -p StateChangeTimestampMonotonic apache2")
	s.Root(t, "logrotate --force "+apachecfg.LogrotatePath)
	s.get(t, base+"/after-rotation")
	require.Equal(t, before, s.Root(t, "systemctl show -p MainPID -p StateChangeTimestampMonotonic apache2"), "no reload")
	require.Contains(t, s.Root(t, "cat "+log+".1"), "/before-rotation")
	require.NotContains(t, s.Root(t, "cat "+log), "/before-rotation")
	require.Contains(t, s.Root(t, "cat "+log), "/after-rotation")
}

func servesFiles(t *testing.T, s *server, base string) {
	a := s.get(t, base+"/assets/app-1234.js")
	require.Equal(t, "asset\n", a.Text)
	require.Equal(t, []string{"public, max-age=31536000, immutable"}, a.Header.Values("Cache-Control"))
	require.Contains(t, a.Header.Get("Content-Type"), "javascript")
	require.NotEmpty(t, a.Header.Get("ETag"))
	again := s.get(t, base+"/assets/app-1234.js", "If-None-Match", a.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.StatusCode)
	a = s.get(t, base+"/robots.txt?x=1")
	require.Equal(t, "robots\n", a.Text)
	require.Equal(t, []string{"public, max-age=300"}, a.Header.Values("Cache-Control"))
	require.Equal(t, []string{"nosniff"}, a.Header.Values("X-Content-Type-Options"))
	require.Equal(t, []string{"Apache"}, a.Header.Values("Server"))
	require.Equal(t, "token\n", s.get(t, base+"/.well-known/token").Text)
	for _, path := range []string{"/.secret", "/../../shared/master.key", "/%2e%2e/%2e%2e/shared/master.key",
		"/system", "/.apachecfg/unavailable", "/.apachecfg/again", "/assets/app-0000.js"} {
		a := s.get(t, base+path)
		require.NotContains(t, a.Text, "hidden")
		require.NotContains(t, a.Text, "key\n")
		require.NotContains(t, a.Text, "Back soon")
	}
	require.NotEmpty(t, s.ask(t, http.MethodPost, base+"/robots.txt").Seen.Process, "what is not a read goes to the app")
}

func servesCachedPages(t *testing.T, s *server, base string) {
	for path, want := range map[string]string{"/books/1": "cached book\n", "/books": "cached list\n", "/": "cached home\n"} {
		a := s.get(t, base+path)
		require.Equal(t, want, a.Text, path)
		require.Equal(t, []string{"no-cache"}, a.Header.Values("Cache-Control"))
		require.Contains(t, a.Header.Get("Content-Type"), "text/html")
		require.Equal(t, http.StatusOK, s.ask(t, http.MethodHead, base+path).StatusCode)
	}
	require.NotEmpty(t, s.get(t, base+"/books/1?page=2").Seen.Process, "a query is for the app")
	require.NotEmpty(t, s.ask(t, http.MethodPost, base+"/books/1").Seen.Process, "a POST is for the app")
	require.NotEmpty(t, s.get(t, base+"/books/2").Seen.Process, "what is not cached is for the app")
}

func servesNames(t *testing.T, s *server, site apachecfg.Site, base string) {
	for _, alias := range site.Aliases {
		for _, path := range []string{"/", "/a?x=1&y=%20", "/a%2fb%3f%25/c//d/;e=1?", "/%C3%A9?q=%26%3f"} {
			a := s.get(t, base+path, "Host", alias)
			require.Equal(t, http.StatusPermanentRedirect, a.StatusCode)
			require.Equal(t, base+path, a.Header.Get("Location"))
		}
	}
	for _, unknown := range []string{"evil.example", "127.0.0.1", "localhost", "x." + site.Host} {
		a := s.get(t, base+"/up", "Host", unknown)
		require.Equal(t, http.StatusMisdirectedRequest, a.StatusCode, unknown)
		require.Empty(t, a.Seen.Process)
	}
}

func forwards(t *testing.T, s *server, base string) {
	var forged []string
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
		"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "Forwarded", "Proxy", "X-Real-Ip", "Client-Ip",
		"X_Forwarded_For", "X_Forwarded-Host", "X-Forwarded_Proto", "x_forwarded_port", "Client_Ip", "CLIENT_IP",
		"X-Original-Url", "X_Rewrite_Url", "X-Request-Start", "X_Request_Start", "True-Client-IP", "TRUE_CLIENT_IP",
		"CF-Connecting-IP", "cf_visitor", "X-Cluster-Client-IP", "Fastly-Client-IP", "X-Forwarded-Prefix", "X-Script-Name",
		"x-SCRIPT_name", "Front-End-Https", "X-Url-Scheme", "X-Sendfile-Type", "X-Accel-Mapping", "X-Host"} {
		forged = append(forged, name, "6.6.6.6")
	}
	a := s.get(t, base+"/a%2Fb%3f/%c3%a9//x..;/x?q=%26%3F&q", forged...)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.NotContains(t, a.Text, "6.6.6.6")
	require.Equal(t, "/a%2Fb%3f/%c3%a9//x..;/x?q=%26%3F&q", a.Seen.URI, "the path as the visitor sent it")
	want := mustURL(t, base)
	require.Equal(t, want.Host, a.Seen.Host)
	require.Equal(t, []string{want.Host}, a.Seen.Header["X-Forwarded-Host"])
	require.Equal(t, []string{want.Scheme}, a.Seen.Header["X-Forwarded-Proto"])
	require.Equal(t, []string{want.Port()}, a.Seen.Header["X-Forwarded-Port"])
	require.Len(t, a.Seen.Header["X-Forwarded-For"], 1)
	_, err := netip.ParseAddr(a.Seen.Header["X-Forwarded-For"][0])
	require.NoError(t, err)
	require.Regexp(t, `^t=\d{16}$`, a.Seen.Header["X-Request-Start"][0])
}

func maintenance(t *testing.T, s *server, base string) {
	off := func() {
		s.Root(t, "rm -f /srv/shop/shared/maintenance /srv/shop/current/public/system/maintenance.html")
	}
	defer off()
	s.Root(t, "echo Tomorrow >/srv/shop/current/public/system/maintenance.html")
	require.NotEmpty(t, s.get(t, base+"/x").Seen.Process, "a file that the app may write switches nothing")
	for on, shown := range map[string]string{"touch /srv/shop/shared/maintenance": "Back soon"} {
		s.Root(t, on)
		for _, path := range []string{"/", "/x?y=1", "/books/1", "/robots.txt", "/system/maintenance.html", "/up/x"} {
			a := s.get(t, base+path)
			require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, path)
			require.Contains(t, a.Text, shown)
			require.Equal(t, []string{"120"}, a.Header.Values("Retry-After"))
			require.Equal(t, []string{"no-store"}, a.Header.Values("Cache-Control"))
		}
		require.Equal(t, http.StatusServiceUnavailable, s.ask(t, http.MethodPost, base+"/x").StatusCode)
		require.Equal(t, http.StatusServiceUnavailable, s.ask(t, http.MethodHead, base+"/x").StatusCode)
		require.Equal(t, http.StatusOK, s.get(t, base+"/up").StatusCode)
		require.NotEmpty(t, s.get(t, base+"/up").Seen.Process)
		require.Equal(t, "asset\n", s.get(t, base+"/assets/app-1234.js").Text)
		off()
		require.Equal(t, http.StatusOK, s.get(t, base+"/x").StatusCode)
	}
	s.Root(t, "touch /srv/shop/shared/maintenance; mv /srv/shop/shared/maintenance.html /root/")
	defer s.Root(t, "mv /root/maintenance.html /srv/shop/shared/")
	a := s.get(t, base+"/x")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, "without a page too")
	require.Equal(t, []string{"120"}, a.Header.Values("Retry-After"))
	require.Equal(t, []string{"no-store"}, a.Header.Values("Cache-Control"))
}

func loopbackOnly(t *testing.T, s *server, base string) {
	out := s.Root(t, `exec 2>&1
ask() { perl -MIO::Socket::INET -e '
	$s = IO::Socket::INET->new("127.0.0.1:88") or die; print $s "GET $ARGV[0] HTTP/1.0\r\nHost: any\r\n$ARGV[1]\r\n\r\n"; print <$s>' "$@"; }
ask /up "X-Forwarded-For: 6.6.6.6"
ask /server-status?auto "X: 1"
ask /balancer-manager "X: 1" | head -1
ask /balancer-manager "X-Secret: " | head -1`)
	require.Contains(t, out, `"URI":"/up"`)
	require.NotContains(t, out, "6.6.6.6")
	require.Contains(t, out, "ParentServerConfigGeneration")
	require.Contains(t, out, "HTTP/1.1 403 Forbidden\r\nHTTP/1.1 403 Forbidden")
	require.NotEmpty(t, s.get(t, base+"/balancer-manager").Seen.Process, "to visitors it is a path of the app")
	require.Equal(t, "600 root\n600 root\n", s.Root(t, "stat -c '%a %U' /etc/apache2/shop.secret /etc/apache2/shop.secret.conf"))
}

func https(t *testing.T, s *server) {
	site := allInOneHTTPS()
	s.certificate(t, site)
	site = s.serve(t, site)
	base := fmt.Sprintf("https://%s:%d", site.Host, site.HTTPS.PublicPort)
	serves(t, s, site, base)
	a := s.get(t, base+"/x")
	require.Equal(t, "HTTP/2.0", a.Proto)
	require.Equal(t, uint16(tls.VersionTLS13), a.TLS.Version)
	require.Equal(t, []string{"max-age=31536000"}, a.Header.Values("Strict-Transport-Security"))
	require.Equal(t, []string{"max-age=7"}, s.get(t, base+"/says-hsts").Header.Values("Strict-Transport-Security"))
	for _, host := range append([]string{site.Host}, site.Aliases...) {
		a := s.get(t, fmt.Sprintf("http://%s:%d/a%%2fb?x=1", host, site.HTTP.PublicPort))
		require.Equal(t, http.StatusPermanentRedirect, a.StatusCode)
		require.Equal(t, base+"/a%2fb?x=1", a.Header.Get("Location"))
	}
	a = s.get(t, fmt.Sprintf("http://evil.example:%d/", site.HTTP.PublicPort))
	require.Equal(t, http.StatusMisdirectedRequest, a.StatusCode)
	dial := func(c *tls.Config) (*tls.Conn, error) {
		c.RootCAs, c.ServerName = s.authority, site.Host
		return tls.Dial("tcp", s.Port(443).String(), c)
	}
	_, err := dial(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.ErrorContains(t, err, "protocol version")
	_, err = dial(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}})
	require.ErrorContains(t, err, "handshake failure")
	c, err := dial(&tls.Config{MaxVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	require.NoError(t, err)
	socket(t, c, site.Host)
	t.Run("maintenance", func(t *testing.T) { maintenance(t, s, base) })
	t.Run("new certificate", func(t *testing.T) {
		s.certificate(t, site)
		_, err := s.client().Get(base + "/x")
		require.ErrorContains(t, err, "certificate")
		require.NoError(t, apachecfg.Reload(t.Context(), s.Host, site))
		require.Equal(t, http.StatusOK, s.get(t, base+"/x").StatusCode)
	})
	t.Run("long bodies", func(t *testing.T) { longBodies(t, s, site) })
}

const haproxy = `defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 15s
frontend app
    bind 127.0.0.1:8000
    default_backend app
backend app
    server a 127.0.0.1:3001 check
    server b 127.0.0.1:3002 check
`

func frontEndServes(t *testing.T, s *server) {
	s.Put(t, "/etc/haproxy/haproxy.cfg", 0o644, []byte(haproxy))
	s.Root(t, "systemctl restart haproxy")
	site := frontEnd()
	s.certificate(t, site)
	site = s.serve(t, site)
	base := fmt.Sprintf("https://%s:%d", site.Host, site.HTTPS.PublicPort)
	t.Run("files", func(t *testing.T) { servesFiles(t, s, base) })
	t.Run("names", func(t *testing.T) { servesNames(t, s, site, base) })
	t.Run("forwarding", func(t *testing.T) { forwards(t, s, base) })
	t.Run("maintenance", func(t *testing.T) { maintenance(t, s, base) })
	c, err := tls.Dial("tcp", s.Port(443).String(), &tls.Config{RootCAs: s.authority, ServerName: site.Host})
	require.NoError(t, err)
	socket(t, c, site.Host)
}
