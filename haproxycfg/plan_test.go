package haproxycfg_test

import (
	"errors"
	"testing"
	"time"

	"github.com/siteblocks/siteblocks/haproxycfg"
	"github.com/stretchr/testify/require"
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
