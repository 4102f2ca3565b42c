package autoscale_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
)

// two is a view of an array of two servers.
func two(window ...autoscale.Sample) autoscale.View {
	return autoscale.View{
		Now: noon, Window: window, Capacity: autoscale.Estimate[float64]{Mean: 100},
		Array: autoscale.Array{Servers: []autoscale.Server{{ID: "app-1", State: autoscale.Ready}, {ID: "app-2", State: autoscale.Ready}}, Max: 10},
	}
}

// said is a sample in which every number is x.
func said(x float64, ago time.Duration) autoscale.Sample {
	return autoscale.Sample{At: noon.Add(-ago), Demand: x, Busy: x, Queue: x, Servers: []autoscale.ServerSample{{ID: "app-1", Busy: x}}}
}

func TestUnknownIsNotNothing(t *testing.T) {
	nan := math.NaN()
	for name, v := range map[string]autoscale.View{
		"empty": two(), "not measured": two(said(nan, time.Minute), said(nan, 0)), "infinite": two(said(math.Inf(1), 0)),
		"negative": two(said(-3, time.Minute), said(-1, 0)), "long ago": two(said(500, time.Hour)),
		"too large to add up": two(said(math.MaxFloat64, 20*time.Second), said(math.MaxFloat64, 10*time.Second), said(nan, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			for what, ask := range map[string]func() (float64, bool){
				"peak": func() (float64, bool) { return v.Peak(10 * time.Minute) },
				"mean": func() (float64, bool) { return v.Mean(10 * time.Minute) },
				"busy": func() (float64, bool) {
					return v.MeanOf(10*time.Minute, func(s autoscale.Sample) float64 { return s.Busy })
				},
				"rate": func() (float64, bool) { return v.Rate(10 * time.Minute) },
				"vote": func() (float64, bool) { return v.Votes(10*time.Minute, func(busy float64) bool { return busy < 0.3 }) },
			} {
				x, ok := ask()
				if name == "too large to add up" && (what == "peak" || what == "vote") { // neither adds up demand
					continue
				}
				require.False(t, ok, what)
				require.True(t, math.IsNaN(x), "%s is %v", what, x)
				require.Equal(t, 2, v.Servers(x, 0.7), what)
				require.Equal(t, 2, v.To(v.Servers(x, 0.7), what, "{x} req/s", autoscale.Num("x", x)).Target)
			}
			if name != "too large to add up" {
				require.Equal(t, 2, v.Servers(0, 0.7), "nobody measured that nothing is asked for")
			}
		})
	}
	d, _, ok := two().Demand()
	require.False(t, ok)
	require.True(t, math.IsNaN(d))
	require.Equal(t, "2 servers: the peak of unknown req/s", two().Stay("x", "the peak of {demand} req/s", autoscale.Num("demand", d)).String())
}

func TestServersOfWhatIsNoNumber(t *testing.T) {
	v := two(said(0, 0))
	require.Equal(t, 0, v.Servers(0, 0.7), "measured: nothing")
	require.Equal(t, 8, v.Servers(500, 0.7))
	v.Array.Min = 1
	require.Equal(t, 1, v.Servers(0, 0.7), "never below Min")
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		require.Equal(t, 2, v.Servers(x, 0.7), "demand %v", x)
		require.Equal(t, 2, v.Servers(500, x), "share %v", x)
		broken := v
		broken.Capacity.Mean = x
		require.Equal(t, 2, broken.Servers(500, 0.7), "capacity %v", x)
	}
	v.Array.Base = math.NaN()
	require.Equal(t, 2, v.Servers(500, 0.7))
	require.Equal(t, 2, v.Servers(500, 0))
	v.Array.Min = 3
	require.Equal(t, 3, v.Servers(math.NaN(), 0.7))
	e := autoscale.Estimate[float64]{Mean: 100, N: 3}
	for _, x := range []float64{math.NaN(), math.Inf(1), -1} {
		require.Equal(t, e, e.Learn(x))
	}
}
