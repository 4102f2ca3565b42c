package autoscale_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// view is one of a site with so many ready servers, whose demand of the last half hour is given by age.
func view(servers int, demand func(ago time.Duration) float64) autoscale.View {
	v := autoscale.View{
		Now: noon, Array: autoscale.Array{Base: 1, Max: 50}, Capacity: autoscale.Estimate[float64]{Mean: 100},
		Boot: autoscale.Estimate[time.Duration]{Mean: 2 * time.Minute},
	}
	for range servers {
		v.Array.Servers = append(v.Array.Servers, autoscale.Server{State: autoscale.Ready})
	}
	for ago := 30 * time.Minute; ago >= 0; ago -= 10 * time.Second {
		s := autoscale.Unmeasured(noon.Add(-ago))
		s.Demand = demand(ago)
		v.Window = append(v.Window, s)
	}
	return v
}

func steady(x float64) func(time.Duration) float64 { return func(time.Duration) float64 { return x } }

func TestGuardSaysWhy(t *testing.T) {
	nan := math.NaN()
	outage := func(ago time.Duration) float64 {
		if ago < 3*time.Minute {
			return 10
		}
		return 800
	}
	stale := func(ago time.Duration) float64 {
		if ago < 5*time.Minute {
			return nan
		}
		return 200
	}
	for name, c := range map[string]struct {
		policy autoscale.Policy
		demand func(time.Duration) float64
		target int
		code   string
	}{
		"nothing to object":      {want(5), steady(200), 5, "pass"},
		"stale freezes scale-in": {want(5), stale, 10, "stale"},
		"but not scale-out":      {want(14), stale, 14, "pass"},
		"missing":                {want(5), steady(nan), 10, "missing"},
		"missing, out":           {want(14), steady(nan), 14, "pass"},
		"an outage":              {want(2), outage, 10, "drop"},
		"in use":                 {want(2), steady(600), 6, "in-use"},
		"beyond the bounds":      {want(80), steady(600), 50, "bounds"},
		"negative":               {want(-1), steady(200), 10, "broken"},
		"absurd":                 {want(1 << 40), steady(200), 10, "broken"},
		"a panic":                {autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision { panic("no idea") }), steady(200), 10, "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			d := autoscale.Guard{Policy: c.policy}.Decide(view(10, c.demand))
			require.Equal(t, c.target, d.Target, "%s", d)
			require.Equal(t, c.code, d.Reasons[len(d.Reasons)-1].Code)
		})
	}
}

func TestGuardKeepsToTheBudget(t *testing.T) {
	v := view(10, steady(200))
	size, downs := 10, 0
	g := autoscale.Guard{Actions: 4, Policy: autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		return v.To(19-v.Array.Size(), "see-saw", "up and down")
	})}
	for range 60 {
		v.Array.Servers = v.Array.Servers[:0]
		for range size {
			v.Array.Servers = append(v.Array.Servers, autoscale.Server{State: autoscale.Ready})
		}
		d := g.Decide(v)
		if d.Target < size {
			downs++
		}
		size, v.Memory = d.Target, d.Memory
		v.Now = v.Now.Add(10 * time.Second)
		v.Window = append(v.Window, autoscale.Sample{At: v.Now, Demand: 200})
	}
	require.LessOrEqual(t, downs, 3)
	require.Equal(t, 10, size, "it stays with the larger size")
}

func TestGuardKeepsTheMemoryOfAPolicyThatPanics(t *testing.T) {
	broken := false
	g := autoscale.Guard{Policy: autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		n, _ := autoscale.Recall[int](v.Memory)
		if broken {
			panic("once")
		}
		d := v.To(n+1, "count", "one more")
		d.Memory = autoscale.Remember(n + 1)
		return d
	})}
	v := view(0, steady(50))
	v.Memory = g.Decide(v).Memory
	broken = true
	v.Memory = g.Decide(v).Memory
	broken = false
	require.Equal(t, 2, g.Decide(v).Target)
}

func TestExplainIsTheChain(t *testing.T) {
	p := autoscale.Guard{Policy: autoscale.Schedule{Policy: autoscale.Track{}, Rules: []autoscale.Rule{{Name: "day", Floor: 8}}}}
	v := view(10, steady(200))
	require.Equal(t, `now        10  10 ready, 0 booting, base 1
track       2  the peak of the last minutes, 200 req/s at 70 % a server, needs 2
schedule    8  the floor day lifts 2 to 8
guard       8  nothing to object
final       8  drain 2
`, autoscale.Explain(v, p.Decide(v)))
}
