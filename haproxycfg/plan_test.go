package haproxycfg_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

// servers is where a configuration's first backend has its servers.
func servers(c *config) *[]haproxycfg.Server { return &c.Backends[0].Servers }

func TestPlanOfServersNeverReloads(t *testing.T) {
	tests := map[string]struct {
		change func(*config)
		want   string
	}{
		"nothing": {func(*config) {}, ""},
		"join": {func(c *config) {
			*servers(c) = append(*servers(c), haproxycfg.Server{Name: "app-4", Addr: addr("10.0.1.24:3001"), Weight: 100})
		}, "backend \"app\": join app-4: 10.0.1.24:3001 is new\n"},
		"leave":    {func(c *config) { *servers(c) = (*servers(c))[1:] }, "backend \"app\": leave web-1-1: it is there no more\n"},
		"weight":   {func(c *config) { (*servers(c))[0].Weight = 50 }, "backend \"app\": weight web-1-1: 25 → 50\n"},
		"drain":    {func(c *config) { (*servers(c))[0].State = haproxycfg.Drain }, "backend \"app\": drain web-1-1: ready → drain\n"},
		"maint":    {func(c *config) { (*servers(c))[0].State = haproxycfg.Maint }, "backend \"app\": maint web-1-1: ready → maint\n"},
		"maxconn":  {func(c *config) { (*servers(c))[0].MaxConn = 9 }, "backend \"app\": maxconn web-1-1: 0 → 9\n"},
		"the same": {func(c *config) { (*servers(c))[0].State = haproxycfg.Ready }, ""},
		"ready": {func(c *config) {
			last := len(*servers(c)) - 1
			(*servers(c))[last].State = ""
		}, "backend \"app\": ready app-3-4: drain → ready\n"},
		"another address": {func(c *config) { (*servers(c))[0].Addr = addr("10.0.1.99:3001") },
			"backend \"app\": leave web-1-1: it becomes another server, at 10.0.1.99:3001\nbackend \"app\": join web-1-1: 10.0.1.99:3001 is new\n"},
		"order": {func(c *config) { s := *servers(c); s[0], s[1] = s[1], s[0] }, ""},
		"capacity comes before it goes": {func(c *config) {
			(*servers(c))[0].State = haproxycfg.Drain
			*servers(c) = append(*servers(c), haproxycfg.Server{Name: "app-4", Addr: addr("10.0.1.24:3001")})
		}, "backend \"app\": join app-4: 10.0.1.24:3001 is new\nbackend \"app\": drain web-1-1: ready → drain\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			next := array()
			tt.change(&next)
			changes, err := haproxycfg.Plan(array(), next)
			require.NoError(t, err)
			require.Empty(t, changes.Reload)
			require.Equal(t, tt.want, changes.String())
		})
	}
	next := database()
	next.Databases[0].Servers[0].State = haproxycfg.Maint
	changes, err := haproxycfg.Plan(database(), next)
	require.NoError(t, err)
	require.Empty(t, changes.Reload)
	require.Equal(t, "backend \"database\": maint db-1: ready → maint\n", changes.String())
}

func TestPlanOfTheRestReloads(t *testing.T) {
	tests := map[string]struct {
		change func(*config)
		want   string
	}{
		"global":       {func(c *config) { c.Global.MaxConn = 9 }, "reload: config: Global changed\n"},
		"timeouts":     {func(c *config) { c.Timeouts.Queue = time.Second }, "reload: config: Timeouts changed\n"},
		"stats":        {func(c *config) { c.Stats = haproxycfg.Stats{} }, "reload: config: Stats changed\n"},
		"rules":        {func(c *config) { c.Frontends[1].Rules = nil }, "reload: frontend \"secure\": Rules changed\n"},
		"new frontend": {func(c *config) { c.Frontends[0].Name = "other" }, "reload: frontend \"other\" is new\nreload: frontend \"plain\" goes\n"},
		"check": {func(c *config) { c.Backends[1].Check.Path = "/well"; c.Backends[1].Balance = haproxycfg.Random },
			"reload: backend \"api\": Balance changed\nreload: backend \"api\": Check changed\n"},
		"version":  {func(c *config) { c.Version = haproxycfg.V32 }, ""},
		"database": {func(c *config) { c.Databases = database().Databases }, "reload: database \"database\" is new\n"},
		"servers and rules": {func(c *config) { c.Frontends[1].Rules = nil; (*servers(c))[0].Weight = 2 },
			"backend \"app\": weight web-1-1: 1 → 2\nreload: frontend \"secure\": Rules changed\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			next := edge()
			tt.change(&next)
			changes, err := haproxycfg.Plan(edge(), next)
			require.NoError(t, err)
			require.Equal(t, tt.want, changes.String())
		})
	}
}

