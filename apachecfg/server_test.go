//go:build integration

package apachecfg_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
)

// server is a real Debian with a real Apache and four processes of testdata/app.
type server struct {
	*localtest.Machine
	authority *x509.CertPool
}

const appUnit = `[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/opt/app %i
Restart=always
RestartSec=1
`

func newServer(t *testing.T, image string) *server {
	m := localtest.Server(t, localtest.Options{Name: "web-1", Image: image, Ports: []uint16{80, 443},
		Packages: []string{"apache2", "iproute2", "logrotate", "openssl", "haproxy"}})
	s := &server{Machine: m}
	s.Put(t, "/opt/app", 0o755, localtest.Build(t, "build", "./testdata/app"))
	s.Put(t, "/etc/systemd/system/app@.service", 0o644, []byte(appUnit))
	s.Put(t, "/tmp/files", 0o644, []byte(files))
	s.Root(t, `systemctl daemon-reload
systemctl start app@3001 app@3002 app@3003 app@3004
systemctl disable --quiet --now haproxy
sh -eu /tmp/files
rm -f `+apachecfg.DefaultPath+`
ln -s `+apachecfg.ConfigPath("shop")+" "+apachecfg.EnabledPath("shop"))
	s.Root(t, apachecfg.SecretScript("/etc/apache2/shop.secret"))
	return s
}

// files are laid out as Capistrano does.
const files = `mkdir -p /srv/shop/releases/1 /srv/shop/shared
ln -sfn /srv/shop/releases/1 /srv/shop/current
mkdir -p /srv/shop/current/public && cd /srv/shop/current/public
mkdir -p assets cache/books/new system .well-known
echo asset >assets/app-1234.js
echo robots >robots.txt
echo hidden >.secret
echo token >.well-known/token
echo "cached book" >cache/books/1.html
echo "cached list" >cache/books/index.html
echo "cached home" >cache/index.html
echo '<h1>Back soon</h1>' >/srv/shop/shared/maintenance.html
echo key >/srv/shop/shared/master.key
`

// published is the site with the ports under which the test reaches it.
func (s *server) published(site apachecfg.Site) apachecfg.Site {
	if site.HTTP.Port != 0 {
		site.HTTP.PublicPort = s.Port(site.HTTP.Port).Port()
	}
	if site.HTTPS.Port != 0 {
		site.HTTPS.PublicPort = s.Port(site.HTTPS.Port).Port()
	}
	return site
}

// write puts the site's files on the server without telling Apache.
func (s *server) write(t *testing.T, site apachecfg.Site) {
	t.Helper()
	list, err := apachecfg.Files(site)
	require.NoError(t, err)
	for _, f := range list {
		s.Put(t, f.Path, f.Mode, f.Content)
	}
}

// serve makes Apache serve the site.
func (s *server) serve(t *testing.T, site apachecfg.Site) apachecfg.Site {
	t.Helper()
	site = s.published(site)
	s.write(t, site)
	s.Root(t, "a2enmod -q "+strings.Join(apachecfg.Modules(site), " "))
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	require.NoError(t, apachecfg.Reload(ctx, s.Host, site))
	return site
}

// certificate puts a self-signed certificate for the names on the server.
func (s *server) certificate(t *testing.T, site apachecfg.Site) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	leaf := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: site.Host}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: append([]string{site.Host}, site.Aliases...)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.Put(t, site.HTTPS.Certificate, 0o644, chain)
	s.Put(t, site.HTTPS.Key, 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	s.authority = x509.NewCertPool()
	s.authority.AppendCertsFromPEM(chain)
}

// answer is a response and, where the app gave it, what the app received.
type answer struct {
	*http.Response
	Text string
	Seen struct {
		Process, Method, URI, Host string
		Header                     http.Header
	}
}

// client dials the published ports whatever the name, trusts the test's certificate and follows no redirect.
func (s *server) client() *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1"+address[strings.LastIndexByte(address, ':'):])
	}
	return &http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: s.authority}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       20 * time.Second,
	}
}

func (s *server) ask(t *testing.T, method, url string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	res, err := s.client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	a := answer{Response: res, Text: string(body)}
	_ = json.Unmarshal(body, &a.Seen)
	return a
}

func (s *server) get(t *testing.T, url string, header ...string) answer {
	t.Helper()
	return s.ask(t, http.MethodGet, url, header...)
}

// socket upgrades a connection to the site and echoes a line over it.
func socket(t *testing.T, c net.Conn, host string) {
	t.Helper()
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	fmt.Fprintf(c, "GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	fmt.Fprintln(c, "hello through the tunnel")
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "hello through the tunnel\n", line)
}
