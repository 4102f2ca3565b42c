//go:build integration

package haproxycfg_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/haproxycfg"
	"github.com/siteblocks/siteblocks/site/traffic"
)

// full runs everything in its whole size, with HAProxy's defaults beside it.
var full = localtest.Full()

// rounds is how often each change is made.
func rounds() int {
	if full {
		return 20
	}
	return 3
}

// visitors ask for a page that takes 20 ms: some in quick succession, and many whose connections are idle most of the
// time.
type visitors struct{ busy, idle traffic.Report }

func (s *server) visit(t *testing.T, change func(*traffic.Load), work func()) visitors {
	t.Helper()
	s.Root(t, ":>/var/tmp/posts; chmod 666 /var/tmp/posts")
	busy := traffic.Load{Target: s.target(8000), Path: "/?ms=20", Clients: 20, Rate: 200, PostEvery: 10, By: "X-Server"}
	change(&busy)
	idle := traffic.Load{Target: s.target(8000), Path: "/", Clients: 100, Rate: 50}
	var v visitors
	v.idle = during(t, idle, func() { v.busy = during(t, busy, work) })
	s.once(t, v.busy)
	return v
}

func (v visitors) String() string {
	return fmt.Sprintf("busy: %v\n%24sidle: %v", v.busy, "", v.idle)
}

func (v visitors) failures() string {
	return fmt.Sprintf("%d of %d, slowest %v", v.busy.Failures("")+v.idle.Failures(""), v.busy.Total("")+v.idle.Total(""),
		max(v.busy.Max, v.idle.Max).Round(10*time.Millisecond))
}

func asIs(*traffic.Load) {}

// once checks that every POST that was answered reached a server exactly once, and no other one twice.
func (s *server) once(t *testing.T, r traffic.Report) {
	t.Helper()
	count := map[string]int{}
	for _, id := range strings.Fields(s.Root(t, "cat /var/tmp/posts")) {
		count[id]++
		require.Equal(t, 1, count[id], "POST %s", id)
	}
	for _, id := range r.Acknowledged {
		require.Equal(t, 1, count[id], "POST %s", id)
	}
}

// scenario is something that happens under load: as this package does it, and as one does it with HAProxy's defaults.
type scenario struct {
	name     string
	change   func(*traffic.Load)
	config   func(*server) haproxycfg.Config
	ours     func(*testing.T, *server)
	defaults func(*testing.T, *server)
	lost     func(traffic.Failure) bool // what may fail all the same; nil: nothing
}

// traffics runs every scenario, and prints what fails without this package beside it.
func traffics(t *testing.T, s *server) {
	var table strings.Builder
	fmt.Fprintf(&table, "HAProxy %v: requests that failed\n%-34s %-32s %s\n", s.version, "", "this package", "HAProxy's defaults")
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			s.unready(t)
			s.reload(t, sc.config(s))
			ours := s.visit(t, sc.change, func() { sc.ours(t, s) })
			t.Logf("%s, this package: %v", sc.name, ours)
			for _, r := range []traffic.Report{ours.busy, ours.idle} {
				for f, n := range r.Failed {
					require.True(t, sc.lost != nil && sc.lost(f), "%v: %d (%s)", f, n, r.Last)
				}
				require.NotZero(t, r.Good[http.MethodGet])
			}
			if !full && sc.name != "reloads" {
				return
			}
			s.naive(t)
			plain := s.visit(t, sc.change, func() { sc.defaults(t, s) })
			t.Logf("%s, defaults: %v", sc.name, plain)
			fmt.Fprintf(&table, "%-34s %-32s %s\n", sc.name, ours.failures(), plain.failures())
		})
	}
	t.Log(table.String())
}

func scenarios() []scenario {
	shop := (*server).shop
	return []scenario{
		{name: "reloads", change: asIs, config: shop, ours: reloads, defaults: plainReloads},
		{name: "joins, ready and not", change: asIs, config: shop, ours: joins, defaults: plainJoins},
		{name: "leaves, slow requests in flight", change: slow, config: shop, ours: leaves, defaults: plainLeaves},
		{name: "each app killed", change: asIs, config: shop, ours: kills, defaults: kills, lost: posted},
		{name: "drained restarts", change: asIs, config: shop, ours: restarts, defaults: plainRestarts},
		{name: "a hung app, 3 reloads", change: gets, config: impatient, ours: hangs, defaults: plainHangs},
	}
}

func slow(l *traffic.Load) { l.Path = "/?ms=300" }
func gets(l *traffic.Load) { l.PostEvery = 0 }

// posted: what a process was doing to a POST when it was killed nobody knows, so it fails, and is not sent again.
func posted(f traffic.Failure) bool { return f.Method == http.MethodPost }

// naive is what one writes first, over the same servers, on the same port.
const naive = `global
    stats socket /run/haproxy/admin.sock user root group admin mode 660 level admin
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend web
    bind 0.0.0.0:8000
    default_backend app
backend app
    balance roundrobin
    option httpchk GET /up
    server app-1 127.0.1.1:3000 check inter 400ms
    server app-2 127.0.1.2:3000 check inter 400ms
    server app-3 127.0.1.3:3000 check inter 400ms
    server app-4 127.0.1.4:3000 check inter 400ms
`

func (s *server) naive(t *testing.T) {
	t.Helper()
	s.Put(t, haproxycfg.ConfigPath, 0o640, []byte(naive))
	s.Root(t, "systemctl restart haproxy; sleep 1; cp "+haproxycfg.ConfigPath+" "+haproxycfg.GoodPath)
}

