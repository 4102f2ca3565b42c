package haproxycfg_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

func TestCommands(t *testing.T) {
	b := frontEnd().Backends[0]
	checked := "check inter 2s fastinter 500ms downinter 1s rise 2 fall 3 slowstart 10s"
	server := haproxycfg.Server{Name: "app-4", Addr: addr("10.0.1.24:3001"), Weight: 100}
	tests := map[string]struct {
		do   func(haproxycfg.Runtime) error
		want []string
	}{
		"join": {func(r haproxycfg.Runtime) error { return r.Join(t.Context(), b, server) },
			[]string{"add server app/app-4 10.0.1.24:3001 " + checked + " weight 100",
				"enable health app/app-4; enable server app/app-4; set server app/app-4 health down"}},
		"join drained": {func(r haproxycfg.Runtime) error {
			return r.Join(t.Context(), b, haproxycfg.Server{Name: "a", Addr: server.Addr, State: haproxycfg.Drain})
		}, []string{"add server app/a 10.0.1.24:3001 " + checked + " weight 0",
			"enable health app/a; set server app/a state drain; set server app/a health down"}},
		"join in maintenance": {func(r haproxycfg.Runtime) error {
			return r.Join(t.Context(), b, haproxycfg.Server{Name: "a", Addr: server.Addr, State: haproxycfg.Maint})
		}, []string{"add server app/a 10.0.1.24:3001 " + checked, "enable health app/a; set server app/a health down"}},
		"join unchecked": {func(r haproxycfg.Runtime) error {
			return r.Join(t.Context(), haproxycfg.Backend{Name: "app", Check: haproxycfg.Check{Off: true}}, server)
		}, []string{"add server app/app-4 10.0.1.24:3001  weight 100", "enable server app/app-4"}},
		"join with cookies": {func(r haproxycfg.Runtime) error { return r.Join(t.Context(), edge().Backends[0], server) },
			[]string{"add server app/app-4 10.0.1.24:3001 " + checked + " weight 100",
				"enable dynamic-cookie backend app; enable health app/app-4; enable server app/app-4; set server app/app-4 health down"}},
		"leave": {func(r haproxycfg.Runtime) error { _, err := r.Leave(t.Context(), "app", "app-1"); return err },
			[]string{"set server app/app-1 state drain", "set server app/app-1 state maint", "del server app/app-1"}},
		"weight":  {func(r haproxycfg.Runtime) error { return r.SetWeight(t.Context(), "app", "app-1", 9) }, []string{"set server app/app-1 weight 9"}},
		"maxconn": {func(r haproxycfg.Runtime) error { return r.SetMaxConn(t.Context(), "app", "app-1", 9) }, []string{"set maxconn server app/app-1 9"}},
		"drain":   {func(r haproxycfg.Runtime) error { return r.Drain(t.Context(), "app", "app-1") }, []string{"set server app/app-1 state drain"}},
		"maint":   {func(r haproxycfg.Runtime) error { return r.Maint(t.Context(), "app", "app-1") }, []string{"set server app/app-1 state maint"}},
		"ready":   {func(r haproxycfg.Runtime) error { return r.Ready(t.Context(), "app", "app-1") }, []string{"set server app/app-1 state ready"}},
		"step": {func(r haproxycfg.Runtime) error {
			return r.Do(t.Context(), haproxycfg.Step{Verb: haproxycfg.DoReady, Backend: "app", Server: haproxycfg.Server{Name: "app-1"}})
		}, []string{"set server app/app-1 weight 1", "set server app/app-1 state ready"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, newer := range []bool{false, true} {
				f := newFake()
				f.newer = newer
				require.NoError(t, tt.do(runtimeOf(f)))
				require.Equal(t, tt.want, f.sent())
			}
		})
	}
}

func TestReadyAfterMaintenanceWaitsForACheck(t *testing.T) {
	f := newFake()
	f.answers["show stat"] = strings.ReplaceAll(f.answers["show stat"], ",UP,25,L7OK", ",MAINT,25,")
	require.NoError(t, runtimeOf(f).Ready(t.Context(), "app", "app-1"))
	require.Equal(t, []string{"set server app/app-1 state ready; set server app/app-1 health down"}, f.sent())
}

