package mysqlrepl

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDecisionIsPatientWithWhatOthersMayBeDoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := decision{}
		require.True(t, d.next(Analysis{State: Unfinished, Action: Settle, Reason: "a"}, time.Now()))
		require.False(t, d.due(time.Now()))
		time.Sleep(settled / 2)
		require.False(t, d.next(Analysis{State: Unfinished, Action: Settle, Reason: "b"}, time.Now()), "only the figures differ")
		require.False(t, d.due(time.Now()))
		time.Sleep(settled / 2)
		require.True(t, d.due(time.Now()))
		require.True(t, d.next(Analysis{State: Diverged, Action: Settle}, time.Now()), "this is worth telling")
		require.True(t, d.due(time.Now()), "and the same has been called for all the while")
		require.True(t, d.next(Analysis{State: SourceDead, Action: Failover}, time.Now()))
		require.True(t, d.due(time.Now()), "an outage does not wait")
		d.retryAt = time.Now().Add(time.Second)
		require.False(t, d.due(time.Now()), "an action that failed is not repeated at once")
		d.next(Analysis{State: Healthy, Action: Nothing}, time.Now())
		require.False(t, d.due(time.Now().Add(time.Hour)))
	})
}

func TestSeenTellsAnAnswerFromSilence(t *testing.T) {
	now := time.Now()
	s := &seen{answered: now, moved: now}
	status := func(heartbeats uint64) *Status {
		return &Status{Replica: &ReplicaStatus{Heartbeats: heartbeats, Received: mariaDBGTIDs{}}}
	}
	s.take(now.Add(1), status(1), nil)
	s.take(now.Add(2), status(1), nil)
	require.Equal(t, now.Add(1), s.moved, "nothing was received in between")
	s.take(now.Add(3), status(2), nil)
	require.Equal(t, now.Add(3), s.moved)
	s.take(now.Add(4), nil, context.DeadlineExceeded)
	require.True(t, s.failed)
	require.False(t, s.refused)
	require.Equal(t, now.Add(3), s.answered)
}
