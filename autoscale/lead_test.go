package autoscale_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

// code is what the last stage of a decision says to programs.
func code(d autoscale.Decision) string { return d.Reasons[len(d.Reasons)-1].Code }

func TestLeadExtrapolatesWhatOutrunsTheServers(t *testing.T) {
	turns := autoscaletest.At("09:00", 300).Stay("1h").Ramp("4m", 1800).Play(autoscale.Lead{})
	surge := -1
	for i, turn := range turns {
		if code(turn.Decision) == "surge" {
			surge = i
			break
		}
	}
	require.Positive(t, surge, "demand grows by 6 req/s each second: servers that boot for 2 minutes come too late, unless more are launched than demand needs now")
	d, demand := turns[surge].Decision, turns[surge].View.Window[len(turns[surge].View.Window)-1].Demand
	require.Greater(t, 100*float64(d.Target+1), demand+200, "%s", d)
	require.GreaterOrEqual(t, autoscaletest.Largest(turns), 17)
}

func TestLeadHoldsTheSizeInAnOutage(t *testing.T) {
	turns := autoscaletest.At("09:00", 900).Stay("2h").Jump(20).Stay("15m").Jump(900).Stay("5m").Play(autoscale.Lead{})
	outage := turns[len(turns)-20*6:]
	for _, turn := range outage {
		require.GreaterOrEqual(t, turn.Decision.Target, 9, "%s: %s", turn.View.Now, turn.Decision)
	}
	require.Equal(t, "outage", code(outage[10*6].Decision))
	gone := autoscaletest.At("09:00", 900).Stay("2h").Jump(20).Stay("1h").Play(autoscale.Lead{})
	require.Zero(t, gone[len(gone)-1].Decision.Target, "demand that stays away needs no servers")
}

func TestLeadCountsServersThatBoot(t *testing.T) {
	for _, turn := range autoscaletest.At("09:00", 300).Jump(800).Stay("3m").Boot("10m").Play(autoscale.Lead{}) {
		require.Less(t, turn.Decision.Target, 45, "it does not launch again and again while the first ones boot: %s", turn.Decision)
	}
}

func TestLeadReplacesServersThatDiedUnseen(t *testing.T) {
	turns := autoscaletest.At("09:00", 700).Stay("2h").Play(autoscale.Lead{})
	v := turns[len(turns)-1].View
	v.Memory = turns[len(turns)-1].Decision.Memory
	size := v.Array.Size()
	v.Array.Servers = v.Array.Servers[:size-3]
	v.Now = v.Now.Add(Tick)
	require.Equal(t, size, autoscale.Lead{}.Decide(v).Target, "also while nothing is measured")
}

const Tick = autoscaletest.Tick

func TestLeadSurvivesNonsense(t *testing.T) {
	turns := autoscaletest.At("09:00", 700).Stay("2h").Play(autoscale.Lead{})
	v := turns[len(turns)-1].View
	size := v.Array.Size()
	for _, capacity := range []float64{0, -1, math.NaN()} {
		odd := v
		odd.Capacity.Mean = capacity
		require.Equal(t, size, autoscale.Lead{}.Decide(odd).Target, "capacity %v", capacity)
	}
	tiny := v
	tiny.Capacity.Mean = 1e-9
	require.Equal(t, v.Array.Max, autoscale.Lead{}.Decide(tiny).Target)

	back := turns[len(turns)-1].Decision.Memory
	for _, turn := range autoscaletest.At("07:00", 700).Servers(size).Ramp("10m", 1400).Play(autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		v.Memory = back
		d := autoscale.Lead{}.Decide(v)
		back = d.Memory
		return d
	})) {
		size = turn.Decision.Target
	}
	require.GreaterOrEqual(t, size, 13, "a clock that was put back by hours does not stop it")
}

func TestLeadKeepsToItsActions(t *testing.T) {
	day := autoscaletest.At("09:00", 1000).Wave("24h", "20m", 400)
	few := autoscaletest.Changes(day.Play(autoscale.Lead{Actions: 20}))
	many := autoscaletest.Changes(day.Play(autoscale.Lead{Actions: 1000}))
	require.Less(t, 2*few, many)
}

func TestLeadPaysForSafety(t *testing.T) {
	story := autoscaletest.At("09:00", 1000).Wave("6h", "1h", 200)
	mean := func(p autoscale.Policy) (sum float64) {
		turns := story.Play(p)
		for _, turn := range turns {
			sum += float64(turn.Decision.Target) / float64(len(turns))
		}
		return sum
	}
	require.Greater(t, mean(autoscale.Lead{Penalty: 850}), mean(autoscale.Lead{})+0.5)
}
