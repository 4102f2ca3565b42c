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
	require.NoError(t, target.HTTPHealthy(t.Context(), addr, "/up", 10*time.Second))
	require.EqualValues(t, 3, asked.Load())
	err := target.HTTPHealthy(t.Context(), addr, "/other", 600*time.Millisecond)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "booting")
}

func TestTargetReportsEveryMistake(t *testing.T) {
	_, err := codedeploy.Target{Root: "/srv/../etc", Owner: "a b", LinkedDirs: []string{"../x"}, Keep: -1}.Releases(t.Context())
	for _, part := range []string{"no host", "clean absolute", `"a b"`, `"../x"`, "keep -1"} {
		require.ErrorContains(t, err, part)
	}
}