func TestJoinTwice(t *testing.T) {
	f := newFake()
	f.answers["add server"] = "Already exists a server with the same name in backend.\n"
	b := frontEnd().Backends[0]
	require.NoError(t, runtimeOf(f).Join(t.Context(), b, haproxycfg.Server{Name: "app-1", Addr: addr("10.0.1.21:3001")}))
	require.Len(t, f.sent(), 1, "one that serves is left alone")
	err := runtimeOf(f).Join(t.Context(), b, haproxycfg.Server{Name: "app-1", Addr: addr("10.0.1.22:3001")})
	require.ErrorIs(t, err, haproxycfg.ErrExists)
	require.ErrorContains(t, err, "at 10.0.1.21:3001")
	f.answers["show stat"] = strings.ReplaceAll(f.answers["show stat"], ",UP,25,L7OK", ",MAINT,25,")
	require.NoError(t, runtimeOf(f).Join(t.Context(), b, haproxycfg.Server{Name: "app-1", Addr: addr("10.0.1.21:3001")}))
	require.Equal(t, "enable health app/app-1; enable server app/app-1; set server app/app-1 health down", f.sent()[3], "what was begun is ended")
}

func TestLeaveCutsAtTheDeadline(t *testing.T) {
	f := newFake()
	f.answers["show stat"] = strings.ReplaceAll(f.answers["show stat"], "app,app-1,0,0,", "app,app-1,1,2,")
	r := runtimeOf(f)
	r.DrainTimeout = time.Millisecond
	cut, err := r.Leave(t.Context(), "app", "app-1")
	require.NoError(t, err)
	require.Equal(t, 3, cut)
	require.Contains(t, f.sent(), "shutdown sessions server app/app-1")

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = runtimeOf(f).Leave(ctx, "app", "app-1")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "it is drained and still has 3 requests")
}

func TestLeaveOfAServerThatStaysBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.answers["del server"] = "Server still has connections attached to it, cannot remove it.\n"
		r := runtimeOf(f)
		r.DrainTimeout = 5 * time.Second
		start := time.Now()
		_, err := r.Leave(t.Context(), "app", "app-1")
		require.ErrorIs(t, err, haproxycfg.ErrBusy)
		require.ErrorContains(t, err, "haproxycfg: leave app/app-1: it is in maintenance, and was not to be removed within 5s")
		require.Less(t, time.Since(start), 11*time.Second, "DrainTimeout, twice")
		require.Equal(t, []string{"del server app/app-1", "shutdown sessions server app/app-1", "del server app/app-1"}, f.sent()[2:5],
			"what began since the server was idle is ended too")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = r.Leave(ctx, "app", "app-1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, haproxycfg.ErrBusy)
		require.ErrorContains(t, err, "it is in maintenance")
	})
}

func TestStepEndsWhereAServerStaysBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.answers["del server"] = "Server still has connections attached to it, cannot remove it.\n"
		r := runtimeOf(f)
		r.DrainTimeout = 5 * time.Second
		err := r.Do(t.Context(), haproxycfg.Step{Verb: haproxycfg.DoLeave, Backend: "app", Server: haproxycfg.Server{Name: "app-1"}})
		require.ErrorIs(t, err, haproxycfg.ErrBusy)
	})
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		reply string
		want  error
	}{
		"no server": {"No such server.\n", haproxycfg.ErrNoServer}, "no backend": {"No such backend.\n", haproxycfg.ErrNoBackend},
		"no permission": {"Permission denied\n", nil}, "old process": {"Proxy is disabled.\n", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.newer = name == "no server"
			f.answers["set server"] = tt.reply
			err := runtimeOf(f).SetWeight(t.Context(), "app", "app-1", 9)
			var refused *haproxycfg.CommandError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, strings.TrimSpace(tt.reply), refused.Reply)
			require.True(t, tt.want == nil || errors.Is(err, tt.want))
			require.ErrorContains(t, err, `haproxycfg: weight of app/app-1: "set server app/app-1 weight 9": HAProxy answers`)
		})
	}
	f := newFake()
	_, err := runtimeOf(f).Leave(t.Context(), "app", "gone")
	require.NoError(t, err, "one that is not there has left")
	_, err = runtimeOf(f).Servers(t.Context(), "other")
	require.ErrorIs(t, err, haproxycfg.ErrNoBackend, "an empty answer would look like an empty backend")
	f.answers["show stat"] = "Permission denied\n"
	_, err = runtimeOf(f).Stats(t.Context())
	require.ErrorContains(t, err, "Permission denied")
	f.answers["show servers state"] = "\n"
	_, err = runtimeOf(f).ServersState(t.Context())
	require.Error(t, err)
	f.answers["show version"] = "\n"
	_, err = runtimeOf(f).Version(t.Context())
	require.ErrorContains(t, err, "does not tell its version")
}

