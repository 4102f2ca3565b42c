package mysqlrepl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/mysqlrepl"
)

// picture is of a healthy pair: db-1 writes, db-2 acknowledges.
func picture(t testing.TB) mysqlrepl.Picture {
	source := &mysqlrepl.Status{
		Server: "db-1", ServerID: 1, Writable: true, Executed: gtids(t, mysqlrepl.MariaDB, "0-1-100"),
		SemiSync: mysqlrepl.SemiSyncStatus{Waits: true, Acknowledging: 1},
	}
	replica := &mysqlrepl.Status{
		Server: "db-2", ServerID: 2, Executed: gtids(t, mysqlrepl.MariaDB, "0-1-100"),
		SemiSync: mysqlrepl.SemiSyncStatus{Acknowledges: true},
		Replica: &mysqlrepl.ReplicaStatus{
			Source: "10.0.1.21:3306", SourceID: 1, Received: gtids(t, mysqlrepl.MariaDB, "0-1-100"), TLS: true,
			Receiver: mysqlrepl.Thread{State: mysqlrepl.ThreadRunning}, Applier: mysqlrepl.Thread{State: mysqlrepl.ThreadRunning},
		},
	}
	return mysqlrepl.Picture{
		Epoch:   mysqlrepl.Epoch{Number: 4, Source: "db-1", Reason: "switchover", By: "ops", At: time.Date(2026, 12, 1, 16, 20, 0, 0, time.UTC)},
		Servers: [2]mysqlrepl.Observation{{Server: "db-1", Status: source}, {Server: "db-2", Status: replica}},
	}
}

func silent(o *mysqlrepl.Observation, d time.Duration) { o.Silent, o.Problem = d, "i/o timeout" }

func refused(o *mysqlrepl.Observation, d time.Duration) {
	o.Silent, o.Refused, o.Problem = d, true, "connection refused"
}

