package sim_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale/sim"
)

func trace(interval time.Duration, requests ...float64) sim.Trace {
	return sim.Trace{Name: "test", Start: time.Unix(1_000_000_000, 0).UTC(), Interval: interval, Requests: requests}
}

func TestReadFillsGapsAndRefusesDisorder(t *testing.T) {
	got, err := sim.Read(strings.NewReader("unix,requests\n600,10\n660,20\n720,30\n\n900,60\n"), "gap", 0)
	require.NoError(t, err)
	require.Equal(t, time.Minute, got.Interval)
	require.Equal(t, int64(600), got.Start.Unix())
	require.Equal(t, []float64{10, 20, 30, 40, 50, 60}, got.Requests)

	got, err = sim.Read(strings.NewReader("0,1\n60,1\n120,1\n7320,5\n"), "long gap", 0)
	require.NoError(t, err)
	require.Len(t, got.Requests, 123)
	require.Zero(t, got.Requests[60], "what is missing for more than an hour is silence")

	got, err = sim.Read(strings.NewReader("0,1\n3600,3\n7200,1\n14400,5\n"), "hours", 0)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 3, 1, 3, 5}, got.Requests)

	got, err = sim.Read(strings.NewReader("0,1\n60,2\n120,3\n180,4\n"), "two by two", 2*time.Minute)
	require.NoError(t, err)
	require.Equal(t, 2*time.Minute, got.Interval)
	require.Equal(t, []float64{3, 7}, got.Requests)

	got, err = sim.Read(strings.NewReader("0,1\n61,2\n119,3\n180,4\n240,5\n"), "not on the dot", time.Minute)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2, 3, 4, 5}, got.Requests)
}

func TestReadSaysWhereItIsWrong(t *testing.T) {
	for bad, want := range map[string]string{
		"600,10\n600,20\n":                     `line 2: "600,20": the time is not after`,
		"600,10\n540,1\n":                      `line 2: "540,1": the time is not after`,
		"# made by hand\nat,n\n600,10\n660,-1": `line 4: "660,-1": requests must be a number from 0`,
		"600,10\n660,x\n":                      `line 2: "660,x" is not unix,requests`,
		"600;10\n660;11\n":                     `line 2: "660;11" is not unix,requests`,
		"600,10\n660,NaN\n":                    `line 2: "660,NaN": requests must`,
		"1700000000000,10\n":                   `line 1: "1700000000000,10": the time is not in seconds`,
		"unix,requests\n600,10\n":              `1 samples in 2 lines; at least 2 are needed`,
		"0,1\n1,1\n9e10,1\n":                   `90000000000 intervals of 1s`,
	} {
		_, err := sim.Read(strings.NewReader(bad), "logs/bad.csv", 0)
		require.ErrorContains(t, err, `sim: read trace "logs/bad.csv": `+want)
	}
	_, err := sim.ReadFile("testdata/none.csv", 0)
	require.ErrorContains(t, err, "testdata/none.csv")
}

func TestCoarseKeepsTheRequests(t *testing.T) {
	got := trace(time.Second, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).Coarse(10 * time.Second)
	require.Equal(t, []float64{55, 23}, got.Requests)
	got = trace(4*time.Second, 2, 2, 2, 2, 2).Coarse(10 * time.Second)
	require.InDeltaSlice(t, []float64{5, 5}, got.Requests, 1e-9)
	require.Equal(t, trace(time.Minute, 1, 2), trace(time.Minute, 1, 2).Coarse(sim.Step))
}

func TestHalfWidthFollowsTheCounts(t *testing.T) {
	for mean, want := range map[float64]int{47.7: 4, 61.7: 2, 10796: 0, 225: 0, 224: 1, 0: 0} {
		require.Equal(t, want, trace(time.Minute, mean, mean, mean).HalfWidth(), "mean count %v", mean)
	}
}

func TestSmoothIsATriangle(t *testing.T) {
	got := trace(time.Minute, 0, 0, 0, 0, 25, 0, 0, 0, 0).Smooth(4).Requests
	require.InDeltaSlice(t, []float64{25. * 1 / 15, 25. * 2 / 19, 25. * 3 / 22, 25. * 4 / 24, 25. * 5 / 25, 25. * 4 / 24, 25. * 3 / 22, 25. * 2 / 19, 25. * 1 / 15}, got, 1e-9)
	flat := trace(time.Minute, 7, 7, 7, 7, 7, 7)
	require.InDeltaSlice(t, flat.Requests, flat.Smooth(2).Requests, 1e-9)
	require.Equal(t, flat.Requests, flat.Smooth(0).Requests)
}

func TestScaleMovesThePercentile(t *testing.T) {
	x := make([]float64, 2000)
	for i := range x {
		x[i] = float64(i)
	}
	got := trace(time.Minute, x...).Scale(1800).Requests
	require.InDelta(t, 1800*60, got[1998], 1e-6)
	require.Zero(t, got[0])
}

func TestArrivalsArePoisson(t *testing.T) {
	requests := make([]float64, 2000)
	for i := range requests {
		requests[i] = 60 * 40
	}
	for _, scale := range []float64{0.01, 0.4, 1, 30} {
		scaled := trace(time.Minute, requests...)
		for i := range scaled.Requests {
			scaled.Requests[i] = 60 * 40 * scale
		}
		l := sim.Prepare(scaled, sim.Options{Peak: -1, HalfWidth: -1, Warmup: -1, Seed: 7})
		var sum, squares float64
		for _, a := range l.Arrivals {
			sum += float64(a)
			squares += float64(a) * float64(a)
		}
		n := float64(len(l.Arrivals))
		mean := sum / n
		require.InDelta(t, 400*scale, mean, 5*math.Sqrt(400*scale/n), "mean")
		require.InEpsilon(t, 400*scale, squares/n-mean*mean, 0.07, "variance")
	}
}

// TestOptimumIsOptimal compares with a search over every way to switch one server after the other.
func TestOptimumIsOptimal(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		requests := make([]float64, 40)
		for i := range requests {
			requests[i] = 1000 * float64(random.IntN(5)*random.IntN(2)) * 0.99
		}
		boot := time.Duration(random.IntN(8)) * 10 * time.Second
		drain := time.Duration(1+random.IntN(3)) * 10 * time.Second
		o := sim.Options{Boot: boot + sim.Step, Drain: drain, Peak: -1, HalfWidth: -1, Warmup: -1}
		l := sim.Prepare(trace(sim.Step, requests...), o)
		want := 400.0
		for level := 2; level <= 4; level++ {
			want += cheapest(l.Rate, level, o.Boot.Seconds(), o.Drain.Seconds())
		}
		require.InDelta(t, want, l.Optimum()*3600, 1e-6, "round "+strconv.Itoa(round))
	}
}

func cheapest(rates []float32, level int, boot, drain float64) float64 {
	off, on := 0.0, 0.0
	for i, rate := range rates {
		turnOn, turnOff := boot, drain
		if i == 0 {
			turnOn, turnOff = 0, 0
		}
		off, on = min(off, on+turnOff), min(on, off+turnOn)+10
		if int(math.Ceil(float64(rate)/100-1e-6)) >= level {
			off = math.Inf(1)
		}
	}
	return min(off, on)
}
