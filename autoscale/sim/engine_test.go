package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// flat is a trace of so many requests per second.
func flat(rate float64, d time.Duration) sim.Trace {
	t := trace(time.Minute)
	for range int(d / time.Minute) {
		t.Requests = append(t.Requests, rate*60)
	}
	return t
}

// script is a policy that wants what a list says, by time since the start.
type script []struct {
	from time.Duration
	want int
}

func (s script) Decide(v autoscale.View) autoscale.Decision {
	want := 0
	for _, line := range s {
		if v.Now.Sub(time.Unix(1_000_000_000, 0)) >= line.from {
			want = line.want
		}
	}
	return v.To(want, "script", "the script wants {want}", autoscale.Num("want", want))
}

var plain = sim.Options{Peak: -1, HalfWidth: -1, Warmup: -1, Max: 50}

func TestServersAreBilledFromLaunchUntilGone(t *testing.T) {
	at := 10 * time.Minute
	for name, c := range map[string]struct {
		policy script
		extra  time.Duration // billed beyond the base
		change func(*sim.Options)
	}{
		"ready and drained":      {script{{at, 2}, {2 * at, 0}}, 2 * (10*time.Minute + 30*time.Second), nil},
		"ended while booting":    {script{{at, 1}, {at + 90*time.Second, 0}}, 90 * time.Second, nil},
		"a minute at least":      {script{{at, 1}, {at + 20*time.Second, 0}}, time.Minute, nil},
		"by the hour":            {script{{at, 1}, {2 * at, 0}}, time.Hour, func(o *sim.Options) { o.Billing.Quantum = time.Hour }},
		"alive at the end":       {script{{at, 3}}, 3 * 50 * time.Minute, nil},
		"failed boot, again":     {script{{at, 1}, {at + 3*time.Minute, 0}}, 3 * time.Minute, func(o *sim.Options) { o.Faults.FailedBoots = 1 }},
		"only what is scored":    {script{{at, 1}, {2 * at, 0}}, 5*time.Minute + 30*time.Second, func(o *sim.Options) { o.Warmup = 15 * time.Minute }},
		"bounded by the maximum": {script{{0, 9}}, 4 * time.Hour, func(o *sim.Options) { o.Max = 4 }},
	} {
		t.Run(name, func(t *testing.T) {
			o := plain
			if c.change != nil {
				c.change(&o)
			}
			r := sim.Run(flat(50, time.Hour), c.policy, o)
			base := time.Hour - max(0, o.Warmup)
			if name == "bounded by the maximum" {
				c.extra -= 4 * 10 * time.Second
			}
			require.InDelta(t, (base + c.extra).Hours(), r.ServerHours, 1e-9)
		})
	}
}

func TestServersServeOnceTheyAreReady(t *testing.T) {
	o := plain
	o.Boot = 3 * time.Minute
	r := sim.Run(flat(250, time.Hour), script{{10 * time.Minute, 2}}, o)
	// Overload until 13 minutes, then 5 s of queue are worked off by the spare 50 req/s.
	require.InDelta(t, 100*13.0/60, r.Violations(), 3)
	require.Greater(t, r.Rejected, 0.0)
	require.Less(t, r.Rejected, r.Violated)
	require.InDelta(t, 250*3600, r.Requests, 5000)
	require.Equal(t, 1, r.Actions)
	enough := sim.Run(flat(250, time.Hour), script{{0, 3}}, o)
	require.Less(t, enough.Violations(), 100*3.5/60)
	none := sim.Run(flat(70, time.Hour), script{{0, 0}}, o)
	require.Zero(t, none.Rejected)
	require.Less(t, none.Violations(), 0.01)
	require.InDelta(t, 1, none.Cost(), 1e-9, "nobody is cheaper than the base alone")
}

func TestTheSameSeedGivesTheSameResult(t *testing.T) {
	o := plain
	o.Faults = sim.Faults{BootJitter: 0.3, FailedBoots: 0.1, Lifetime: 2 * time.Hour, Lag: time.Minute}
	o.Seed = 3
	one, two := sim.Run(flat(900, 6*time.Hour), autoscale.Track{}, o), sim.Run(flat(900, 6*time.Hour), autoscale.Track{}, o)
	require.Equal(t, one.J(), two.J())
	o.Seed = 4
	require.NotEqual(t, one.J(), sim.Run(flat(900, 6*time.Hour), autoscale.Track{}, o).J())
}

func TestFaultsReachThePolicy(t *testing.T) {
	var ages []time.Duration
	watch := autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		if _, age, ok := v.Demand(); ok {
			ages = append(ages, age)
		}
		return v.Stay("", "")
	})
	o := plain
	o.Faults.Lag = time.Minute
	sim.Run(flat(50, time.Hour), watch, o)
	require.Equal(t, time.Minute, ages[0])
	require.Equal(t, time.Minute, ages[len(ages)-1])

	ages = nil
	o.Faults = sim.Faults{Blackouts: []sim.Blackout{{From: 20 * time.Minute, To: 25 * time.Minute}}}
	sim.Run(flat(50, time.Hour), watch, o)
	require.Equal(t, 5*time.Minute, ages[25*6-1])
	require.Zero(t, ages[25*6])

	o = plain
	o.Faults.Lifetime = 10 * time.Minute
	died := 0
	keep := autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		if v.Now.Unix() > 1_000_000_000+600 && v.Array.Size() < 5 {
			died += 5 - v.Array.Size()
		}
		return v.To(5, "", "")
	})
	sim.Run(flat(50, 3*time.Hour), keep, o)
	require.Greater(t, died, 20)
}

// TestLateMetricsAreOfUse replays demand that doubles and halves: a policy that takes late metrics for none would stand still.
func TestLateMetricsAreOfUse(t *testing.T) {
	tr := flat(300, 4*time.Hour)
	for i := 60; i < 120; i++ {
		tr.Requests[i] *= 3
	}
	o := plain
	o.Faults.Lag = 90 * time.Second
	for _, p := range append(sim.Baselines(), sim.Named{Name: "lead", Policy: autoscale.Guard{}}, sim.Named{Name: "track", Policy: autoscale.Track{}}, sim.Named{Name: "step", Policy: autoscale.Step{}}) {
		t.Run(p.Name, func(t *testing.T) {
			r := sim.Run(tr, p.Policy, o)
			up, down := false, false
			for _, c := range r.Changes {
				since := c.At.Sub(tr.Start)
				up = up || c.To > c.From && since > time.Hour && since < 2*time.Hour
				down = down || c.To < c.From && since > 2*time.Hour
			}
			require.True(t, up && down, "%s", r.Report())
		})
	}
}
