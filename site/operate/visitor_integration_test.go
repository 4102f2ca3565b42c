//go:build integration

package operate_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/operate"
	"github.com/siteblocks/siteblocks/site/traffic"
)

// visitor is a browser that goes where it is told, follows no redirect, and resolves every name to the site's front end.
type visitor struct {
	client *http.Client
	base   *url.URL // canonical
}

func newVisitor(t *testing.T, base string) *visitor {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{}}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{base: u, client: &http.Client{
		Jar: jar, Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	body string
}

func (v *visitor) do(t *testing.T, req *http.Request) answer {
	t.Helper()
	resp, err := v.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp, string(body)}
}

// get asks for a path, by the canonical name or, with a name in front of the path, by that one.
func (v *visitor) get(t *testing.T, target string, header ...string) answer {
	t.Helper()
	u := *v.base
	host, rest, _ := strings.Cut(target, "/")
	path, query, _ := strings.Cut(rest, "?")
	u.Path, u.RawQuery = "/"+path, query
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
	require.NoError(t, err)
	if host != "" {
		req.Host = host
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return v.do(t, req)
}

var formToken = regexp.MustCompile(`name="authenticity_token" value="([^"]+)"`)

// sign writes into the guest book by its form, as a browser would.
func (v *visitor) sign(t *testing.T, name, message string) {
	t.Helper()
	token := formToken.FindStringSubmatch(v.get(t, "/").body)
	require.Len(t, token, 2)
	form := url.Values{"authenticity_token": {token[1]}, "entry[name]": {name}, "entry[message]": {message}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.base.JoinPath("entries").String(), strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signed := v.do(t, req)
	require.Equal(t, http.StatusSeeOther, signed.StatusCode, signed.body)
	require.Equal(t, v.base.String(), signed.Header.Get("Location"))
}

// whoami is what the process that answered says of itself: "release", "port", "pid".
func (v *visitor) whoami(t *testing.T) map[string]string {
	t.Helper()
	said := map[string]string{}
	for line := range strings.Lines(v.get(t, "/whoami").body) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[key] = value
	}
	require.NotEmpty(t, said["port"], said)
	return said
}

// load is 60 requests a second: see loadAt.
func load(t *testing.T, base string) *traffic.Run {
	t.Helper()
	return loadAt(t, base, 60)
}

// loadAt is so many requests a second for the front page, which asks the database, by ten visitors who keep their
// connections. It ends by itself after a quarter of an hour.
func loadAt(t *testing.T, base string, rate int) *traffic.Run {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	addr := netip.MustParseAddrPort(net.JoinHostPort("127.0.0.1", u.Port()))
	run, err := traffic.Load{
		Target: traffic.Target{Addr: addr, Host: u.Host}, Rate: rate, Clients: 10, Time: 15 * time.Minute,
		Body: func(page []byte) error {
			if !strings.Contains(string(page), "</html>") {
				return fmt.Errorf("half a page: %d bytes", len(page))
			}
			return nil
		},
	}.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { run.Stop() })
	return run
}

// unharmed requires that no request failed, and enough of them were made to mean something.
func unharmed(t *testing.T, what string, run *traffic.Run) {
	t.Helper()
	report := run.Stop()
	t.Logf("%s: %s; %d skipped, %d connections", what, report, report.Skipped, report.Connections)
	require.Zero(t, report.Failures(""), "%s: %s: %s", what, report, report.Last)
	require.Greater(t, report.Total(""), 100, what)
}

// onServer runs a script as root on a server of the site and returns what it prints.
func onServer(t *testing.T, o operate.Operator, script string) string {
	t.Helper()
	h, err := o.Host(t.Context(), "web-1")
	require.NoError(t, err)
	defer h.Close()
	return runOn(t, h, script)
}
