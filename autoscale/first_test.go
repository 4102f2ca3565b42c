package autoscale_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
)

// TestAFirstServer: where nothing serves, nothing can be learned of a server until there is one.
func TestAFirstServer(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		demand, queue, capacity, base float64
		most, target                  int
	}{
		"demand":                           {demand: 500, queue: nan, most: 5, target: 1},
		"a queue":                          {demand: nan, queue: 3, most: 5, target: 1},
		"a queue, and capacity is known":   {demand: nan, queue: 3, capacity: 100, most: 5, target: 1},
		"neither":                          {demand: 0, queue: 0, most: 5},
		"unknown":                          {demand: nan, queue: nan, most: 5},
		"negative":                         {demand: -1, queue: -1, most: 5},
		"a base serves":                    {demand: 500, queue: 3, base: 1, most: 5},
		"the array is to stay empty":       {demand: 500, queue: 3, most: 0},
		"unknown, and capacity is known":   {demand: nan, queue: nan, capacity: 100, most: 5},
		"no demand, but capacity is known": {demand: 0, queue: nan, capacity: 100, most: 5},
	} {
		for what, p := range each {
			t.Run(name+"/"+what, func(t *testing.T) {
				v := autoscale.View{Now: noon, Array: autoscale.Array{Base: c.base, Max: c.most}, Capacity: autoscale.Estimate[float64]{Mean: c.capacity}}
				for i := range 60 {
					v.Now = noon.Add(time.Duration(i) * 10 * time.Second)
					s := autoscale.Unmeasured(v.Now)
					s.Demand, s.Queue = c.demand, c.queue
					v.Window = append(v.Window, s)
					d := p.Decide(v)
					require.Equal(t, c.target, d.Target, "%s", d)
					require.Equal(t, c.target == 1, d.Reasons[0].Code == "first", "%s", d)
					v.Memory = d.Memory
				}
				v.Now = v.Now.Add(20 * time.Minute)
				require.LessOrEqual(t, p.Decide(v).Target, c.target, "stale")
			})
		}
	}
}

func TestAFirstServerSaysWhy(t *testing.T) {
	v := autoscale.View{Now: noon, Array: autoscale.Array{Max: 5}, Window: []autoscale.Sample{{At: noon, Demand: math.NaN(), Queue: 7}}}
	require.Equal(t, "1 servers: unknown req/s, 7 waiting, and nothing that serves them: a first server", autoscale.Track{}.Decide(v).String())
}
