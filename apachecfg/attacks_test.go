//go:build integration

package apachecfg_test

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
)

// say sends bytes to the HTTP port as they are and returns the answer.
func (s *server) say(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", s.Port(80).String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, request)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err, request)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// onlyTheSite sends what curl does not: the site answers, as itself, and nothing of Debian's does.
func onlyTheSite(t *testing.T, s *server, base string) {
	for _, connection := range []string{
		"close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Port, Host",
		"close;X-Forwarded-For X-Forwarded-Proto\r\nConnection: X-Forwarded-Host\r\nProxy-Connection: X-Forwarded-Port",
		"X-FORWARDED-FOR,close,\"X-Forwarded-Proto\", X-Forwarded-Host\t,X-Forwarded-Port",
	} {
		_, body := s.say(t, "GET /x HTTP/1.1\r\nHost: shop.localhost\r\nConnection: "+connection+"\r\n\r\n")
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port"} {
			require.Contains(t, body, `"`+name+`":["`, connection)
		}
		require.Contains(t, body, `"Host":"`+mustURL(t, base).Host+`"`)
	}
	for request, want := range map[string]string{
		"GET http://shop.localhost/a?b=%20 HTTP/1.1": `"URI":"/a?b=%20"`,
		"GET http://shop.localhost HTTP/1.1":         "cached home",
		"GET HTTP://shop.localhost:80/a HTTP/1.1":    `"URI":"/a"`,
		"GET http://www.shop.localhost HTTP/1.1":     "",
		"GET http://evil.example/ HTTP/1.1":          "",
		"GET http://evil.example HTTP/1.1":           "",
		"CONNECT shop.localhost:443 HTTP/1.1":        "",
	} {
		res, body := s.say(t, request+"\r\nHost: other.example\r\nConnection: close\r\n\r\n")
		require.Contains(t, body, want, request)
		require.NotContains(t, body, "Debian", request)
		require.Equal(t, want == "", res.StatusCode != http.StatusOK, "%s: %s", request, res.Status)
	}
	for _, path := range []string{"/server-status", "/server-status?auto", "/balancer-manager", "/icons/", "/cgi-bin/x", "/server-info"} {
		_, body := s.say(t, "GET "+path+" HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n")
		require.Contains(t, body, `"URI":"`+path+`"`, "it is the app's")
	}
}

// hiddenFiles reach neither Apache's files nor the app, and odd names are served or reach it.
func hiddenFiles(t *testing.T, s *server, base string) {
	for _, path := range []string{"/.env", "/.git/HEAD", "/%2eenv", "//.env", "/a/.b", "/a%2F.env", "/%2f%2Eenv",
		"/.well-known/.x", "/.well-knownx", "/a/..%2f.env", "/.apachecfg/died/1", "/.apachecfg/unavailable"} {
		a := s.get(t, base+path)
		require.Equal(t, http.StatusNotFound, a.StatusCode, path)
		require.Empty(t, a.Seen.Process, path)
	}
	require.NotEmpty(t, s.get(t, base+"/.well-known/acme").Seen.Process)
	var names []string
	for _, name := range []string{"what?", "100%", "a*b", "a[b", `a\b`, "a b", "a%2Fb", "a%3Fb", "a#b", `a"b`, "$1", "%1", "é"} {
		names = append(names, "'"+name+".html'")
	}
	s.Root(t, "cd /srv/shop/current/public/cache; for n in "+strings.Join(names, " ")+`; do echo special >"$n"; done`)
	for _, path := range []string{"/100%25", "/a*b", "/a[b", "/a%5Cb", "/a%20b", "/a%252Fb", "/a%253Fb", "/a%23b", "/a%22b", "/$1", "/%251", "/%c3%a9"} {
		require.Equal(t, "special\n", s.get(t, base+path).Text, path)
	}
	for _, path := range []string{"/what%3F", "/what%3F.html", "/" + strings.Repeat("a", 300), "/books/1/", "/%ff%fe", "/a%0Ab", "/robots.txt/x"} {
		a := s.get(t, base+path)
		require.Equal(t, http.StatusOK, a.StatusCode, path)
		require.Equal(t, path, a.Seen.URI)
	}
}

