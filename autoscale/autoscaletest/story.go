package autoscaletest

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Tick is how far a story's samples are apart.
const Tick = 10 * time.Second

// Story is a day that a policy lives through: a list of what is measured, and an array that does what the policy decides. The zero fields of the array
// are those of the method that sets them.
type Story struct {
	start    time.Time
	samples  []autoscale.Sample // NaN demand: nothing was measured
	demand   float64
	servers  int
	bounds   [2]int
	base     float64
	boot     time.Duration
	capacity float64
}

// At begins a story at that time of a day, with that demand in requests per second. It was the same for the hour before, and the array is as large as
// that demand needs at 70 %; servers answer 100 requests per second, boot in 2 minutes, and there may be 100 of them beside a base of one.
func At(clock string, demand float64) Story {
	at, err := time.Parse("15:04", clock)
	if err != nil {
		panic(fmt.Sprintf("autoscaletest: story at %q: want a time such as 09:00", clock))
	}
	start := time.Date(2026, 3, 2, at.Hour(), at.Minute(), 0, 0, time.UTC)
	s := Story{start: start, demand: demand, bounds: [2]int{0, 100}, base: 1, boot: 2 * time.Minute, capacity: 100}
	s.servers = max(0, int(math.Ceil(demand/70-s.base)))
	s.start = start.Add(-time.Hour)
	return s.Stay("1h")
}

// Servers makes the array so large at the beginning.
func (s Story) Servers(n int) Story { s.servers = n; return s }

// Bounds are the smallest and the largest array.
func (s Story) Bounds(least, most int) Story { s.bounds = [2]int{least, most}; return s }

// Base is the capacity that is always on, in servers.
func (s Story) Base(servers float64) Story { s.base = servers; return s }

// Boot is how long a server takes until it is ready.
func (s Story) Boot(d string) Story { s.boot = duration(d); return s }

// Stay keeps the demand for a while.
func (s Story) Stay(d string) Story { return s.Ramp(d, s.demand) }

// Ramp moves the demand in a straight line, within a while, to another one.
func (s Story) Ramp(d string, to float64) Story {
	from, n := s.demand, ticks(d)
	s = s.then(n, func(i int) float64 { return from + (to-from)*float64(i)/float64(n) })
	s.demand = to
	return s
}

// Jump changes the demand at once.
func (s Story) Jump(to float64) Story { s.demand = to; return s }

// Wave lets the demand swing around where it is, by so much up and down, for a while.
func (s Story) Wave(d, period string, by float64) Story {
	each := float64(duration(period)) / float64(Tick)
	return s.then(ticks(d), func(i int) float64 { return math.Max(0, s.demand+by*math.Sin(2*math.Pi*float64(i)/each)) })
}

// Outage is a while in which nothing is measured. Demand goes on.
func (s Story) Outage(d string) Story {
	return s.then(ticks(d), func(int) float64 { return math.NaN() })
}

// then is the story with n more ticks, of which the i-th, from 1, has that demand.
func (s Story) then(n int, demand func(i int) float64) Story {
	old := s.samples
	s.samples = append(make([]autoscale.Sample, 0, len(old)+n), old...)
	for i := 1; i <= n; i++ {
		one := autoscale.Unmeasured(s.start.Add(time.Duration(len(s.samples)+1) * Tick))
		one.Demand = demand(i)
		s.samples = append(s.samples, one)
	}
	return s
}

func ticks(d string) int { return int(duration(d) / Tick) }

func duration(d string) time.Duration {
	out, err := time.ParseDuration(d)
	if err != nil || out < 0 {
		panic(fmt.Sprintf("autoscaletest: duration %q: want one such as 10m", d))
	}
	return out
}

// Turn is one decision of a story.
type Turn struct {
	View     autoscale.View
	Decision autoscale.Decision
}

// Play lets a policy live through the story, asked at every tick from the first hour on, which is before the story's time.
func (s Story) Play(p autoscale.Policy) []Turn {
	return s.play(p, func(v autoscale.View) autoscale.View { return v })
}

func (s Story) play(p autoscale.Policy, before func(autoscale.View) autoscale.View) []Turn {
	var turns []Turn
	var window []autoscale.Sample
	array := autoscale.Array{Base: s.base, Min: s.bounds[0], Max: s.bounds[1]}
	for i := range s.servers {
		array.Servers = append(array.Servers, autoscale.Server{ID: fmt.Sprintf("app-%d", i+1), State: autoscale.Ready, Launched: s.start.Add(-time.Hour)})
	}
	names := s.servers
	var memory autoscale.Memory
	for _, sample := range s.samples {
		if !math.IsNaN(sample.Demand) {
			window = append(window, s.measured(sample, array))
		}
		now := sample.At
		v := before(autoscale.View{
			Now: now, Window: window[max(0, len(window)-360):len(window):len(window)], Array: array,
			Capacity: autoscale.Estimate[float64]{Mean: s.capacity}, Boot: autoscale.Estimate[time.Duration]{Mean: s.boot}, Memory: memory,
		})
		d := p.Decide(v)
		memory = d.Memory
		turns = append(turns, Turn{v, d})
		array, names = s.act(array, array.Clamp(d.Target), names, now)
	}
	return turns
}

// measured fills in what the array makes of the demand.
func (s Story) measured(sample autoscale.Sample, a autoscale.Array) autoscale.Sample {
	capacity := (a.Base + float64(a.Ready())) * s.capacity
	busy := math.Min(1, sample.Demand/math.Max(capacity, 1e-9))
	if sample.Demand == 0 {
		busy = 0
	}
	sample.Busy = busy
	sample.Queue = math.Max(0, sample.Demand-capacity)
	sample.Response, sample.Errors = 0.08, 0
	for _, one := range a.Servers {
		if one.State == autoscale.Ready {
			sample.Servers = append(sample.Servers, autoscale.ServerSample{ID: one.ID, Busy: busy})
		}
	}
	return sample
}

// act is the array at the next tick.
func (s Story) act(a autoscale.Array, target, names int, now time.Time) (autoscale.Array, int) {
	servers := append([]autoscale.Server(nil), a.Servers...)
	for len(servers) < target {
		names++
		servers = append(servers, autoscale.Server{ID: "app-" + strconv.Itoa(names), State: autoscale.Booting, Launched: now, Expected: now.Add(s.boot)})
	}
	servers = servers[:target]
	for i := range servers {
		if servers[i].State == autoscale.Booting && !now.Add(Tick).Before(servers[i].Expected) {
			servers[i].State = autoscale.Ready
		}
	}
	a.Servers = servers
	return a, names
}

// Changes is how many of the turns changed the size.
func Changes(turns []Turn) int {
	n := 0
	for _, turn := range turns {
		if turn.Decision.Target != turn.View.Array.Size() {
			n++
		}
	}
	return n
}

// Largest is the largest target of the turns.
func Largest(turns []Turn) int {
	n := 0
	for _, turn := range turns {
		n = max(n, turn.Decision.Target)
	}
	return n
}
