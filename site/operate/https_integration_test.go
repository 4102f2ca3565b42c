//go:build integration

package operate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// given is a certificate that somebody else gave the operator.
func given(t *testing.T, hosts ...string) site.HTTPS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(7), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	h := site.HTTPS{Mode: site.HTTPAndHTTPS, CertFile: filepath.Join(t.TempDir(), "cert.pem"), KeyFile: filepath.Join(t.TempDir(), "key.pem")}
	require.NoError(t, os.WriteFile(h.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	require.NoError(t, os.WriteFile(h.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return h
}

// neverUp: a first release that does not come up says what to do, and the next up brings what was mended.
func neverUp(t *testing.T, o operate.Operator) {
	t.Helper()
	o.LockWait = time.Minute // the killed one's lock expires by itself
	o.Site.App.Source = edited(t, "config/puma.rb", "raise 'this one does not boot'\n")
	_, err := o.Up(t.Context())
	require.ErrorContains(t, err, "this one does not boot")
	require.ErrorContains(t, err, "no release of the site has ever come up")
	require.ErrorContains(t, err, "run up again")
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	require.False(t, st.Well)
	require.Contains(t, strings.Join(st.Problems, "\n"), "of 2 processes (")
}

// TestHTTPS runs a second site beside the one of TestLife, with HTTPS by the site's own authority. Its first up is killed
// twice.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	o, _ := guestBook(t, func(s *site.Site) {
		s.Web.HTTPS.Mode = site.HTTPSRedirect
		s.App.Processes, s.App.BootTimeout = 2, 3*time.Minute
	})
	killUp(t, o, "packages", site.StepStarted)
	killUp(t, o, "install release", site.StepStarted)
	neverUp(t, o)
	r := converges(t, o)
	v := newVisitor(t, r.URL)
	require.Equal(t, "https", v.base.Scheme)
	authority := onServer(t, o, "cat /etc/siteblocks/site.pem")
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(authority)))
	v.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode, "the certificate is checked, and good for the name")
	v.sign(t, "Grace", "over TLS")
	require.Contains(t, v.get(t, "/").body, "over TLS")
	for _, alias := range []string{o.Site.Domain, "guestbook.example"} {
		moved := v.get(t, alias+"/entries?page=2")
		require.Equal(t, http.StatusPermanentRedirect, moved.StatusCode)
		require.Equal(t, v.base.String()+"entries?page=2", moved.Header.Get("Location"))
	}

	servers, err := o.Cloud.Servers(t.Context(), o.Site.Name)
	require.NoError(t, err)
	plain := &url.URL{Scheme: "http", Host: net.JoinHostPort(v.base.Hostname(), fmt.Sprint(servers[0].Published[80].Port())), Path: "/"}
	moved := newVisitor(t, plain.String()).get(t, "/entries?page=2&q=a%20b")
	require.Equal(t, http.StatusPermanentRedirect, moved.StatusCode)
	require.Equal(t, v.base.String()+"entries?page=2&q=a%20b", moved.Header.Get("Location"))
	upAgain(t, o)

	// The mode is a field: both are served after one up, with a certificate of the operator's own.
	o.Site.Web.HTTPS = given(t, o.Site.Domain, o.Site.Aliases[0])
	o.Program = program(t, o.Site)
	_, err = o.Up(t.Context())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, newVisitor(t, plain.String()).get(t, "/").StatusCode)
	certificate, err := os.ReadFile(o.Site.Web.HTTPS.CertFile)
	require.NoError(t, err)
	require.True(t, pool.AppendCertsFromPEM(certificate))
	v.client.CloseIdleConnections()
	v.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: o.Site.Domain}
	require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode)
	upAgain(t, o)
	require.NoError(t, o.Down(t.Context(), operate.DownOptions{DeleteData: true}))
	gone(t, o)
}