func TestAnalyse(t *testing.T) {
	const ms = time.Millisecond
	type p = mysqlrepl.Picture
	connecting := func(s *mysqlrepl.Status) {
		s.Replica.Receiver = mysqlrepl.Thread{State: mysqlrepl.ThreadConnecting, Number: 2003, Error: "cannot connect"}
	}
	for name, c := range map[string]struct {
		change func(*p, *mysqlrepl.Observation, *mysqlrepl.Observation)
		state  mysqlrepl.State
		action mysqlrepl.Action
		reason string
	}{
		"all is well": {func(*p, *mysqlrepl.Observation, *mysqlrepl.Observation) {}, "healthy", "nothing", "db-1 writes, db-2 acknowledges"},
		"the store is away": {func(p *p, s, _ *mysqlrepl.Observation) { p.Problem = "503"; refused(s, time.Hour) },
			"unclear", "nothing", "the epoch cannot be read: 503"},
		"never set up":     {func(p *p, _, _ *mysqlrepl.Observation) { p.Epoch = mysqlrepl.Epoch{} }, "unclear", "nothing", "there is no epoch yet"},
		"names are others": {func(p *p, _, _ *mysqlrepl.Observation) { p.Epoch.Source = "db-9" }, "unclear", "nothing", "epoch 4: db-9 is source (switchover, by ops at 2026-12-01T16:20:00Z), which is neither of the two servers"},
		"nobody answers":   {func(_ *p, s, r *mysqlrepl.Observation) { refused(s, time.Hour); silent(r, time.Hour) }, "unclear", "nothing", "neither server answers: connection refused; i/o timeout"},
		"roles by the epoch": {func(p *p, s, r *mysqlrepl.Observation) { p.Servers[0], p.Servers[1] = *r, *s },
			"healthy", "nothing", "db-1 writes, db-2 acknowledges"},

		"killed just now": {func(_ *p, s, r *mysqlrepl.Observation) { refused(s, 200*ms); connecting(r.Status) },
			"unclear", "nothing", "db-1 refuses connections; given up after 300ms"},
		"killed": {func(_ *p, s, r *mysqlrepl.Observation) { refused(s, 300*ms); connecting(r.Status) },
			"source dead", "failover", "db-1 refuses connections, and db-2 does not hear it either"},
		"killed, the replica has not noticed yet": {func(_ *p, s, r *mysqlrepl.Observation) { refused(s, 400*ms); r.Unheard = 400 * ms },
			"cut off", "nothing", "db-1 does not answer here, but db-2 still hears it"},
		"hung for a moment": {func(_ *p, s, r *mysqlrepl.Observation) { silent(s, 1400*ms); r.Unheard = 1500 * ms },
			"unclear", "nothing", "db-1 has not answered for 1.4s; given up after 1.5s"},
		"hung": {func(_ *p, s, r *mysqlrepl.Observation) { silent(s, 1500*ms); r.Unheard = 1500 * ms },
			"source hung", "failover", "db-1 has not answered for 1.5s, and db-2 does not hear it either"},
		"slow, but it lives": {func(_ *p, s, r *mysqlrepl.Observation) { silent(s, time.Hour); r.Unheard = 900 * ms },
			"cut off", "nothing", "db-1 does not answer here, but db-2 still hears it"},
		"killed after it wrote alone": {func(p *p, s, r *mysqlrepl.Observation) {
			p.Epoch.Degraded = "db-2 was down"
			refused(s, time.Hour)
			connecting(r.Status)
		},
			"source dead", "nothing", "db-1 refuses connections; db-2 does not take over, as it may lack what db-1 accepted without acknowledgment (db-2 was down)"},
		"killed, the replica's applier is broken": {func(_ *p, s, r *mysqlrepl.Observation) {
			refused(s, time.Hour)
			connecting(r.Status)
			r.Status.Replica.Applier = mysqlrepl.Thread{State: mysqlrepl.ThreadStopped, Number: 1062, Error: "duplicate entry"}
		}, "source dead", "nothing", "db-1 refuses connections; db-2 cannot take over, as it cannot apply what it received: duplicate entry"},
		"killed, nobody follows": {func(_ *p, s, r *mysqlrepl.Observation) { refused(s, time.Hour); r.Status.Replica = nil },
			"unclear", "nothing", "db-1 refuses connections; db-2 follows nobody"},
		"killed, the replica was rebooted": {func(_ *p, s, r *mysqlrepl.Observation) {
			refused(s, time.Second)
			r.Status.Replica.Receiver.State, r.Status.Replica.Applier.State = mysqlrepl.ThreadStopped, mysqlrepl.ThreadStopped
		}, "source dead", "failover", "db-1 refuses connections, and db-2 does not hear it either"},

		"both were rebooted": {func(_ *p, s, r *mysqlrepl.Observation) {
			s.Status.Writable, s.Status.SemiSync.Waits = false, false
			r.Status.Replica.Receiver.State = mysqlrepl.ThreadStopped
		},
			"unfinished", "settle", "db-1 does not accept writes, but epoch 4: db-1 is source (switchover, by ops at 2026-12-01T16:20:00Z)"},
		"an old source woke up": {func(_ *p, _, r *mysqlrepl.Observation) { r.Status.Writable = true },
			"unfinished", "settle", "db-2 accepts writes, but epoch 4: db-1 is source (switchover, by ops at 2026-12-01T16:20:00Z)"},
		"an old source woke up with more": {func(_ *p, _, r *mysqlrepl.Observation) {
			r.Status.Writable, r.Status.Replica, r.Status.Executed = true, nil, gtids(t, mysqlrepl.MariaDB, "0-1-99,0-2-100")
		}, "unfinished", "settle", "db-2 accepts writes, but epoch 4: db-1 is source (switchover, by ops at 2026-12-01T16:20:00Z)"},
		"an old source follows nobody and has more": {func(_ *p, _, r *mysqlrepl.Observation) {
			r.Status.Replica, r.Status.Executed = nil, gtids(t, mysqlrepl.MariaDB, "0-1-99,0-2-100")
		}, "diverged", "nothing", "db-2 has transactions that db-1 lacks: 0-2-100"},
		"an old source has more, and writes wait": {func(_ *p, s, r *mysqlrepl.Observation) {
			s.Stuck, r.Status.Replica, r.Status.Executed = 2*time.Second, nil, gtids(t, mysqlrepl.MariaDB, "0-1-99,0-2-100")
		}, "diverged", "degrade", "db-2 has transactions that db-1 lacks: 0-2-100"},
		"semi-sync is off": {func(_ *p, s, _ *mysqlrepl.Observation) { s.Status.SemiSync.Waits = false },
			"unfinished", "settle", "db-1 does not wait for acknowledgments, and the epoch does not say that it need not"},

		"replica killed just now": {func(_ *p, _, r *mysqlrepl.Observation) { refused(r, 1400*ms) },
			"unclear", "nothing", "db-2 has not answered for 1.4s: connection refused; given up after 1.5s"},
		"replica killed": {func(_ *p, _, r *mysqlrepl.Observation) { refused(r, 1500*ms) },
			"replica broken", "degrade", "db-2 has not answered for 1.5s: connection refused; writes wait for it"},
		"replica killed, degraded": {func(p *p, s, r *mysqlrepl.Observation) { p.Epoch.Degraded = "x"; refused(r, time.Hour) },
			"degraded", "nothing", "db-2 has not answered for 1h0m0s: connection refused"},
		"replica killed, degraded, can be started": {func(p *p, s, r *mysqlrepl.Observation) {
			p.Epoch.Degraded, r.Startable = "x", true
			refused(r, time.Second)
		}, "replica broken", "rejoin", "db-2 is down"},
		"killed after it wrote alone, can be started": {func(p *p, s, r *mysqlrepl.Observation) {
			p.Epoch.Degraded, s.Startable = "db-2 was down", true
			refused(s, 2*time.Second)
		}, "source dead", "settle", "db-1 refuses connections, and is started: db-2 may lack what it accepted without acknowledgment (db-2 was down)"},
		"both killed, can be started": {func(_ *p, s, r *mysqlrepl.Observation) {
			s.Startable = true
			refused(s, 2*time.Second)
			refused(r, 2*time.Second)
		}, "unfinished", "settle", "both servers are down; db-1 was source and is started"},
		"replica rebooted": {func(_ *p, _, r *mysqlrepl.Observation) {
			r.Status.Replica.Receiver.State, r.Status.Replica.Applier.State = mysqlrepl.ThreadStopped, mysqlrepl.ThreadStopped
		}, "replica broken", "rejoin", "db-2 has stopped to follow"},
		"replica rebooted, writes wait for too long": {func(_ *p, s, r *mysqlrepl.Observation) { s.Stuck = 2 * time.Second; r.Status.Replica = nil },
			"replica broken", "degrade", "db-2 follows nobody; writes wait for it"},
		"replica follows another": {func(_ *p, _, r *mysqlrepl.Observation) { r.Status.Replica.SourceID = 9 },
			"replica broken", "rejoin", "db-2 follows 10.0.1.21:3306, which is not db-1"},
		"replica does not acknowledge": {func(_ *p, _, r *mysqlrepl.Observation) { r.Status.SemiSync.Acknowledges = false },
			"replica broken", "rejoin", "db-2 does not acknowledge what it receives"},
		"replication is cut": {func(_ *p, _, r *mysqlrepl.Observation) { connecting(r.Status); r.Unheard = 2 * time.Second },
			"cut off", "degrade", "db-2 has not heard db-1 for 2s; writes wait for it"},
		"replication is cut half": {func(_ *p, _, r *mysqlrepl.Observation) { r.Unheard = 2 * time.Second },
			"cut off", "degrade", "db-2 has not heard db-1 for 2s; writes wait for it"},
		"replica cannot receive": {func(_ *p, s, r *mysqlrepl.Observation) {
			r.Status.Replica.Receiver = mysqlrepl.Thread{State: mysqlrepl.ThreadStopped, Number: 1236, Error: "purged"}
			r.Unheard = 2 * time.Second
		}, "replica broken", "degrade", "db-2 cannot receive: purged; writes wait for it"},
		"replica cannot apply": {func(_ *p, _, r *mysqlrepl.Observation) {
			r.Status.Replica.Applier = mysqlrepl.Thread{State: mysqlrepl.ThreadStopped, Number: 1062, Error: "duplicate entry"}
		}, "replica broken", "nothing", "db-2 cannot apply what it received: duplicate entry"},
		"replica is far behind": {func(_ *p, _, r *mysqlrepl.Observation) { r.Status.Replica.Lag = time.Minute },
			"healthy", "nothing", "db-2 is 1m0s behind; a failover would have to wait for that"},
		"replica comes back": {func(p *p, s, r *mysqlrepl.Observation) {
			p.Epoch.Degraded = "db-2 was down"
			s.Status.SemiSync.Waits = false
		},
			"degraded", "restore", "db-2 follows again"},
		"replica comes back from afar": {func(p *p, s, r *mysqlrepl.Observation) {
			p.Epoch.Degraded = "db-2 was down"
			s.Status.Executed = gtids(t, mysqlrepl.MariaDB, "0-1-5100")
		}, "degraded", "nothing", "db-2 is still 5000 transactions behind"},
		"the source's disk is full": {func(_ *p, s, _ *mysqlrepl.Observation) { s.Stuck = time.Minute },
			"source hung", "nothing", "a write on db-1 has waited for 1m0s, while db-2 still hears it"},
	} {
		t.Run(name, func(t *testing.T) {
			pic := picture(t)
			c.change(&pic, &pic.Servers[0], &pic.Servers[1])
			a := mysqlrepl.Analyse(pic, mysqlrepl.Limits{})
			require.Equal(t, fmt.Sprint(c.state, ": ", c.action, ": ", c.reason), fmt.Sprint(a.State, ": ", a.Action, ": ", a.Reason))
			if a.Action == mysqlrepl.Nothing && a.State != mysqlrepl.Healthy && a.State != mysqlrepl.Unclear && c.state != "degraded" {
				require.NotEmpty(t, a.Remedy)
			}
		})
	}
}

