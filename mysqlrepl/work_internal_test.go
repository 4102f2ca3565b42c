package mysqlrepl

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deafProcess never comes back.
type deafProcess struct{}

func (deafProcess) Kill(context.Context) error        { select {} }
func (deafProcess) Start(context.Context, bool) error { return errors.New("deaf") }

type fencer struct{ err error }

func (f fencer) Fence(context.Context, string) error { return f.err }

func TestFenceTakesTheWayThatWorksAndWaitsForNoOther(t *testing.T) {
	old := Server{Name: "db-1", Process: deafProcess{}}
	for _, c := range []struct {
		fence  Fencer
		waited bool
		want   string
		err    string
	}{
		{fencer{}, false, "fenced", ""},
		{fencer{errors.New("no power switch")}, true, "out of reach; it can acknowledge nothing, as it waits for the replica that leaves it", ""},
		{nil, false, "", "context deadline exceeded"},
	} {
		w := &work{pair: &Pair{Fence: c.fence}}
		began := time.Now()
		got, err := w.fence(t.Context(), old, c.waited)
		require.Less(t, time.Since(began), 10*fenceTimeout)
		require.Equal(t, c.want, got)
		if c.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.err)
		}
	}
}

func TestTakeSaysWhoWasFirst(t *testing.T) {
	store := FileEpochs(filepath.Join(t.TempDir(), "epochs"))
	first := &work{pair: &Pair{Epochs: store, By: "ops@laptop"}}
	second := &work{pair: &Pair{Epochs: store, By: "watch on web-1"}}
	_, err := first.take(t.Context(), "db-1", "", "switchover")
	require.NoError(t, err)
	require.NoError(t, first.holds(t.Context()))
	_, err = second.take(t.Context(), "db-2", "", "failover")
	require.ErrorIs(t, err, ErrEpochTaken)
	require.ErrorContains(t, err, "epoch 1: db-1 is source (switchover, by ops@laptop at")
	require.ErrorIs(t, second.holds(t.Context()), ErrEpochTaken)
}

// forgetful writes, and loses the answer.
type forgetful struct{ FileEpochs }

func (f forgetful) Swap(ctx context.Context, next Epoch) error {
	return errors.Join(f.FileEpochs.Swap(ctx, next), errors.New("connection reset"))
}

func TestTakeKnowsItsOwnRecordAgain(t *testing.T) {
	w := &work{pair: &Pair{Epochs: forgetful{FileEpochs(filepath.Join(t.TempDir(), "epochs"))}, By: "ops"}}
	_, err := w.take(t.Context(), "db-1", "", "switchover")
	require.NoError(t, err)
	require.EqualValues(t, 1, w.epoch.Number)
}

func TestPairReportsEveryMistake(t *testing.T) {
	p := &Pair{Servers: [2]Server{{Name: "DB 1", Host: "a b"}, {Name: "DB 1", Host: "db-2"}}, Account: ReplicationAccount{Password: "short"}}
	require.EqualError(t, p.Validate(), `mysqlrepl: server "DB 1": name is not [a-z0-9][a-z0-9.-]{0,62}
mysqlrepl: server "DB 1": host "a b" is not a name or an address
mysqlrepl: server "DB 1": name is not [a-z0-9][a-z0-9.-]{0,62}
mysqlrepl: both servers are named "DB 1"
mysqlrepl: account "replication": password has fewer than 12 characters
mysqlrepl: pair: give the authority's certificate (CA), or say Plain, not both
mysqlrepl: pair: there is no store of epochs
mysqlrepl: pair: By does not say who acts`)
}

func TestAServerThatHangsUpRefuses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	server := Server{Name: "db-1", Address: Address{TCP: netip.MustParseAddrPort(listener.Addr().String())}}
	_, err = ReadStatus(t.Context(), server)
	require.True(t, refused(err), err)
	require.NoError(t, listener.Close())
	_, err = ReadStatus(t.Context(), server)
	require.True(t, refused(err), err)
	require.False(t, refused(context.DeadlineExceeded))
}

func TestErrorsDoNotRepeatThePassword(t *testing.T) {
	err := redacted(errors.New("syntax error near 'hunter2hunter2' REQUIRE"), "hunter2hunter2")
	require.EqualError(t, err, "syntax error near 'REDACTED' REQUIRE")
	require.NoError(t, redacted(nil, "hunter2hunter2"))
	require.ErrorIs(t, redacted(ErrEpochTaken, "hunter2hunter2"), ErrEpochTaken)
}

// stubborn does not start where it is told to take something back.
type stubborn struct{ started []bool }

func (p *stubborn) Kill(context.Context) error { return nil }

func (p *stubborn) Start(_ context.Context, rewind bool) error {
	p.started = append(p.started, rewind)
	if rewind {
		return errors.New("cannot truncate the binary log")
	}
	return nil
}

func TestAServerThatCannotTakeBackIsStartedPlainly(t *testing.T) {
	p := &stubborn{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	server := Server{Name: "db-1", Address: Address{TCP: netip.MustParseAddrPort(listener.Addr().String())}, Process: p}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	w := &work{sessions: map[string]*session{}}
	result, err := w.startServer(ctx, server, true)
	require.Equal(t, "started, with what nobody acknowledged", result)
	require.ErrorContains(t, err, `wait for "db-1" to answer: context deadline exceeded`)
	require.Equal(t, []bool{true, false}, p.started)
}
