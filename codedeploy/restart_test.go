package codedeploy_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

func TestRestartStopsAtTheFirstThatIsNotHealthy(t *testing.T) {
	var calls []string
	sick := errors.New("sick")
	process := func(name string, health error) codedeploy.Process {
		return codedeploy.Process{
			Name:    name,
			Restart: func(context.Context) error { calls = append(calls, "restart "+name); return nil },
			Healthy: func(context.Context) error { calls = append(calls, "ask "+name); return health },
		}
	}
	err := codedeploy.Restart(t.Context(), []codedeploy.Process{process("app@1", nil), process("app@2", sick), process("app@3", nil)})
	require.ErrorIs(t, err, sick)
	var at *codedeploy.RestartError
	require.ErrorAs(t, err, &at)
	require.Equal(t, "app@2", at.Process)
	require.Equal(t, []string{"app@1"}, at.Restarted)
	require.Equal(t, []string{"restart app@1", "ask app@1", "restart app@2", "ask app@2"}, calls)
}

func TestHTTPHealthyWaitsFor200(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 || r.URL.Path != "/up" {
			http.Error(w, "booting", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	addr := netip.MustParseAddrPort(server.Listener.Addr().(*net.TCPAddr).String())
	target := codedeploy.Target{Host: sshx.Local{}}
	require.NoError(t, target.HTTPHealthy(t.Context(), addr, codedeploy.HTTPCheck{Path: "/up"}))
	require.EqualValues(t, 3, asked.Load())
	err := target.HTTPHealthy(t.Context(), addr, codedeploy.HTTPCheck{Path: "/other", Timeout: 600 * time.Millisecond})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "booting")
}

// As Rails does with force_ssl and config.hosts.
func TestHTTPHealthyAsksAsAVisitorDoes(t *testing.T) {
	var seen http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch seen = r.Header; {
		case r.Host != "www.shop.example" && r.Host != "shop.localhost:8443":
			w.WriteHeader(http.StatusForbidden)
		case r.Header.Get("X-Forwarded-Proto") != "https":
			http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
		}
	}))
	defer server.Close()
	addr := netip.MustParseAddrPort(server.Listener.Addr().String())
	wait := func(c codedeploy.HTTPCheck) error {
		return codedeploy.Target{Host: sshx.Local{}}.HTTPHealthy(t.Context(), addr, c)
	}
	require.NoError(t, wait(codedeploy.HTTPCheck{Host: "www.shop.example", HTTPS: true}))
	require.Equal(t, []string{"www.shop.example", "443", "https"}, []string{seen.Get("X-Forwarded-Host"), seen.Get("X-Forwarded-Port"), seen.Get("X-Forwarded-Proto")})
	require.NoError(t, wait(codedeploy.HTTPCheck{Path: "/up?full=1", Host: "shop.localhost:8443", HTTPS: true}))
	require.Equal(t, "8443", seen.Get("X-Forwarded-Port"))
	require.ErrorContains(t, wait(codedeploy.HTTPCheck{Host: "www.shop.example", Timeout: time.Second}), `status 301 to "https://www.shop.example/"`)
	require.ErrorContains(t, wait(codedeploy.HTTPCheck{HTTPS: true, Timeout: time.Second}), "status 403")
	for _, bad := range []codedeploy.HTTPCheck{{Path: "up"}, {Path: "/a\nb"}, {Host: "a b"}, {Host: "https://www.shop.example"}, {Host: "a\r\nb"}} {
		err := wait(bad)
		require.Error(t, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded, "%+v: it is known at once", bad)
	}
}

func TestTargetReportsEveryMistake(t *testing.T) {
	_, err := codedeploy.Target{Root: "/srv/../etc", Owner: "a b", LinkedDirs: []string{"../x"}, Keep: -1}.Releases(t.Context())
	for _, part := range []string{"no host", "clean absolute", `"a b"`, `"../x"`, "keep -1"} {
		require.ErrorContains(t, err, part)
	}
}
