package autoscale

import (
	"math"
	"time"
)

// Track keeps every server at a share of its capacity: enough servers for the demand at once, fewer only when the peak of the last minutes needs fewer.
type Track struct {
	Target float64       // share of a server's capacity; zero: 0.7
	Hold   time.Duration // the peak of so long is held; zero: 10 min
}

// Decide compares demand with capacity.
func (p Track) Decide(v View) Decision {
	d := p.decide(&v)
	d.Reasons[0].Stage = "track"
	return d
}

func (p Track) decide(v *View) Decision {
	target, hold := or(p.Target, 0.7), or(p.Hold, 10*time.Minute)
	now, ok := v.Mean(30 * time.Second)
	if !ok || !(v.Capacity.Mean > 0) {
		return v.firstOrStay("no-demand", "demand or capacity is not known: keep the size")
	}
	peak, _ := v.Peak(max(hold, 30*time.Second))
	size := v.Array.Size()
	want, held := v.Servers(now, target), v.Servers(peak, target)
	numbers := Numbers{Num("demand", now), Num("peak", peak), Num("target", 100*target), Num("want", want), Num("held", held)}
	switch {
	case want > size:
		return v.To(want, "grow", "{demand} req/s at {target} % a server need {want}", numbers...)
	case held < size && v.covers(hold):
		return v.To(max(want, held), "shrink", "the peak of the last minutes, {peak} req/s at {target} % a server, needs {held}", numbers...)
	}
	return v.Stay("hold", "{demand} req/s need {want}, the held peak of {peak} req/s {held}", numbers...)
}

// covers reports whether the window tells of all of the last d, up to now: without that a scale-in is a guess.
func (v View) covers(d time.Duration) bool {
	patience := v.patience()
	if !v.Fresh(patience) {
		return false
	}
	known, window := v.Now, v.past()
	for i := len(window) - 1; i >= 0; i-- {
		s := window[i]
		if !isKnown(s.Demand) {
			continue
		}
		if known.Sub(s.At) > patience {
			return false
		}
		if known = s.At; v.Now.Sub(known) >= d-patience/2 {
			return true
		}
	}
	return false
}

// Step adds and removes servers by the share of the capacity that is used, as EC2's step scaling does: the further beyond, the larger the step.
type Step struct {
	Steps []Adjust      // by growing Above; zero: +1 above 0.7, +2 above 0.85, half as many again above 1
	Below float64       // remove one server while less is used, and would be well below the first step without it; zero: 0.5
	Over  time.Duration // mean of so long; zero: a minute
	Hold  time.Duration // no removal while the last so long used more than Below; zero: 10 min
}

// Adjust is one step: what is added where more than Above of the capacity is used.
type Adjust struct {
	Above   float64
	Servers int     // added
	Share   float64 // of the size, added too, rounded up
}

func (p Step) filled() Step {
	if len(p.Steps) == 0 {
		p.Steps = []Adjust{{Above: 0.7, Servers: 1}, {Above: 0.85, Servers: 2}, {Above: 1, Servers: 2, Share: 0.5}}
	}
	p.Below, p.Over, p.Hold = or(p.Below, 0.5), or(p.Over, time.Minute), or(p.Hold, 10*time.Minute)
	return p
}

// Decide takes the largest step that applies.
func (p Step) Decide(v View) Decision {
	d := p.decide(&v)
	d.Reasons[0].Stage = "step"
	return d
}

func (p Step) decide(v *View) Decision {
	p = p.filled()
	size := v.Array.Size()
	capacity := (float64(size) + v.Array.Base) * v.Capacity.Mean
	used := func(demand float64) float64 { return demand / max(capacity, 1e-9) }
	demand, ok := v.Mean(p.Over)
	last, _, _ := v.Demand()
	if !ok || !(v.Capacity.Mean > 0) {
		return v.firstOrStay("no-demand", "demand or capacity is not known: keep the size")
	}
	demand = max(demand, last)
	if demand == 0 && size == 0 {
		return v.Stay("idle", "no demand: keep the size")
	}
	n := size
	for _, s := range p.Steps {
		if used(demand) > s.Above {
			n = max(n, size+s.Servers+int(math.Ceil(s.Share*float64(size))))
		}
	}
	peak, _ := v.Peak(max(p.Hold, p.Over))
	numbers := Numbers{Num("used", 100*used(demand)), Num("peak", 100*used(peak)), Num("added", n-size), Num("below", 100*p.Below)}
	switch {
	case n > size:
		return v.To(n, "step-up", "{used} % of the capacity, on its way included, is used: {added} more", numbers...)
	case size > 0 && used(peak) < p.Below && peak < 0.9*p.Steps[0].Above*(capacity-v.Capacity.Mean) && v.covers(p.Hold):
		return v.To(size-1, "step-down", "no more than {peak} % was used in the last minutes, less than {below} %: one fewer", numbers...)
	}
	return v.Stay("hold", "{used} % of the capacity is used, {peak} % at the peak of the last minutes: keep the size", numbers...)
}
