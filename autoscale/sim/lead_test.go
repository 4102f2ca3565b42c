package sim_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// TestExperienceBreaksNoRule asks a policy that has learned for days, in the midst of traffic, what the rules for all policies ask of it.
func TestExperienceBreaksNoRule(t *testing.T) {
	recorded, err := sim.Recorded()
	require.NoError(t, err)
	asked, restarts, kept := 0, 0, 0
	watch := autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		d := autoscale.Lead{}.Decide(v)
		if asked++; asked%97 != 0 {
			return d
		}
		last := len(v.Window) - 1
		for _, factor := range []float64{1.02, 1.3, 5} {
			more := v
			more.Window = append([]autoscale.Sample(nil), v.Window...)
			more.Window[last].Demand *= factor
			got := autoscale.Lead{}.Decide(more)
			require.GreaterOrEqual(t, got.Target, d.Target, "%s: %s; with %g times the demand: %s", v.Now, d, factor, got)
		}
		text, err := json.Marshal(v.Memory)
		require.NoError(t, err)
		again, blind, forgetful := v, v, v
		require.NoError(t, json.Unmarshal(text, &again.Memory))
		require.Equal(t, d.String(), autoscale.Lead{}.Decide(again).String())
		blind.Window = nil
		require.GreaterOrEqual(t, autoscale.Lead{}.Decide(blind).Target, v.Array.Size())
		forgetful.Memory = autoscale.Memory{}
		restarts++
		if autoscale.Lead.Decide(autoscale.Lead{}, forgetful).Target == v.Array.Size() {
			kept++
		}
		return d
	})
	sim.Run(recorded[0].Slice(10*24*time.Hour, 12*24*time.Hour), watch, sim.Options{Peak: 20, Seed: 1})
	require.Greater(t, float64(kept)/float64(restarts), 0.9, "after most restarts the size is kept")
}