func TestNothingButOneCommandIsSent(t *testing.T) {
	f := newFake()
	for _, name := range []string{"a\ndel server app/app-1", "a;b", "a b", "", "a<<", "#1", "../x", "a'b", `a"b`, "\x00"} {
		require.Error(t, runtimeOf(f).Drain(t.Context(), "app", name), name)
		require.Error(t, runtimeOf(f).Drain(t.Context(), name, "app-1"), name)
		require.Error(t, runtimeOf(f).Join(t.Context(), frontEnd().Backends[0], haproxycfg.Server{Name: name, Addr: addr("10.0.1.1:1")}), name)
	}
	require.Error(t, runtimeOf(f).SetWeight(t.Context(), "app", "app-1", 257))
	require.Error(t, runtimeOf(f).SetMaxConn(t.Context(), "app", "app-1", -1))
	b := frontEnd().Backends[0]
	b.TLS = haproxycfg.ServerTLS{CA: "/ca; del server", Name: "a"}
	require.Error(t, runtimeOf(f).Join(t.Context(), b, haproxycfg.Server{Name: "a", Addr: addr("10.0.1.1:1")}))
	require.Empty(t, f.lines)
}

func TestRepliesInPieces(t *testing.T) {
	f := newFake()
	f.deliver = func(w io.WriteCloser, reply string) {
		for i := range len(reply) {
			io.WriteString(w, reply[i:i+1])
		}
	}
	list, err := runtimeOf(f).Servers(t.Context(), "app")
	require.NoError(t, err)
	require.Equal(t, []haproxycfg.Stat{{Proxy: "app", Server: "app-1", Addr: addr("10.0.1.21:3001"), Status: "UP", Weight: 25,
		Checked: true, LastCheck: "L7OK", Total: 4, BytesIn: 10, BytesOut: 20}}, list)
	require.True(t, list[0].Usable())
	state, err := runtimeOf(f).ServersState(t.Context())
	require.NoError(t, err)
	require.Equal(t, f.answers["show servers state"], string(state))
	v, err := runtimeOf(f).Version(t.Context())
	require.NoError(t, err)
	require.Equal(t, haproxycfg.V26, v)
}

// TestCutReplies ends the connection after every byte of a reply in turn: none is taken for a whole one.
func TestCutReplies(t *testing.T) {
	whole := newFake().answers["show servers state"] + "\n> "
	for n := range len(whole) {
		f := newFake()
		f.deliver = func(w io.WriteCloser, reply string) {
			if reply == whole {
				io.WriteString(w, reply[:n])
				w.Close()
				return
			}
			io.WriteString(w, reply)
		}
		_, err := runtimeOf(f).ServersState(t.Context())
		require.ErrorIs(t, err, haproxycfg.ErrCut, "after %d bytes", n)
	}
}

func TestRepliesToALine(t *testing.T) {
	f := newFake()
	f.newer = true
	f.answers["enable health"] = "\nanother reply\n"
	err := runtimeOf(f).Join(t.Context(), frontEnd().Backends[0], haproxycfg.Server{Name: "a", Addr: addr("10.0.1.9:1")})
	require.ErrorContains(t, err, "4 replies came to 3 commands")
	f.answers["enable health"] = ""
	f.answers["enable server"] = "No such server.\n"
	err = runtimeOf(f).Join(t.Context(), frontEnd().Backends[0], haproxycfg.Server{Name: "a", Addr: addr("10.0.1.9:1")})
	require.ErrorIs(t, err, haproxycfg.ErrNoServer, "the second of three commands")
}

func TestNoReply(t *testing.T) {
	f := newFake()
	f.deliver = func(io.WriteCloser, string) {}
	r := runtimeOf(f)
	r.Timeout = 10 * time.Millisecond
	_, err := r.Stats(t.Context())
	require.ErrorContains(t, err, `"prompt": no reply within 10ms`)

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
	_, err = runtimeOf(f).Stats(ctx)
	require.ErrorIs(t, err, why)
}
