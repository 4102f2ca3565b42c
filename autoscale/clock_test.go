package autoscale_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
)

// each is one of each kind.
var each = map[string]autoscale.Policy{
	"lead": autoscale.Lead{}, "vote": autoscale.Vote{}, "track": autoscale.Track{}, "step": autoscale.Step{}, "guard": autoscale.Guard{},
}

// TestAClockThatIsAhead: what it measured is not fresh for as long as it is ahead.
func TestAClockThatIsAhead(t *testing.T) {
	v := view(10, steady(50))
	for i := range v.Window {
		v.Window[i].At = v.Window[i].At.Add(50 * time.Minute)
	}
	for _, later := range []time.Duration{0, 10 * time.Minute, 17 * time.Minute} {
		v.Now = noon.Add(later)
		require.False(t, v.Fresh(time.Hour))
		_, _, ok := v.Demand()
		require.False(t, ok)
		_, ok = v.Mean(time.Minute)
		require.False(t, ok)
		for what, p := range each {
			require.Equal(t, 10, p.Decide(v).Target, what)
		}
		d := autoscale.Guard{Policy: want(2)}.Decide(v)
		require.Equal(t, 10, d.Target, "%s", d)
		require.Equal(t, "missing", code(d))
	}
	v.Now = noon.Add(19 * time.Minute)
	require.True(t, v.Fresh(time.Minute), "clocks may differ by a little")
}

func TestOneSampleAheadHidesNoOther(t *testing.T) {
	v := view(2, steady(150))
	v.Window = append(v.Window, said(0, -time.Hour))
	demand, age, ok := v.Demand()
	require.True(t, ok)
	require.Equal(t, 150.0, demand)
	require.Zero(t, age)
	mean, _ := v.Mean(10 * time.Minute)
	require.Equal(t, 150.0, mean)
	require.Equal(t, "pass", code(autoscale.Guard{Policy: want(1)}.Decide(v)))

	m := autoscale.Lead{}.Decide(v).Memory
	v.Now, v.Memory = v.Now.Add(10*time.Second), m
	v.Window = append(v.Window[:len(v.Window)-1], said(1000, -10*time.Second))
	require.Greater(t, autoscale.Lead{}.Decide(v).Target, 2, "it goes on with the next good one")
}
