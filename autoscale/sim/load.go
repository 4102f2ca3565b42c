package sim

import (
	"math"
	"math/rand/v2"
)

// Load is a trace made ready for replays: smoothed, scaled, and drawn as requests that arrive in each step. Policies that are compared get the same one.
type Load struct {
	Trace    Trace     // smoothed and scaled
	Rate     []float32 // requests per second expected in each step
	Arrivals []float32 // requests that arrive in it
	Options  Options   // as filled in

	warm    int // first scored step
	optimum float64
}

// Prepare makes a load of a trace. Intervals shorter than a step are added up first. The rate of a sample holds at the middle of its interval and changes
// in a straight line to the next one; requests arrive by Poisson's law.
func Prepare(t Trace, o Options) *Load {
	t = t.Coarse(Step)
	o = o.filled(t)
	t = t.Smooth(o.HalfWidth)
	if o.Peak > 0 {
		t = t.Scale(0.9 * float64(o.Peak) * o.Capacity)
	}
	l := &Load{Trace: t, Options: o, Rate: t.rates(), warm: steps(o.Warmup)}
	random := rand.New(rand.NewPCG(o.Seed, 1))
	l.Arrivals = make([]float32, len(l.Rate))
	for i, rate := range l.Rate {
		l.Arrivals[i] = float32(poisson(random, float64(rate)*Step.Seconds()))
	}
	l.optimum = l.clairvoyant()
	return l
}

// rates is the rate of each step, in requests per second, read off in its middle.
func (t Trace) rates() []float32 {
	out := make([]float32, steps(t.Duration()))
	last := len(t.Requests) - 1
	for i := range out {
		place := (float64(i)+0.5)*float64(Step)/float64(t.Interval) - 0.5
		k := math.Floor(place)
		left, right := t.Requests[max(0, int(k))], t.Requests[min(last, int(k)+1)]
		out[i] = float32((left + (right-left)*(place-k)) / t.Interval.Seconds())
	}
	return out
}

// Optimum is the server time in hours that a clairvoyant would pay for in the scored part of the trace, base included.
func (l *Load) Optimum() float64 { return l.optimum / 3600 }

// clairvoyant is the cheapest server time, in seconds, with which the rate of every step is answered. The n-th server is needed in every step whose rate
// is more than n-1 servers answer. Between two needs it is kept or ended and launched again, whichever is cheaper: an idle gap costs
// min(gap, boot + drain), the one before its first need min(gap, boot), the one after its last min(gap, drain). Levels are independent, as billing is per
// second. The base is always on. Poisson's noise needs no server: the optimum is a little lower, and every score a little higher, than if it did.
func (l *Load) clairvoyant() float64 {
	o := l.Options
	boot, drain := o.Boot.Seconds(), o.Drain.Seconds()
	total := o.Base * float64(len(l.Rate)-l.warm) * Step.Seconds()
	var free []int      // of each level above the base: the step after its latest need
	var cheap []float64 // and what going without until the next one costs
	for i := l.warm; i < len(l.Rate); i++ {
		need := int(math.Ceil(float64(l.Rate[i])/o.Capacity - o.Base - 1e-6))
		for len(free) < need {
			free, cheap = append(free, l.warm), append(cheap, boot)
		}
		for k := range max(0, need) {
			gap := float64(i-free[k]) * Step.Seconds()
			total += min(gap, cheap[k]) + Step.Seconds()
			free[k], cheap[k] = i+1, boot+drain
		}
	}
	for _, at := range free {
		total += min(float64(len(l.Rate)-at)*Step.Seconds(), drain)
	}
	return total
}
