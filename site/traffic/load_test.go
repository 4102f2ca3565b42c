package traffic_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/siteblocks/siteblocks/site/traffic"
	"github.com/stretchr/testify/require"
)

// app answers with the status that it is told to, and writes down the POSTs.
type app struct {
	mu     sync.Mutex
	status int
	posts  []string
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method == http.MethodPost {
		a.posts = append(a.posts, string(body))
	}
	w.Header().Set("X-Server", "web-1")
	w.WriteHeader(a.status)
	io.WriteString(w, "hello")
}

func (a *app) set(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

func start(t *testing.T) (*app, traffic.Target) {
	a := &app{status: http.StatusOK}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	return a, traffic.Target{Addr: netip.MustParseAddrPort(s.Listener.Addr().String())}
}

func TestLoadCounts(t *testing.T) {
	a, target := start(t)
	run, err := traffic.Load{Target: target, Clients: 4, Rate: 2000, Count: 400, PostEvery: 4, By: "X-Server"}.Start(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.posts) >= 90 }, 20*time.Second, time.Millisecond)
	report := run.Stop()
	require.Empty(t, report.Failed)
	require.Equal(t, len(report.Acknowledged), report.Good["POST"])
	require.LessOrEqual(t, report.Total(""), 400)
	require.Equal(t, report.Total(""), report.Good["GET"]+report.Good["POST"])
	require.Equal(t, map[string]int{"web-1": report.Total("")}, report.By)
	require.Equal(t, 4, report.Connections)
	require.Positive(t, report.P50)
	require.LessOrEqual(t, report.P50, report.P99)
	require.LessOrEqual(t, report.P99, report.Max)
	slices.Sort(a.posts)
	require.Len(t, slices.Compact(slices.Clone(a.posts)), len(a.posts), "no POST has the body of another")
	require.ElementsMatch(t, a.posts, report.Acknowledged)
}

func TestLoadClassifies(t *testing.T) {
	a, target := start(t)
	load := traffic.Load{Target: target, Clients: 2, Rate: 500, PostEvery: 2,
		Body: func(b []byte) error {
			if !bytes.Equal(b, []byte("hello")) {
				return fmt.Errorf("body %q", b)
			}
			return nil
		}}
	a.set(http.StatusServiceUnavailable)
	bad, err := load.During(t.Context(), func() { posts(t, a, 5) })
	require.NoError(t, err)
	require.Zero(t, bad.Good["GET"])
	require.Equal(t, bad.Total(""), bad.Failures(""))
	require.NotZero(t, bad.Failed[traffic.Failure{Method: "POST", Kind: traffic.BadStatus, Status: 503}])
	require.Len(t, bad.Unsure, bad.Failures("POST"))
	require.Contains(t, bad.String(), "POST status 503: ")

	a.set(http.StatusOK)
	load.Body = func([]byte) error { return errors.New("another page") }
	wrong, err := load.During(t.Context(), func() { posts(t, a, 5) })
	require.NoError(t, err)
	require.Equal(t, wrong.Total("GET"), wrong.Failed[traffic.Failure{Method: "GET", Kind: traffic.WrongBody, Reused: true}]+
		wrong.Failed[traffic.Failure{Method: "GET", Kind: traffic.WrongBody}])
	require.Equal(t, "another page", wrong.Last)
}

// posts waits until the app has had n more.
func posts(t *testing.T, a *app, n int) {
	t.Helper()
	count := func() int { a.mu.Lock(); defer a.mu.Unlock(); return len(a.posts) }
	before := count()
	require.Eventually(t, func() bool { return count() >= before+n }, 20*time.Second, time.Millisecond)
}

func TestExpect(t *testing.T) {
	a, target := start(t)
	run, err := traffic.Load{Target: target, Clients: 2, Rate: 500, PostEvery: 2}.Start(t.Context())
	require.NoError(t, err)
	posts(t, a, 5)
	end := run.Expect(http.StatusServiceUnavailable)
	a.set(http.StatusServiceUnavailable)
	posts(t, a, 5)
	a.set(http.StatusOK)
	posts(t, a, 5)
	end()
	posts(t, a, 5)
	meant := run.Stop()
	require.Empty(t, meant.Failed)
	require.NotZero(t, meant.Expected[traffic.Expected{Method: "POST", Status: 503}])
	require.NotZero(t, meant.Gap)
	require.Equal(t, meant.Total(""), meant.Total("GET")+meant.Total("POST"))

	run, err = traffic.Load{Target: target, Clients: 2, Rate: 500, PostEvery: 2}.Start(t.Context())
	require.NoError(t, err)
	run.Expect(http.StatusServiceUnavailable)()
	posts(t, a, 5)
	a.set(http.StatusServiceUnavailable)
	posts(t, a, 5)
	require.NotEmpty(t, run.Stop().Failed, "the window is over")
}

func TestRefuses(t *testing.T) {
	abroad := traffic.Target{Addr: netip.MustParseAddrPort("192.0.2.10:80")}
	_, err := traffic.NewClient(abroad)
	require.ErrorContains(t, err, "192.0.2.10:80 is not within 127.0.0.0/8")
	_, err = traffic.Load{Target: abroad, Clients: 1001, Rate: -1, Count: 10_000_001, Time: 2 * time.Hour}.Start(t.Context())
	for _, want := range []string{"127.0.0.0/8", "Clients 1001", "Rate -1", "Count 10000001", "Time 2h"} {
		require.ErrorContains(t, err, want)
	}
}
