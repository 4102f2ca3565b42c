//go:build integration

package haproxycfg_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
	"github.com/siteblocks/siteblocks/site/traffic"
)

// accepted gives every golden file to HAProxy's own check as it is, warnings counted as errors.
func accepted(t *testing.T, s *server) {
	ca := newAuthority(t)
	cert, key := ca.sign(t, time.Now().Add(time.Hour), "www.shop.example")
	s.Put(t, "/etc/haproxy/shop.pem", 0o600, append(cert, key...))
	s.Put(t, "/etc/haproxy/app-ca.pem", 0o644, ca.pem)
	s.Root(t, "printf '1\\n' >"+haproxycfg.StatePath)
	for name := range golden {
		file, err := os.ReadFile(filepath.Join("testdata", name+".cfg"))
		require.NoError(t, err)
		s.Put(t, "/tmp/golden.cfg", 0o644, file)
		s.Root(t, "haproxy -c -dW -f /tmp/golden.cfg")
	}
}

// quoting sends values through the real HAProxy that would break out if anything could.
func quoting(t *testing.T, s *server) {
	c := s.shop()
	const alphabet = "abnrt '\"\\${}%[]<>#;=&`!()|,:?*^~@\xc3\xa9"
	want := map[string]string{}
	set := func(value string) {
		name := fmt.Sprintf("X-Quote-%d", len(want))
		want[name] = value
		c.Frontends[0].Rules = append(c.Frontends[0].Rules, haproxycfg.Rule{Why: value, Set: haproxycfg.Header{Name: name, Value: value}})
	}
	random := make([]byte, 32)
	for i := range 60 {
		_, err := rand.Read(random)
		require.NoError(t, err)
		value := "x"
		for _, b := range random[:3+i%29] {
			value += string(alphabet[int(b)%len(alphabet)])
		}
		set(value + "x")
	}
	for _, value := range []string{"${PATH}", `"$PATH"`, "'", `'\''`, `\`, `\'`, `a\\`, "%[src]", "%%", "%ci", "x if { always_false }", "# no comment", "%", `" if FALSE`} {
		set(value)
	}
	s.reload(t, c)
	a := s.ask8000(t, "/")
	require.Equal(t, http.StatusOK, a.StatusCode)
	for name, value := range want {
		require.Equal(t, []string{value}, a.Header[name], "%s %x", name, value)
	}
}

// preflight shows that nothing which HAProxy would not serve with reaches it, and that what it does not load is undone.
func preflight(t *testing.T, s *server) {
	good := s.shop()
	s.reload(t, good)
	before := s.worker(t)
	refused := func(change func(*config), want ...string) {
		t.Helper()
		broken := s.shop()
		change(&broken)
		err := haproxycfg.Reload(t.Context(), s.Machine.Host, broken)
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
		require.Equal(t, before, s.worker(t), "the same process serves on")
		require.Equal(t, http.StatusOK, s.ask8000(t, "/").StatusCode)
	}
	refused(func(c *config) { c.Frontends[0].Raw = []string{"http-request nonsense"} }, `frontend "web": Raw[0]: HAProxy says of line`)
	refused(func(c *config) { c.Backends[0].Raw = []string{"option httpchk", "timeout nonsense 1s"} }, `backend "app": Raw[1]: HAProxy says of line`)
	refused(func(c *config) {
		c.Frontends[0].Raw = []string{"use_backend app if FALSE"}
		c.Frontends[0].Rules = []haproxycfg.Rule{{Deny: 403}}
	}, `frontend "web" Rules[0]: HAProxy says of line`, "placed after")
	refused(func(c *config) { c.Version = 9000 }, "config: Version needs 90.0, host has "+s.version.String())

	s.Root(t, "systemd-run --quiet --unit busy /opt/app 127.0.0.1:8999")
	s.reachable(t, addr("127.0.0.1:8999"))
	taken := func(c *config) { c.Stats.Bind = addr("127.0.0.1:8999") }
	refused(taken, "stats: Bind 127.0.0.1:8999: another program listens on 127.0.0.1:8999")

	ca := newAuthority(t)
	secure := func(c *config) {
		c.Frontends[0].Binds = append(c.Frontends[0].Binds, haproxycfg.Bind{Addr: addr("0.0.0.0:443"),
			TLS: haproxycfg.ClientTLS{Certificates: []string{"/etc/haproxy/pair.pem"}}})
	}
	refused(secure, "/etc/haproxy/pair.pem", "there is none in it")
	cert, _ := ca.sign(t, time.Now().Add(time.Hour), "www.shop.example")
	_, other := ca.sign(t, time.Now().Add(time.Hour), "www.shop.example")
	s.Put(t, "/etc/haproxy/pair.pem", 0o600, append(cert, other...))
	refused(secure, "inconsistencies between private key and certificate")
	cert, key := ca.sign(t, time.Now().Add(-time.Hour), "www.shop.example")
	s.Put(t, "/etc/haproxy/pair.pem", 0o600, append(cert, key...))
	refused(secure, "is valid from")

	rollsBack(t, s, taken)
	s.Root(t, "systemctl stop busy haproxy")
	s.reload(t, good)
	require.Equal(t, http.StatusOK, s.ask8000(t, "/").StatusCode, "one that is stopped is started")
}

