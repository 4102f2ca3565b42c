package sim

import (
	"math"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Step is how far the simulation moves at once. Samples are measured, and policies may be asked, at the end of each.
const Step = 10 * time.Second

// Options is the site that a trace is replayed against. The zero value replays the trace as it was recorded; the package's published comparisons set
// Peak to 20.
type Options struct {
	Boot  time.Duration // from launch until a server gets traffic; zero: 120 s
	Drain time.Duration // from the end of its traffic until a server is gone, billed; zero: 30 s
	Base  float64       // servers that are always on, billed; zero: 1; negative: none
	Max   int           // bound of the array; zero: three times Peak, 1000 without it

	Initial int // array servers that are ready at the start

	Peak      int           // the 99.9th percentile of the trace is scaled to 0.9 times what so many servers answer; zero or negative: not scaled
	HalfWidth int           // of the triangular kernel, in samples; zero: Trace.HalfWidth with Peak, none without; negative: not smoothed
	Warmup    time.Duration // not scored; zero: 7 days, at most half the trace; negative: none
	Seed      uint64        // of arrivals and faults

	Capacity float64       // requests per second of a server; zero: 100
	Workers  int           // of a server; zero: 8. Service time is Workers / Capacity
	Limit    time.Duration // a response that takes longer violates; zero: 500 ms
	Timeout  time.Duration // a request that would wait longer in the queue is rejected; zero: 5 s

	Billing autoscale.Price // zero Minimum: 60 s; zero Quantum: per second
	Window  time.Duration   // of samples in a view; zero: 1 hour
	Victims autoscale.Victims

	Faults Faults
}

// Faults are what goes wrong. The zero value is nothing.
type Faults struct {
	BootJitter  float64       // boot time is multiplied by e^(jitter·normal); 0.2 is usual
	FailedBoots float64       // share of launches that never get ready and are gone at the time that they should have been
	Lifetime    time.Duration // mean time until a ready server dies; zero: for ever
	Lag         time.Duration // samples arrive so late
	Blackouts   []Blackout    // samples that never arrive
}

// Blackout is a time without samples, from the start of the trace.
type Blackout struct{ From, To time.Duration }

func (o Options) filled(t Trace) Options {
	set := func(d *time.Duration, zero time.Duration) {
		if *d == 0 {
			*d = zero
		}
	}
	count := func(n *int, zero int) {
		if *n == 0 {
			*n = zero
		}
	}
	set(&o.Boot, 2*time.Minute)
	set(&o.Drain, 30*time.Second)
	set(&o.Limit, 500*time.Millisecond)
	set(&o.Timeout, 5*time.Second)
	set(&o.Billing.Minimum, time.Minute)
	set(&o.Window, time.Hour)
	set(&o.Warmup, min(7*24*time.Hour, t.Duration()/2))
	o.Warmup = max(0, o.Warmup)
	if o.Base == 0 {
		o.Base = 1
	}
	o.Base = max(0, o.Base)
	count(&o.Workers, 8)
	if o.Peak > 0 {
		count(&o.Max, 3*o.Peak)
		count(&o.HalfWidth, t.HalfWidth()) // the noise of few requests, scaled, would look like demand
	}
	count(&o.Max, 1000)
	if o.Capacity == 0 {
		o.Capacity = 100
	}
	if o.Victims == nil {
		o.Victims = autoscale.Newest{}
	}
	return o
}

func (o Options) service() time.Duration {
	return time.Duration(float64(o.Workers) / o.Capacity * float64(time.Second))
}

func steps(d time.Duration) int { return int(math.Ceil(float64(d) / float64(Step))) }
