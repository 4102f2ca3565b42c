package apachecfg_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// forgetful is an Apache that answers 200 to a change and does not make it, or loses it while a member is being drained.
type forgetful struct {
	sshx.Host
	address string

	mu         sync.Mutex
	ignored    int // changes that are still to be ignored
	losesAfter int // looks at the drained member, with a request under way, after which it is drained no more
	drained    bool
	changes    int
}

func (f *forgetful) Run(_ context.Context, s sshx.Script) error {
	_, err := io.WriteString(s.Stdout, "secret")
	return err
}

func (f *forgetful) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", f.address)
}

func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodPost {
		f.changes++
		if f.ignored--; f.ignored < 0 {
			f.drained = r.FormValue("w_status_D") == "1"
		}
		return
	}
	status, busy := "Init Ok", 0
	if f.drained {
		status = "Init Dis"
	}
	if f.drained && f.losesAfter > 0 {
		busy = 1
		f.losesAfter--
		f.drained = f.losesAfter > 0
	}
	member := "<httpd:worker><httpd:name>http://127.0.0.1:%d</httpd:name><httpd:status>%s</httpd:status><httpd:busy>%d</httpd:busy></httpd:worker>"
	fmt.Fprintf(w, `<httpd:manager xmlns:httpd="http://httpd.apache.org"><httpd:balancers><httpd:balancer><httpd:name>balancer://shop</httpd:name><httpd:workers>`+
		member+member+`</httpd:workers></httpd:balancer></httpd:balancers></httpd:manager>`, 3001, status, busy, 3002, "Init Ok", 0)
}

func newForgetful(t *testing.T) (*forgetful, *apachecfg.Balancer) {
	t.Helper()
	f := &forgetful{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.address = server.Listener.Addr().String()
	return f, &apachecfg.Balancer{Host: f, Name: "shop", Port: 88, SecretFile: "/etc/secret"}
}

func TestASwitchThatApacheLosesIsMovedAgain(t *testing.T) {
	member := netip.MustParseAddrPort("127.0.0.1:3001")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	f, b := newForgetful(t)
	f.ignored = 3
	require.NoError(t, b.Drain(ctx, member))
	require.Equal(t, 4, f.changes)
	f.ignored = 3
	require.NoError(t, b.Ready(ctx, member))
	require.False(t, f.drained)

	f, b = newForgetful(t)
	f.losesAfter = 5
	require.NoError(t, b.Drain(ctx, member))
	require.True(t, f.drained)
	require.Equal(t, 2, f.changes)

	f, b = newForgetful(t)
	f.ignored = 1000
	require.ErrorContains(t, b.Drain(ctx, member), `the balancer did not take the change, its status is "Init Ok"`)
}