// TestAnalyseNeverPromotesOverALivingSource goes through every combination of what is known of two servers.
func TestAnalyseNeverPromotesOverALivingSource(t *testing.T) {
	states := []mysqlrepl.ThreadState{mysqlrepl.ThreadRunning, mysqlrepl.ThreadConnecting, mysqlrepl.ThreadStopped}
	times := []time.Duration{0, 200 * time.Millisecond, time.Second, time.Hour}
	seen := map[mysqlrepl.Action]int{}
	for i := range 4 * 4 * 4 * 4 * 3 * 3 * 32 {
		next := func(n int) int { r := i % n; i /= n; return r }
		pic := picture(t)
		s, r := &pic.Servers[0], &pic.Servers[1]
		s.Silent, r.Silent, r.Unheard, s.Stuck = times[next(4)], times[next(4)], times[next(4)], times[next(4)]
		r.Status.Replica.Receiver.State, r.Status.Replica.Applier.State = states[next(3)], states[next(3)]
		s.Refused, s.Status.Writable, r.Status.Writable = next(2) == 1, next(2) == 1, next(2) == 1
		if next(2) == 1 {
			pic.Epoch.Degraded = "x"
		}
		s.Status.SemiSync.Waits = next(2) == 1
		a := mysqlrepl.Analyse(pic, mysqlrepl.Limits{})
		seen[a.Action]++
		require.NotEmpty(t, a.Reason)
		if a.Action == mysqlrepl.Failover {
			require.NotZero(t, s.Silent)
			require.Zero(t, r.Silent)
			require.Empty(t, pic.Epoch.Degraded)
			require.False(t, r.Status.Replica.Receiver.State == mysqlrepl.ThreadRunning && r.Unheard < 1500*time.Millisecond)
		}
		if a.Action == mysqlrepl.Degrade {
			require.Zero(t, s.Silent)
			require.Empty(t, pic.Epoch.Degraded)
		}
	}
	for _, action := range []mysqlrepl.Action{mysqlrepl.Nothing, mysqlrepl.Failover, mysqlrepl.Degrade, mysqlrepl.Restore, mysqlrepl.Settle, mysqlrepl.Rejoin} {
		require.NotZero(t, seen[action], action)
	}
}