// rollsBack loads, without a preflight, what only the running process finds wrong.
func rollsBack(t *testing.T, s *server, change func(*config)) {
	broken := s.shop()
	change(&broken)
	text := s.Root(t, "cat "+haproxycfg.ConfigPath)
	load := during(t, traffic.Load{Target: s.target(8000)}, func() {
		err := haproxycfg.Load(t.Context(), s.Machine.Host, broken)
		var failed *haproxycfg.ReloadError
		require.ErrorAs(t, err, &failed)
		require.True(t, failed.RolledBack)
		t.Log(err)
	})
	require.Empty(t, load.Failed, load.Last)
	require.Equal(t, text, s.Root(t, "cat "+haproxycfg.ConfigPath))
	s.reload(t, s.shop())
}

// worker is the process that serves.
func (s *server) worker(t *testing.T) string {
	t.Helper()
	return s.Root(t, `perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "/run/haproxy/admin.sock") or die; print $s "show info\n"; /^Pid: / and print while <$s>'`)
}

// operates goes from one configuration to the next by plans, under load.
func operates(t *testing.T, s *server) {
	s.unready(t)
	old := s.shop()
	s.reload(t, old)
	before := s.worker(t)
	apply := func(change func(*config)) {
		t.Helper()
		next := s.shop()
		next.Backends[0].Servers = append([]haproxycfg.Server(nil), old.Backends[0].Servers...)
		change(&next)
		changes, err := haproxycfg.Plan(old, next)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, haproxycfg.Apply(ctx, s.Runtime, next, changes))
		require.NoError(t, haproxycfg.Apply(ctx, s.Runtime, next, changes), "it can be applied twice")
		old = next
	}
	servers := func(c *config) []haproxycfg.Server { return c.Backends[0].Servers }
	report := during(t, traffic.Load{Target: s.target(8000), Path: "/?ms=20", Rate: 200, PostEvery: 10}, func() {
		apply(func(c *config) { c.Backends[0].Servers = append(servers(c), member(5)) })
		require.NoError(t, s.Await(t.Context(), "app", "app-5", haproxycfg.Stat.Usable))
		apply(func(c *config) { servers(c)[0].State, servers(c)[1].State = haproxycfg.Drain, haproxycfg.Maint })
		apply(func(c *config) {
			servers(c)[0].State, servers(c)[1].State = "", ""
			servers(c)[0].Weight, servers(c)[2].MaxConn = 7, 100
		})
		apply(func(c *config) { c.Backends[0].Servers = servers(c)[1:] })
		apply(func(c *config) { c.Backends[0].Servers = []haproxycfg.Server{member(1), member(6)} })
		apply(func(c *config) {
			c.Backends[0].Servers = []haproxycfg.Server{member(2), member(3), member(4), member(5)}
		})
		require.Equal(t, before, s.worker(t), "none of it is a reload")

		apply(func(c *config) { servers(c)[0].State = haproxycfg.Drain; c.Timeouts.Queue = 9 * time.Second })
		require.NotEqual(t, before, s.worker(t), "this is")
	})
	require.Empty(t, report.Failed, report.Last)
	list, err := s.Servers(t.Context(), "app")
	require.NoError(t, err)
	require.Len(t, list, 4)
	for _, st := range list {
		require.Equal(t, st.Server != "app-2", st.Usable(), "%+v", st)
	}
	state, err := s.ServersState(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(state), " app-"))
}