func reloads(t *testing.T, s *server) {
	for range rounds() {
		s.reload(t, s.shop())
	}
}

func plainReloads(t *testing.T, s *server) {
	for range rounds() {
		s.Root(t, "systemctl reload haproxy; sleep 1")
	}
}

// joins has each server join when it is ready, and when it is not until later.
func joins(t *testing.T, s *server) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := s.shop().Backends[0]
	for range rounds() {
		s.unready(t, app(6))
		require.NoError(t, s.Join(ctx, b, member(5)))
		require.NoError(t, s.Join(ctx, b, member(6)))
		require.NoError(t, s.Await(ctx, "app", "app-5", haproxycfg.Stat.Usable))
		// A check that has failed since the other one was usable.
		require.NoError(t, s.Await(ctx, "app", "app-6", func(st haproxycfg.Stat) bool { return st.LastCheck == "L7STS" }))
		s.unready(t)
		require.NoError(t, s.Await(ctx, "app", "app-6", haproxycfg.Stat.Usable))
		for _, name := range []string{"app-5", "app-6"} {
			cut, err := s.Leave(ctx, "app", name)
			require.NoError(t, err)
			require.Zero(t, cut)
		}
	}
}

func plainJoins(t *testing.T, s *server) {
	for range rounds() {
		s.unready(t, app(6))
		for _, n := range []string{"5", "6"} {
			s.ask(t, "add server app/app-"+n+" 127.0.1."+n+":3000 check inter 400ms; enable health app/app-"+n+"; enable server app/app-"+n)
		}
		s.Root(t, "sleep 2")
		for _, n := range []string{"5", "6"} {
			s.ask(t, "set server app/app-"+n+" state maint")
			s.ask(t, "shutdown sessions server app/app-"+n)
		}
		s.Root(t, "sleep 1")
		for _, n := range []string{"5", "6"} {
			s.ask(t, "del server app/app-"+n)
		}
	}
}

// ask sends a line to the runtime socket, as one does by hand.
func (s *server) ask(t *testing.T, line string) {
	t.Helper()
	s.Root(t, `perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "/run/haproxy/admin.sock") or die; print $s "`+line+`\n"; local $/; <$s>'`)
}

func leaves(t *testing.T, s *server) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := s.shop().Backends[0]
	for range rounds() {
		require.NoError(t, s.Join(ctx, b, member(5)))
		require.NoError(t, s.Await(ctx, "app", "app-5", func(st haproxycfg.Stat) bool { return st.Current > 0 }))
		cut, err := s.Leave(ctx, "app", "app-5")
		require.NoError(t, err)
		require.Zero(t, cut)
	}
}

func plainLeaves(t *testing.T, s *server) {
	for range rounds() {
		s.ask(t, "add server app/app-5 127.0.1.5:3000; enable server app/app-5")
		s.Root(t, "sleep 1")
		s.ask(t, "set server app/app-5 state maint; shutdown sessions server app/app-5")
		s.Root(t, "sleep 1")
		s.ask(t, "del server app/app-5")
	}
}

// kills ends each process once, without a warning; systemd starts it again after a second.
func kills(t *testing.T, s *server) {
	for _, a := range apps(1, 4) {
		s.Root(t, "sleep 0.5; systemctl kill -s KILL app@"+a.String()+"; sleep 2")
	}
}

// restarts does what a deploy does.
func restarts(t *testing.T, s *server) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for range (rounds() + 3) / 4 {
		for n := 1; n <= 4; n++ {
			name := member(n).Name
			require.NoError(t, s.Drain(ctx, "app", name))
			require.NoError(t, s.Await(ctx, "app", name, func(st haproxycfg.Stat) bool { return st.Current == 0 }))
			require.NoError(t, s.Maint(ctx, "app", name))
			s.Root(t, "systemctl restart app@"+app(n).String())
			s.reachable(t, app(n))
			require.NoError(t, s.Ready(ctx, "app", name))
			require.NoError(t, s.Await(ctx, "app", name, haproxycfg.Stat.Usable))
		}
	}
}

func plainRestarts(t *testing.T, s *server) {
	for range (rounds() + 3) / 4 {
		for n := 1; n <= 4; n++ {
			s.Root(t, "systemctl restart app@"+app(n).String())
			s.reachable(t, app(n))
			s.Root(t, "sleep 1")
		}
	}
}

// impatient asks another server where one does not answer within 2 s.
func impatient(s *server) haproxycfg.Config {
	c := s.shop()
	c.Backends[0].Timeout = 2 * time.Second
	c.Backends[0].Retries.OnTimeout = true
	return c
}

// hang stops a process that goes on to accept connections, while work runs.
func hang(t *testing.T, s *server, work func()) {
	unit := "app@" + app(1).String()
	s.Root(t, "systemctl kill -s STOP "+unit+"; sleep 3")
	var once sync.Once
	again := func() { once.Do(func() { s.Root(t, "systemctl kill -s CONT "+unit) }) }
	defer again()
	work()
	s.Root(t, "sleep 1")
	again()
	s.Root(t, "sleep 1")
}

func hangs(t *testing.T, s *server) {
	hang(t, s, func() {
		for range 3 {
			s.reload(t, impatient(s))
		}
	})
}

func plainHangs(t *testing.T, s *server) {
	hang(t, s, func() {
		for range 3 {
			s.Root(t, "systemctl reload haproxy; sleep 1")
		}
	})
}
