//go:build integration

package mysqlrepl_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/mysqlrepl"
)

// ledger writes rows from many clients, and remembers each that a server acknowledged.
type ledger struct {
	duo  *duo
	next atomic.Int64

	mu    sync.Mutex
	acked []ack
}

type ack struct {
	id     int64
	server string
	at     time.Time
}

// clients is how many write where the epoch says; two more stay at one server each, whatever the epoch says.
const clients = 8

// start lets clients write until the returned function is called.
func (l *ledger) start(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range clients {
		group.Go(func() { l.client(ctx, l.source) })
	}
	for _, name := range []string{"db-1", "db-2"} {
		group.Go(func() { l.client(ctx, func() string { return name }) })
	}
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

func (l *ledger) source() string {
	e, _ := l.duo.pair.Epochs.Read(context.Background())
	return e.Source
}

// client writes to where a name leads. When that changes, it hangs up, as it would if its load balancer did.
func (l *ledger) client(ctx context.Context, where func() string) {
	for ctx.Err() == nil {
		name := where()
		limited, cancel := context.WithCancel(ctx)
		go func() {
			for limited.Err() == nil && where() == name {
				time.Sleep(20 * time.Millisecond)
			}
			cancel()
		}()
		l.session(limited, name)
		cancel()
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *ledger) session(ctx context.Context, name string) {
	s := l.duo.server(name)
	connecting, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	db, err := mysqlrepl.Open(connecting, s.Dial, s.Address, mysqlrepl.Login{User: "shop", Password: shopPassword})
	if err != nil {
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for ctx.Err() == nil {
		id := l.next.Add(1)
		if _, err := db.ExecContext(ctx, "INSERT INTO shop.entries (id) VALUES ("+strconv.FormatInt(id, 10)+")"); err != nil {
			return
		}
		l.mu.Lock()
		l.acked = append(l.acked, ack{id, name, time.Now()})
		l.mu.Unlock()
	}
}

const shopPassword = mysqlrepl.Secret("password-of-the-shop")

// missing lists acknowledged rows that a server lacks.
func (l *ledger) missing(t *testing.T, name string) (lost []ack) {
	t.Helper()
	s := l.duo.server(name)
	db, err := mysqlrepl.Open(t.Context(), s.Dial, s.Address, s.Login)
	require.NoError(t, err)
	defer db.Close()
	there := ids(t, db)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.acked {
		if !there[a.id] {
			lost = append(lost, a)
		}
	}
	return lost
}

func ids(t *testing.T, db *sql.DB) map[int64]bool {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM shop.entries")
	require.NoError(t, err)
	defer rows.Close()
	all := map[int64]bool{}
	for rows.Next() {
		var id int64
		require.NoError(t, rows.Scan(&id))
		all[id] = true
	}
	require.NoError(t, rows.Err())
	return all
}

// figures are acknowledged rows a second, and the longest time without one since a moment.
func (l *ledger) figures(since time.Time) (perSecond float64, gap time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, n := since, 0
	for _, a := range l.acked {
		if a.at.Before(since) {
			continue
		}
		gap, last, n = max(gap, a.at.Sub(last)), a.at, n+1
	}
	gap = max(gap, time.Since(last))
	return float64(n) / time.Since(since).Seconds(), gap
}

// chaos is a pair with a watch, clients and faults.
type chaos struct {
	*duo
	ledger *ledger
	random *rand.Rand

	mu     sync.Mutex
	events []mysqlrepl.WatchEvent
	away   map[string]bool // whose Process nobody reaches
}

// process is out of reach while its host is.
type process struct {
	mysqlrepl.Process
	chaos *chaos
	name  string
}

func (p process) Kill(ctx context.Context) error {
	if p.chaos.isAway(p.name) {
		<-ctx.Done()
		return ctx.Err()
	}
	return p.Process.Kill(ctx)
}

func (p process) Start(ctx context.Context, rewind bool) error {
	if p.chaos.isAway(p.name) {
		return fmt.Errorf("%s is out of reach", p.name)
	}
	return p.Process.Start(ctx, rewind)
}

func (c *chaos) isAway(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.away[name]
}

func (c *chaos) setAway(name string, away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away[name] = away
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{duo: newDuo(t), random: rand.New(rand.NewPCG(seed, 0)), away: map[string]bool{}}
	c.ledger = &ledger{duo: c.duo}
	for i := range c.pair.Servers {
		c.pair.Servers[i].Process = process{c.pair.Servers[i].Process, c, c.pair.Servers[i].Name}
	}
	c.setUp(t)
	c.exec(t, "db-1", "CREATE DATABASE shop", "CREATE TABLE shop.entries (id BIGINT PRIMARY KEY)",
		"CREATE USER shop@'%' IDENTIFIED BY '"+string(shopPassword)+"'", "GRANT ALL ON shop.* TO shop@'%'")
	return c
}

// watch runs a watch until the returned function is called.
func (c *chaos) watch(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &mysqlrepl.Watch{Pair: c.pair, Interval: 100 * time.Millisecond, Events: func(e mysqlrepl.WatchEvent) {
		c.mu.Lock()
		c.events = append(c.events, e)
		c.mu.Unlock()
	}}
	done := make(chan struct{})
	go func() { _ = w.Run(ctx); close(done) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(func() {
		stop()
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, e := range c.events {
			t.Log(e)
		}
		c.events = nil
	})
	return stop
}

// wait waits until the pair is healthy under the watch.
func (c *chaos) wait(t *testing.T) {
	t.Helper()
	eventually(t, 90*time.Second, func() (string, bool) {
		how := c.analyse(t)
		return how, strings.HasPrefix(how, "healthy")
	})
}

func (c *chaos) signal(t *testing.T, name, signal string) {
	t.Helper()
	c.machines[name].Root(t, "pkill -"+signal+" -x mariadbd")
}

// cut drops what goes in and out at a server's database port, by rules such as "tcp dport 3306".
func (c *chaos) cut(t *testing.T, name string, rules ...string) {
	t.Helper()
	c.machines[name].Root(t, `nft add table inet fault
nft add chain inet fault in '{ type filter hook input priority 0; }'
nft add chain inet fault out '{ type filter hook output priority 0; }'
`+strings.Join(rules, "\n"))
}

func (c *chaos) mend(t *testing.T, name string) {
	t.Helper()
	c.machines[name].Root(t, "nft delete table inet fault")
}

// scenario is one fault, and what heals it. source and replica are the roles when it begins.
type scenario struct {
	name  string
	fault func(t *testing.T, c *chaos, source, replica string) (heal func())

	// daily says that the scenario is one of those of which a few are played each day.
	daily bool

	// mayDiverge says that the old source may keep what nobody acknowledged, and is then reported and seeded anew.
	mayDiverge bool
}

var all = []string{"nft add rule inet fault in tcp dport 3306 drop", "nft add rule inet fault out tcp sport 3306 drop",
	"nft add rule inet fault in tcp sport 3306 drop", "nft add rule inet fault out tcp dport 3306 drop"}

var scenarios = []scenario{
	{name: "source killed", daily: true, fault: func(t *testing.T, c *chaos, source, _ string) func() {
		c.signal(t, source, "KILL")
		return func() {}
	}},
	{name: "source hung", daily: true, fault: func(t *testing.T, c *chaos, source, _ string) func() {
		c.signal(t, source, "STOP")
		return func() {}
	}},
	{name: "source hung, its host out of reach", fault: func(t *testing.T, c *chaos, source, _ string) func() {
		c.setAway(source, true)
		c.signal(t, source, "STOP")
		return func() {
			c.signal(t, source, "CONT")
			time.Sleep(time.Second) // it believes to be source, and may do its worst
			c.setAway(source, false)
		}
	}},
	{name: "source cut off", fault: func(t *testing.T, c *chaos, source, _ string) func() {
		c.setAway(source, true)
		c.cut(t, source, all...)
		return func() { c.mend(t, source); c.setAway(source, false) }
	}},
	{name: "replica killed", daily: true, fault: func(t *testing.T, c *chaos, _, replica string) func() {
		c.signal(t, replica, "KILL")
		return func() {}
	}},
	{name: "replica hung", daily: true, fault: func(t *testing.T, c *chaos, _, replica string) func() {
		c.signal(t, replica, "STOP")
		return func() { c.signal(t, replica, "CONT") }
	}},
	{name: "replica cut off", daily: true, fault: func(t *testing.T, c *chaos, _, replica string) func() {
		c.cut(t, replica, all...)
		return func() { c.mend(t, replica) }
	}},
	{name: "replication cut", fault: func(t *testing.T, c *chaos, _, replica string) func() {
		c.cut(t, replica, "nft add rule inet fault out tcp dport 3306 drop", "nft add rule inet fault in tcp sport 3306 drop")
		return func() { c.mend(t, replica) }
	}},
	{name: "both killed", fault: func(t *testing.T, c *chaos, source, replica string) func() {
		var group sync.WaitGroup
		for _, name := range []string{source, replica} {
			group.Go(func() { c.signal(t, name, "KILL") })
		}
		group.Wait()
		return func() {}
	}},
	{name: "both killed with rows not applied, the source stays away", fault: func(t *testing.T, c *chaos, source, replica string) func() {
		unlock := c.lockTable(t, replica)
		time.Sleep(time.Second)
		c.setAway(source, true)
		var group sync.WaitGroup
		for _, name := range []string{source, replica} {
			group.Go(func() { c.signal(t, name, "KILL") })
		}
		group.Wait()
		unlock()
		require.NoError(t, c.server(replica).Process.Start(t.Context(), false))
		return func() { c.setAway(source, false) }
	}},
	{name: "source killed while the applier is held up", fault: func(t *testing.T, c *chaos, source, replica string) func() {
		unlock := c.lockTable(t, replica)
		time.Sleep(time.Second)
		c.signal(t, source, "KILL")
		time.Sleep(time.Second)
		unlock()
		return func() {}
	}},
	{name: "source killed with a large transaction under way", fault: func(t *testing.T, c *chaos, source, _ string) func() {
		c.inFlight(t, source, "INSERT INTO shop.large SELECT seq, REPEAT('x', 2000) FROM shop.seq_1_to_50000")
		time.Sleep(time.Duration(200+c.random.IntN(1500)) * time.Millisecond)
		c.signal(t, source, "KILL")
		return func() {}
	}},
	{name: "caller killed within a switchover", fault: func(t *testing.T, c *chaos, _, replica string) func() {
		plan, err := c.pair.Switchover(t.Context(), replica, "to be interrupted")
		require.NoError(t, err)
		limited, cancel := context.WithTimeout(t.Context(), time.Duration(c.random.IntN(400))*time.Millisecond)
		defer cancel()
		report, err := plan.Run(limited)
		t.Logf("%v\n%s", err, report)
		return func() {}
	}},
	{name: "source killed with DDL under way", mayDiverge: true, fault: func(t *testing.T, c *chaos, source, _ string) func() {
		c.inFlight(t, source, fmt.Sprintf("ALTER TABLE shop.large ADD COLUMN c%d INT, ALGORITHM=COPY", c.random.Uint32()))
		time.Sleep(time.Duration(c.random.IntN(300)) * time.Millisecond)
		c.signal(t, source, "KILL")
		return func() {}
	}},
}

// lockTable keeps the replica's applier from going on.
func (c *chaos) lockTable(t *testing.T, name string) (unlock func()) {
	t.Helper()
	s := c.server(name)
	db, err := mysqlrepl.Open(t.Context(), s.Dial, s.Address, s.Login)
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), "LOCK TABLES shop.entries READ")
	require.NoError(t, err)
	return func() { _ = db.Close() }
}

// inFlight has a statement run while what follows happens.
func (c *chaos) inFlight(t *testing.T, name, statement string) {
	t.Helper()
	c.exec(t, name, "CREATE TABLE IF NOT EXISTS shop.large (id INT, v VARCHAR(2000))")
	s := c.server(name)
	db, err := mysqlrepl.Open(t.Context(), s.Dial, s.Address, s.Login)
	require.NoError(t, err)
	go func() {
		_, _ = db.Exec(statement)
		_ = db.Close()
	}()
}

// reseedIfDiverged waits until the pair is healthy or says that a server has transactions of its own, and discards those.
func (c *chaos) reseedIfDiverged(t *testing.T, stopWatch func()) {
	t.Helper()
	last := ""
	eventually(t, 90*time.Second, func() (string, bool) {
		last = c.analyse(t)
		return last, strings.HasPrefix(last, "healthy") || strings.HasPrefix(last, "diverged")
	})
	if strings.HasPrefix(last, "healthy") {
		return
	}
	t.Log(last)
	stopWatch()
	source := c.ledger.source()
	other := map[string]string{"db-1": "db-2", "db-2": "db-1"}[source]
	plan, err := c.pair.Reseed(t.Context(), mysqlrepl.SeedOptions{Seeder: c.seeder(source, other), Overwrite: other})
	run(t, plan, err)
}

// play runs a scenario on a healthy pair with clients at work, and looks every acknowledged row up afterwards.
func (c *chaos) play(t *testing.T, s scenario) {
	stopWatch := c.watch(t)
	c.wait(t)
	source := c.ledger.source()
	replica := map[string]string{"db-1": "db-2", "db-2": "db-1"}[source]
	stop := c.ledger.start(t)
	time.Sleep(time.Second)
	rate, _ := c.ledger.figures(time.Now().Add(-time.Second))
	began := time.Now()
	heal := s.fault(t, c, source, replica)
	time.Sleep(5 * time.Second)
	_, gap := c.ledger.figures(began)
	heal()
	healed := time.Now()
	if s.mayDiverge {
		c.reseedIfDiverged(t, stopWatch)
	}
	c.wait(t)
	back := time.Since(healed)
	time.Sleep(500 * time.Millisecond)
	stop()
	c.wait(t)
	stopWatch()
	now := c.ledger.source()
	lost := c.ledger.missing(t, now)
	t.Logf("%-55s rows/s %5.0f  longest gap %6s  healthy after %6s  %s→%s  acknowledged %d  lost %d", s.name, rate, gap.Round(10*time.Millisecond),
		back.Round(100*time.Millisecond), source, now, len(c.ledger.acked), len(lost))
	require.Empty(t, lost)
	other := map[string]string{"db-1": "db-2", "db-2": "db-1"}[now]
	require.Eventually(t, func() bool {
		return c.count(t, other, "SELECT COUNT(*) FROM shop.entries") == c.count(t, now, "SELECT COUNT(*) FROM shop.entries")
	},
		30*time.Second, 100*time.Millisecond, "the two servers hold the same rows")
	require.Empty(t, c.ledger.missing(t, other))
	require.False(t, c.status(t, other).Writable)
}

// control shows that the suite can see a loss: what is acknowledged while the epoch is degraded is lost with the source.
func (c *chaos) control(t *testing.T) {
	source := c.ledger.source()
	replica := map[string]string{"db-1": "db-2", "db-2": "db-1"}[source]
	plan, err := c.pair.Degrade(t.Context(), "on purpose")
	run(t, plan, err)
	stop := c.ledger.start(t)
	c.exec(t, replica, "STOP SLAVE IO_THREAD")
	time.Sleep(2 * time.Second)
	c.setAway(source, true)
	c.signal(t, source, "KILL")
	_, err = c.pair.Failover(t.Context(), replica, mysqlrepl.FailoverOptions{Reason: "control"})
	require.ErrorIs(t, err, mysqlrepl.ErrMayLose)
	plan, err = c.pair.Failover(t.Context(), replica, mysqlrepl.FailoverOptions{Reason: "control", AcceptLoss: true})
	report := run(t, plan, err)
	stop()
	c.setAway(source, false)
	lost := c.ledger.missing(t, replica)
	t.Logf("acknowledged %d, lost %d, reported: %s", len(c.ledger.acked), len(lost), report.Lost.Kind)
	require.NotEmpty(t, lost)
	require.Equal(t, mysqlrepl.LostUnknown, report.Lost.Kind)
}

// TestChaos plays two of the daily scenarios, other ones each day; SITEBLOCKS_FULL=1 plays all, SITEBLOCKS_SEEDS times over
// (default 1).
func TestChaos(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SITEBLOCKS_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("SITEBLOCKS_SEED=%d", seed)
	c := newChaos(t, seed)
	today := slices.Clone(scenarios)
	rounds, _ := strconv.Atoi(os.Getenv("SITEBLOCKS_SEEDS"))
	if !localtest.Full() {
		const few = 2
		today = slices.DeleteFunc(today, func(s scenario) bool { return !s.daily })
		day := time.Now().YearDay() * few % len(today)
		today = append(today[day:], today[:day]...)[:few]
		rounds = 1
	}
	for range max(rounds, 1) {
		for _, s := range today {
			if !t.Run(s.name, func(t *testing.T) { c.play(t, s) }) {
				return
			}
		}
	}
	if localtest.Full() {
		t.Run("control", c.control)
	}
}