// stays shows that nobody is taken away where those who were to replace them do not come.
func stays(t *testing.T, s *server) {
	s.unready(t, app(5), app(6))
	s.reload(t, s.shop())
	next := s.shop()
	next.Backends[0].Servers = []haproxycfg.Server{member(5), member(6)}
	changes, err := haproxycfg.Plan(s.shop(), next)
	require.NoError(t, err)
	r := s.Runtime
	r.JoinTimeout = 2 * time.Second
	report := during(t, traffic.Load{Target: s.target(8000), By: "X-Server"}, func() {
		err := haproxycfg.Apply(t.Context(), r, next, changes)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "steps are done, the file is as before")
		t.Log(err)
	})
	require.Empty(t, report.Failed, report.Last)
	require.Zero(t, report.By[app(5).String()]+report.By[app(6).String()])
}

// remembers shows what survives a reload, and that nothing of it survives a restart.
func remembers(t *testing.T, s *server) {
	s.unready(t, app(2))
	s.reload(t, s.shop())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Await(ctx, "app", "app-2", func(st haproxycfg.Stat) bool { return st.Status == "DOWN" }))
	require.NoError(t, s.Drain(ctx, "app", "app-1"))
	report := during(t, traffic.Load{Target: s.target(8000), By: "X-Server"}, func() {
		for range rounds() {
			s.reload(t, s.shop())
		}
	})
	require.Empty(t, report.Failed, "%s: a server that is down gets nothing from the new process either", report.Last)
	require.Zero(t, report.By[app(1).String()])
	s.unready(t)
	s.Root(t, "systemctl restart haproxy")
	require.NoError(t, s.Await(ctx, "app", "app-1", haproxycfg.Stat.Usable), "what was drained once is not drained at a start")
}

// together reloads from four places at once.
func together(t *testing.T, s *server) {
	s.unready(t)
	report := during(t, traffic.Load{Target: s.target(8000), Path: "/?ms=20", Rate: 200}, func() {
		results := make(chan error)
		for range 4 {
			go func() { results <- haproxycfg.Reload(t.Context(), s.Machine.Host, s.shop()) }()
		}
		for range 4 {
			require.NoError(t, <-results)
		}
	})
	require.Empty(t, report.Failed, report.Last)
}

// weights sets shares of 25 to 100.
func weights(t *testing.T, s *server) {
	s.reload(t, s.shop())
	ctx := t.Context()
	require.NoError(t, s.SetWeight(ctx, "app", "app-1", 25))
	require.NoError(t, s.SetWeight(ctx, "app", "app-2", 100))
	require.NoError(t, s.Maint(ctx, "app", "app-3"))
	require.NoError(t, s.Drain(ctx, "app", "app-4"))
	report := settle(t, traffic.Load{Target: s.target(8000), PostEvery: 10})
	require.Len(t, report.By, 2)
	share := float64(report.By[app(1).String()]) / float64(report.Total(""))
	t.Logf("HAProxy %v: weights 25 to 100: %.2f %% of %d requests to the first, 20 %% expected", s.version, 100*share, report.Total(""))
	require.InDelta(t, 0.20, share, 0.02)
}