func TestPlanRefusesToEmptyABackend(t *testing.T) {
	shrink := func(next config) (haproxycfg.Changes, *haproxycfg.ShrinkError) {
		t.Helper()
		changes, err := haproxycfg.Plan(frontEnd(), next)
		var shrunk *haproxycfg.ShrinkError
		require.True(t, err == nil || errors.As(err, &shrunk), err)
		return changes, shrunk
	}
	empty := frontEnd()
	*servers(&empty) = nil
	changes, err := shrink(empty)
	require.Equal(t, &haproxycfg.ShrinkError{Backend: "app", Was: 8, Left: 0}, err)
	require.EqualError(t, err, `haproxycfg: backend "app": of 8 servers that get requests 0 would be left; confirm that it is meant`)
	require.Len(t, changes.Steps, 8, "who means it can apply them")

	less := frontEnd()
	*servers(&less) = (*servers(&less))[:3]
	_, err = shrink(less)
	require.Equal(t, 3, err.Left)

	half := frontEnd()
	*servers(&half) = (*servers(&half))[:4]
	_, err = shrink(half)
	require.Nil(t, err)

	drained := frontEnd()
	for i := range *servers(&drained) {
		(*servers(&drained))[i].State = haproxycfg.Drain
	}
	_, err = shrink(drained)
	require.Equal(t, 0, err.Left)

	gone := frontEnd()
	gone.Backends[0].Name, gone.Frontends[0].Backend = "other", "other"
	_, err = shrink(gone)
	require.Equal(t, 8, err.Was)

	_, wrong := haproxycfg.Plan(frontEnd(), config{})
	require.ErrorContains(t, wrong, "config: Name")
}

// TestPlanFromNothing is the first configuration of a host.
func TestPlanFromNothing(t *testing.T) {
	changes, err := haproxycfg.Plan(config{}, frontEnd())
	require.NoError(t, err)
	require.Empty(t, changes.Steps)
	require.NotEmpty(t, changes.Reload)
}

// kept is a plan that was written down and read again.
func kept(t *testing.T, c haproxycfg.Changes) haproxycfg.Changes {
	t.Helper()
	text, err := json.Marshal(c)
	require.NoError(t, err)
	require.NotContains(t, string(text), edge().Backends[0].Cookie.Key)
	var read haproxycfg.Changes
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, c, read)
	return read
}

// TestPlanReadFromJSON is a plan that does what it did before, and waits for what it waited for.
func TestPlanReadFromJSON(t *testing.T) {
	old, next := edge(), edge()
	old.Databases, next.Databases = database().Databases, database().Databases
	*servers(&next) = append((*servers(&next))[1:], haproxycfg.Server{Name: "app-9", Addr: addr("10.0.1.29:3001"), Weight: 7})
	(*servers(&next))[0].State, (*servers(&next))[1].MaxConn = haproxycfg.Drain, 5
	next.Databases[0].Servers = append(next.Databases[0].Servers, haproxycfg.Server{Name: "db-3", Addr: addr("10.0.3.51:3306")})
	next.Timeouts.Queue = time.Second
	plan, err := haproxycfg.Plan(old, next)
	require.NoError(t, err)
	require.Len(t, plan.Steps, 5)

	sent := map[bool][]string{}
	for _, fromJSON := range []bool{false, true} {
		f, steps := newFake(), plan.Steps
		if fromJSON {
			steps = kept(t, plan).Steps
		}
		for _, s := range steps {
			if s.Verb == haproxycfg.DoJoin {
				require.NoError(t, runtimeOf(f).Do(t.Context(), s))
			}
		}
		sent[fromJSON] = f.sent()
	}
	require.Equal(t, sent[false], sent[true])
	all := strings.Join(sent[true], "\n")
	require.Contains(t, all, "enable dynamic-cookie backend app")
	require.Contains(t, all, "add server database/db-3 10.0.3.51:3306 check port 3307 inter 1s fastinter 250ms downinter 500ms rise 1 fall 2 backup on-marked-down shutdown-sessions")
}