// links that somebody else than root makes lead to nothing that is not theirs.
func links(t *testing.T, s *server) {
	site := allInOne()
	site.Shared = map[string]string{"/system/": "/srv/shop/shared/system"}
	site.Immutable = append(site.Immutable, "/system/kept/")
	s.Root(t, `mkdir -p /srv/shop/shared/system/kept; cd /srv/shop/current/public
echo upload >'/srv/shop/shared/system/a?.png'; echo kept >/srv/shop/shared/system/kept/1.css
echo elsewhere >/srv/shop/shared/elsewhere; chmod 644 /srv/shop/shared/elsewhere
chown -R daemon /srv/shop/shared/system cache; mkdir -p open; chown daemon open
for d in cache open /srv/shop/shared/system; do
	setpriv --reuid=daemon --clear-groups sh -c 'for f in /etc/apache2/shop.secret /etc/apache2/shop.secret.conf /srv/shop/shared/elsewhere; do
		ln -sf $f '$d'/${f##*/}; ln -sf $f '$d'/${f##*/}.html; done; ln -sfn /srv/shop/shared '$d'/folder'
done`)
	site = s.serve(t, site)
	base := fmt.Sprintf("http://%s:%d", site.Host, site.HTTP.PublicPort)
	secret := s.Root(t, "cat /etc/apache2/shop.secret")
	for _, path := range []string{"/shop.secret", "/shop.secret.conf", "/elsewhere", "/folder/elsewhere"} {
		for _, prefix := range []string{"", "/cache", "/open", "/system"} {
			a := s.get(t, base+prefix+path)
			require.NotContains(t, a.Text, secret, prefix+path)
			require.NotContains(t, a.Text, "elsewhere\n", prefix+path)
		}
	}
	require.Equal(t, "upload\n", s.get(t, base+"/system/a%3F.png").Text)
	require.Equal(t, []string{"public, max-age=31536000, immutable"}, s.get(t, base+"/system/kept/1.css").Header.Values("Cache-Control"))
	require.Equal(t, "cached book\n", s.get(t, base+"/books/1").Text)
	require.Equal(t, "nobody\n", s.Root(t, "setpriv --reuid=www-data --regid=www-data --clear-groups cat /etc/apache2/shop.secret /etc/apache2/shop.secret.conf 2>/dev/null || echo nobody"))
}

// diesOnce lets a process die in each way: what is asked again is asked byte by byte, and only where no answer began.
func diesOnce(t *testing.T, s *server) {
	site := allInOne()
	site.App.Timeout = time.Second
	site = s.serve(t, site)
	base := fmt.Sprintf("http://%s:%d", site.Host, site.HTTP.PublicPort)
	for _, tt := range []struct {
		method, uri   string
		status, asked int
	}{
		{http.MethodGet, "/dies?token=1&q=a%20b", http.StatusOK, 2},
		{http.MethodGet, "/dies?a%3Fb=%26&&c?d;e=+%ff", http.StatusOK, 2},
		{http.MethodHead, "/dies?x=1", http.StatusOK, 2},
		{http.MethodGet, "/dies", http.StatusOK, 2},
		{http.MethodPost, "/dies?x=1", http.StatusBadGateway, 1},
		{http.MethodDelete, "/dies?x=1", http.StatusBadGateway, 1},
		{http.MethodGet, "/dies?how=status", http.StatusBadGateway, 1},
		{http.MethodGet, "/dies?how=header", http.StatusBadGateway, 1},
		{http.MethodGet, "/dies?how=hangs", http.StatusGatewayTimeout, 1},
	} {
		s.Root(t, "rm -f /var/tmp/dies")
		a := s.ask(t, tt.method, base+tt.uri)
		require.Equal(t, tt.status, a.StatusCode, "%s %s: %s", tt.method, tt.uri, a.Text)
		asked := tt.method + " " + tt.uri + "\n"
		if tt.asked == 2 { // a HEAD is asked again as a GET, whose body the visitor does not get
			asked += http.MethodGet + " " + tt.uri + "\n"
		}
		require.Equal(t, asked, s.Root(t, "cat /var/tmp/dies"))
		if tt.method == http.MethodGet && tt.status == http.StatusOK {
			require.Equal(t, tt.uri, a.Text)
		}
	}
}

