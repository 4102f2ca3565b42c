package autoscale_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
)

func TestVictims(t *testing.T) {
	old := func(minutes int) time.Time { return noon.Add(-time.Duration(minutes) * time.Minute) }
	v := autoscale.View{Now: noon, Price: autoscale.Price{Quantum: time.Hour}, Array: autoscale.Array{Servers: []autoscale.Server{
		{ID: "app-1", State: autoscale.Ready, Zone: "a", Launched: old(115), Busy: 0.5},
		{ID: "app-2", State: autoscale.Ready, Zone: "b", Launched: old(62), Busy: 0.1},
		{ID: "app-3", State: autoscale.Draining, Zone: "a", Launched: old(59)},
		{ID: "app-4", State: autoscale.Ready, Zone: "a", Launched: old(30), Busy: 0.3},
		{ID: "app-5", State: autoscale.Booting, Zone: "b", Launched: old(1)},
		{ID: "app-6", State: autoscale.Ready, Zone: "b", Launched: old(20), Busy: 0.2},
	}}}
	before := append([]autoscale.Server(nil), v.Array.Servers...)
	for name, c := range map[string]struct {
		by   autoscale.Victims
		want []string
	}{
		"newest":                    {autoscale.Newest{}, []string{"app-5", "app-6", "app-4", "app-2", "app-1"}},
		"least busy":                {autoscale.LeastBusy{}, []string{"app-5", "app-2", "app-6", "app-4", "app-1"}},
		"paid hour":                 {autoscale.PaidHour{}, []string{"app-1", "app-4", "app-6", "app-2", "app-5"}},
		"balance":                   {autoscale.Balance{}, []string{"app-5", "app-6", "app-4", "app-2", "app-1"}},
		"balance of the least busy": {autoscale.Balance{Then: autoscale.LeastBusy{}}, []string{"app-5", "app-2", "app-4", "app-6", "app-1"}},
	} {
		var got []string
		for _, s := range autoscale.Choose(c.by, v, 9) {
			got = append(got, s.ID)
		}
		require.Equal(t, c.want, got, name)
		require.Len(t, autoscale.Choose(c.by, v, 2), 2)
	}
	require.Equal(t, before, v.Array.Servers)
}