// few has two servers of which one leaves, while HAProxy says that the other is down.
func few(t *testing.T) (f *fake, next config, plan haproxycfg.Changes) {
	old := config{Name: "shop", Frontends: frontEnd().Frontends, Backends: []haproxycfg.Backend{{Name: "app",
		Servers: []haproxycfg.Server{{Name: "app-1", Addr: addr("10.0.1.21:3001")}, {Name: "app-2", Addr: addr("10.0.1.22:3001")}}}}}
	next = old
	next.Backends = []haproxycfg.Backend{{Name: "app", Servers: old.Backends[0].Servers[1:]}}
	plan, err := haproxycfg.Plan(old, next)
	require.NoError(t, err)
	f = newFake()
	f.loads = true
	f.answers["show stat"] = statHeader + "app,app-1,0,0,4,0,0,0,0,UP,1,L7OK,0,10.0.1.21:3001,10,20,2,\n" +
		"app,app-2,0,0,4,0,0,0,0,DOWN,1,L4CON,0,10.0.1.22:3001,10,20,2,\napp,BACKEND,0,0,4,,,,,UP,25,,0,,,,,\n"
	return f, next, plan
}

func TestNoPlanTakesTheLastServerAway(t *testing.T) {
	_, _, planned := few(t)
	for name, changes := range map[string]haproxycfg.Changes{
		"planned": planned, "from JSON": kept(t, planned),
		"by hand": {Steps: []haproxycfg.Step{{Verb: haproxycfg.DoLeave, Backend: "app", Server: haproxycfg.Server{Name: "app-1"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			f, next, _ := few(t)
			r := runtimeOf(f)
			r.JoinTimeout = 300 * time.Millisecond
			err := haproxycfg.Apply(t.Context(), r, next, changes)
			require.ErrorContains(t, err, "it stays: without it 0 servers are usable, 1 are needed")
			require.Empty(t, f.sent())
		})
	}
}

func TestStepsMadeByHand(t *testing.T) {
	db := haproxycfg.Server{Name: "db-1", Addr: addr("10.0.1.51:3306")}
	f := newFake()
	f.loads = true
	require.NoError(t, haproxycfg.Apply(t.Context(), runtimeOf(f), database(), haproxycfg.Changes{Steps: []haproxycfg.Step{{Verb: haproxycfg.DoJoin, Backend: "database", Server: db}}}))
	require.Contains(t, strings.Join(f.sent(), "\n"), "rise 1 fall 2 backup on-marked-down shutdown-sessions")

	for want, s := range map[string]haproxycfg.Step{
		`haproxycfg: backend "database": jion db-1: : Verb "jion" is none of join, leave,`: {Verb: "jion", Backend: "database", Server: db},
		`Backend "app" is not in the configuration`:                                        {Verb: haproxycfg.DoJoin, Backend: "app", Server: db},
		`the next reload would undo the step`:                                              {Verb: haproxycfg.DoJoin, Backend: "database", Server: haproxycfg.Server{Name: "db-9", Addr: db.Addr}},
		`backend "database": leave db-1: : Server {Name:db-1`:                              {Verb: haproxycfg.DoLeave, Backend: "database", Server: db},
	} {
		f := newFake()
		f.loads = true
		err := haproxycfg.Apply(t.Context(), runtimeOf(f), database(), haproxycfg.Changes{Steps: []haproxycfg.Step{s}})
		require.ErrorContains(t, err, want)
		require.Empty(t, f.sent(), "nothing is done")
	}
	err := runtimeOf(f).Do(t.Context(), haproxycfg.Step{Verb: haproxycfg.DoJoin, Backend: "database", Server: db})
	require.EqualError(t, err, `haproxycfg: join database/db-1: the step has the Settings of backend ""; take it from Plan, or use Join`)
	require.ErrorContains(t, runtimeOf(f).Do(t.Context(), haproxycfg.Step{}), `Verb "" is none of`)
}
