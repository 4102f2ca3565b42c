package mysqlrepl_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/mysqlrepl"
)

// hungServer accepts connections and says nothing.
func hungServer(t *testing.T, dialled func()) mysqlrepl.Server {
	return mysqlrepl.Server{
		Name: "db-1", Host: "db-1", Address: mysqlrepl.Address{TCP: netip.MustParseAddrPort("192.0.2.1:3306")},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			dialled()
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _ = theirs.Close() })
			return ours, nil
		},
	}
}

// stuckEpochs never answers.
type stuckEpochs struct{}

func (stuckEpochs) Read(ctx context.Context) (mysqlrepl.Epoch, error) {
	<-ctx.Done()
	return mysqlrepl.Epoch{}, ctx.Err()
}

func (stuckEpochs) Swap(context.Context, mysqlrepl.Epoch) error { return errors.New("stuck") }

func TestRoleCheckAnswersWhileTheServerIsHung(t *testing.T) {
	var mu sync.Mutex
	dialled := 0
	check := &mysqlrepl.RoleCheck{
		Server: hungServer(t, func() { mu.Lock(); dialled++; mu.Unlock() }), Epochs: stuckEpochs{}, Timeout: 200 * time.Millisecond,
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			w := httptest.NewRecorder()
			began := time.Now()
			check.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/source", nil))
			if w.Code != http.StatusServiceUnavailable || time.Since(began) > 5*time.Second {
				t.Errorf("%d after %s: %s", w.Code, time.Since(began), w.Body)
			}
		})
	}
	group.Wait()
	mu.Lock()
	defer mu.Unlock()
	require.LessOrEqual(t, dialled, 10, "fifty callers share a connection")
}

func TestRoleCheckKnowsTwoPaths(t *testing.T) {
	check := &mysqlrepl.RoleCheck{Server: hungServer(t, func() {}), Epochs: stuckEpochs{}}
	w := httptest.NewRecorder()
	check.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}