// longBodies are refused whether they say how long they are or not, in HTTP/1.1 and HTTP/2, and while they still come.
func longBodies(t *testing.T, s *server, site apachecfg.Site) {
	site.MaxBody, site.HTTP.RedirectToHTTPS = 100_000, false
	site = s.serve(t, site)
	for _, base := range []string{fmt.Sprintf("http://%s:%d", site.Host, site.HTTP.PublicPort), fmt.Sprintf("https://%s:%d", site.Host, site.HTTPS.PublicPort)} {
		for _, length := range []int64{10, 100_000, 100_001, 300_000} {
			for _, says := range []bool{true, false} {
				body := io.Reader(strings.NewReader(strings.Repeat("x", int(length))))
				if !says {
					body = io.MultiReader(body) // of no known length
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/x", body)
				require.NoError(t, err)
				req.Header.Set("Expect", "100-continue")
				client := s.client()
				client.Transport.(*http.Transport).ExpectContinueTimeout = 5 * time.Second
				res, err := client.Do(req)
				require.NoError(t, err, "%s %d %v", base, length, says)
				require.NoError(t, res.Body.Close())
				require.Equal(t, length > 100_000, res.StatusCode == http.StatusRequestEntityTooLarge, "%s %d %v: %s", base, length, says, res.Status)
				require.Equal(t, length <= 100_000, res.StatusCode == http.StatusOK, "%s %d %v: %s", base, length, says, res.Status)
			}
		}
	}
	t.Run("HTTP/2 without end", func(t *testing.T) {
		endless := io.LimitReader(rand.Reader, 1<<40) // of no known length
		res, err := s.client().Post(fmt.Sprintf("https://%s:%d/x", site.Host, site.HTTPS.PublicPort), "text/plain", endless)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, "HTTP/2.0", res.Proto)
		require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err, "the answer arrives whole before the stream is reset")
		require.Contains(t, string(text), "</html>")
	})
}

// dripping is a body that comes evenly.
type dripping struct{ rate, left int }

func (d *dripping) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Second)
	n := min(d.rate, d.left, len(p))
	d.left -= n
	return n, nil
}

// slowBodies come for half a minute, below and above the rate that a body has to keep, with and without a length.
func slowBodies(t *testing.T, s *server, site apachecfg.Site) {
	const seconds = 30
	var all sync.WaitGroup
	for _, base := range []string{fmt.Sprintf("http://%s:%d", site.Host, site.HTTP.PublicPort), fmt.Sprintf("https://%s:%d", site.Host, site.HTTPS.PublicPort)} {
		for rate, want := range map[int]int{600: http.StatusRequestTimeout, 6000: http.StatusOK} {
			for _, length := range []int64{int64(seconds * rate), -1} {
				all.Go(func() {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/x", &dripping{rate, seconds * rate})
					assert.NoError(t, err)
					req.ContentLength = length
					client := s.client()
					client.Timeout = 2 * seconds * time.Second
					res, err := client.Do(req)
					if assert.NoError(t, err, "%s %d %d", base, rate, length) {
						assert.Equal(t, want, res.StatusCode, "%s %d %d", base, rate, length)
						_ = res.Body.Close()
					}
				})
			}
		}
	}
	all.Wait()
}

// slowVisitors hold connections open with a few bytes a second; pages are served meanwhile.
func slowVisitors(t *testing.T, s *server) {
	site := allInOneHTTPS()
	site.HTTP.RedirectToHTTPS = false
	s.certificate(t, site)
	site = s.serve(t, site)
	const request = "POST /x HTTP/1.1\r\nHost: shop.localhost\r\n"
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // of 512 bytes
	kinds := []struct {
		name, first, rest string
		port              uint16
		count             int
	}{
		{"greetings", "", hello, 443, 220},
		{"nothing at all", "", "", 443, 400},
		{"headers", "", request, 80, 100},
		{"bodies", request + "Content-Length: 9999\r\n\r\n", strings.Repeat("x", 99), 80, 260},
		{"chunks", request + "Transfer-Encoding: chunked\r\n\r\n", "270f\r\n" + strings.Repeat("x", 99), 80, 100},
	}
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	drip := func(i int) {
		at := 0
		for _, k := range kinds {
			for _, c := range held[at : at+k.count] {
				if i < len(k.rest) {
					_, _ = io.WriteString(c, k.rest[i:i+1]) // an error is Apache that had enough
				}
			}
			at += k.count
		}
	}
	for _, k := range kinds {
		for range k.count {
			c, err := net.Dial("tcp", s.Port(k.port).String())
			require.NoError(t, err)
			held = append(held, c)
			_, err = io.WriteString(c, k.first)
			require.NoError(t, err)
		}
	}
	served := 0
	for i := range 16 {
		drip(i)
		for _, base := range []string{fmt.Sprintf("http://%s:%d", site.Host, site.HTTP.PublicPort), fmt.Sprintf("https://%s:%d", site.Host, site.HTTPS.PublicPort)} {
			if a := s.get(t, base+"/x"); a.StatusCode == http.StatusOK {
				served++
			}
		}
	}
	require.Equal(t, 32, served)
	t.Run("bodies", func(t *testing.T) { slowBodies(t, s, site) })
	t.Run("have an end", func(t *testing.T) {
		at := 0
		for _, k := range kinds {
			c := held[at]
			at += k.count
			require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
			_, err := io.Copy(io.Discard, c) // ends when Apache closes, with an answer or without
			var timeout interface{ Timeout() bool }
			require.False(t, err != nil && errors.As(err, &timeout) && timeout.Timeout(), "%s: %v", k.name, err)
		}
	})
}
