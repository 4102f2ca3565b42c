package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

var epoch = time.Unix(1_000_000_000, 0).UTC()

// steady is a view after half an hour of one busy share, with so many array servers ready beside the base.
func steady(busy float64, servers int) autoscale.View {
	v := autoscale.View{Now: epoch, Array: autoscale.Array{Base: 1, Max: 100}, Capacity: autoscale.Estimate[float64]{Mean: 100}, Boot: autoscale.Estimate[time.Duration]{Mean: 2 * time.Minute}}
	var each []autoscale.ServerSample
	for range servers {
		v.Array.Servers = append(v.Array.Servers, autoscale.Server{State: autoscale.Ready, Launched: epoch.Add(-time.Hour)})
		each = append(each, autoscale.ServerSample{Busy: busy})
	}
	for i := 180; i >= 0; i-- {
		v.Window = append(v.Window, autoscale.Sample{At: epoch.Add(-time.Duration(i) * sim.Step), Busy: busy, Demand: busy * 100 * float64(servers+1), Servers: each})
	}
	return v
}

// TestPublishedRules holds the examples that each rule's own documentation gives, or that follow from its formula.
func TestPublishedRules(t *testing.T) {
	for name, c := range map[string]struct {
		policy        autoscale.Policy
		busy          float64
		servers, want int // array servers; the base counts as one more
	}{
		"hpa: ceil(4 · 100/80)":                         {sim.HPA{}, 1, 3, 4},
		"hpa: within a tenth":                           {sim.HPA{}, 0.87, 9, 9},
		"hpa: ceil(10 · 40/80)":                         {sim.HPA{}, 0.4, 9, 4},
		"hpa by requests: ceil(4 · 100/70)":             {sim.HPA{Requests: true}, 1, 3, 5},
		"target tracking: ceil(5 · 80/50)":              {sim.TargetTracking{}, 0.8, 4, 7},
		"target tracking: 46 % is no alarm":             {sim.TargetTracking{}, 0.46, 9, 9},
		"target tracking: 44 % is one, but rounds up":   {sim.TargetTracking{}, 0.44, 9, 8},
		"kpa: 10 · 8 · 0.5 in flight at 5.6":            {sim.KPA{}, 0.5, 9, 7},
		"peak hold: ceil(10 · 30/60)":                   {sim.PeakHold{}, 0.3, 9, 4},
		"voting: two more":                              {autoscale.Vote{}, 0.9, 4, 6},
		"voting: nobody votes":                          {autoscale.Vote{}, 0.5, 4, 4},
		"delayed-off: ceil(500/70)":                     {sim.DelayedOff{}, 0.5, 9, 7},
		"predictive: tracking alone in the first hours": {sim.Predictive{}, 0.8, 4, 7},
	} {
		t.Run(name, func(t *testing.T) {
			d := c.policy.Decide(steady(c.busy, c.servers))
			require.Equal(t, c.want, d.Target, "%s", d)
		})
	}
}

func TestHPAHoldsTheHighestOfFiveMinutes(t *testing.T) {
	v := steady(0.4, 9)
	v.Memory = sim.HPA{}.Decide(steady(0.8, 9)).Memory
	v.Now = v.Now.Add(4*time.Minute + 59*time.Second)
	v.Window = append(v.Window, autoscale.Sample{At: v.Now, Busy: 0.4})
	require.Equal(t, 9, sim.HPA{}.Decide(v).Target)
	v.Now = v.Now.Add(time.Second)
	require.Equal(t, 4, sim.HPA{}.Decide(v).Target)
}

func TestKPAPanicsAndThenOnlyGrows(t *testing.T) {
	calm := steady(0.2, 9)
	burst := steady(0.2, 9)
	burst.Window[len(burst.Window)-1].Busy, burst.Window[len(burst.Window)-1].Queue = 1, 60
	d := sim.KPA{}.Decide(burst)
	require.Equal(t, "panic", d.Reasons[0].Code)
	require.Equal(t, 24, d.Target, "(80 + 60) / 5.6")
	calm.Now, calm.Memory = burst.Now.Add(30*time.Second), d.Memory
	require.Equal(t, 24, sim.KPA{}.Decide(calm).Target)
	calm.Now = burst.Now.Add(61 * time.Second)
	calm.Window = append(calm.Window, autoscale.Sample{At: calm.Now, Busy: 0.2, Servers: calm.Window[0].Servers})
	require.Equal(t, 4, sim.KPA{}.Decide(calm).Target, "not below the half of what is ready")
}

func TestPredictiveForecastsTheHour(t *testing.T) {
	t.Parallel()
	// Every day the same: noon is five times as busy as the rest. From the second day on the servers are there before noon.
	tr := flat(100, 72*time.Hour)
	for i := range tr.Requests {
		if tr.Start.Add(time.Duration(i)*time.Minute).Hour() == 12 {
			tr.Requests[i] *= 5
		}
	}
	late := func(r *sim.Result) int {
		n := 0
		for _, q := range r.Worst(99) {
			if q.At.Sub(tr.Start) > 24*time.Hour {
				n++
			}
		}
		return n
	}
	require.Positive(t, late(sim.Run(tr, sim.TargetTracking{}, plain)))
	require.Zero(t, late(sim.Run(tr, sim.Predictive{}, plain)))
}
