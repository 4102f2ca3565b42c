package mysqlrepl

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoleCheckJudges(t *testing.T) {
	c := &RoleCheck{Server: Server{Name: "db-1"}}
	own, others := Epoch{Number: 7, Source: "db-1"}, Epoch{Number: 7, Source: "db-2"}
	writes := func(waits bool) *Status { return &Status{Writable: true, SemiSync: SemiSyncStatus{Waits: waits}} }
	follows := func(lag time.Duration) *Status {
		return &Status{Replica: &ReplicaStatus{Receiver: Thread{State: ThreadRunning}, Applier: Thread{State: ThreadRunning}, Lag: lag}}
	}
	for name, f := range map[string]finding{
		"source": {status: writes(true), epoch: own}, "degraded": {status: writes(false), epoch: own},
		"nobody confirms the epoch, and it waits": {status: writes(true), epoch: own, stale: true},
	} {
		require.NoError(t, c.source(f), name)
		require.Error(t, c.replica(f), name)
	}
	for want, f := range map[string]finding{
		"no epoch is known":                {status: writes(true)},
		"db-1 is not source":               {status: writes(true), epoch: others},
		"does not accept writes yet":       {status: &Status{}, epoch: own},
		"may be out of date":               {status: &Status{Writable: true, Epoch: 8}, epoch: own},
		"nobody confirms epoch 7: db-1 is": {status: writes(false), epoch: own, stale: true},
	} {
		require.ErrorContains(t, c.source(f), want)
	}
	require.NoError(t, c.replica(finding{status: follows(10 * time.Second), epoch: others}))
	for want, f := range map[string]finding{
		"db-1 is no replica":   {status: &Status{}, epoch: others},
		"db-1 is to be source": {status: follows(0), epoch: own},
		"db-1 is 11s behind":   {status: follows(11 * time.Second), epoch: others},
		"db-1 does not receive: connecting cannot reach it": {epoch: others, status: &Status{Replica: &ReplicaStatus{
			Receiver: Thread{State: ThreadConnecting, Error: "cannot reach it"}}}},
		"db-1 does not apply: duplicate": {epoch: others, status: &Status{Replica: &ReplicaStatus{
			Receiver: Thread{State: ThreadRunning}, Applier: Thread{State: ThreadStopped, Error: "duplicate"}}}},
	} {
		require.ErrorContains(t, c.replica(f), want)
	}
}
