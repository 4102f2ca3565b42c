package sim

import (
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// PeakHold is Google Compute Engine's autoscaler: the CPU used by the group over the target of 60 %, and for scaling in the peak of the recommendations
// of the last 10 minutes (or of the initialisation period, where that is longer).
//
// Source: cloud.google.com/compute/docs/autoscaler, "Scaling based on CPU utilization", "Stabilization period", "Initialization period".
type PeakHold struct {
	Target float64       // share of a server; zero: 0.6
	Hold   time.Duration // stabilisation period; zero: 10 min
}

type peakMemory struct {
	Recommended []recommendation
}

// Decide recommends once a minute.
func (p PeakHold) Decide(v autoscale.View) autoscale.Decision {
	target, hold := or(p.Target, 0.6), max(or(p.Hold, 10*time.Minute), v.Boot.Mean)
	base, ready := v.Array.Base, v.Array.Base+float64(v.Array.Ready())
	busy, ok := v.MeanOf(time.Minute, func(s autoscale.Sample) float64 { return s.Busy })
	if !ok {
		return v.Stay("no-metrics", "no metrics: keep the size")
	}
	want := v.Servers(busy*ready*v.Capacity.Mean, target)
	m, _ := autoscale.Recall[peakMemory](v.Memory)
	kept, peak := append(make([]recommendation, 0, len(m.Recommended)+1), recommendation{v.Now, want}), want
	for _, r := range m.Recommended {
		if v.Now.Sub(r.At) < hold {
			kept, peak = append(kept, r), max(peak, r.Size)
		}
	}
	d := v.To(peak, "peak-hold", "{busy} % of {ready} servers at {target} % want {want}, the peak of the last minutes {peak}", autoscale.Num("busy", 100*busy),
		autoscale.Num("ready", ready), autoscale.Num("target", 100*target), autoscale.Num("want", want+int(base)), autoscale.Num("peak", peak+int(base)))
	d.Memory, d.Next = autoscale.Remember(peakMemory{kept}), time.Minute
	return d
}

// DelayedOff launches at once and lets a server go when nothing needed it for a while: that of the paper is as long as a boot costs.
//
// Source: A. Gandhi, M. Harchol-Balter, R. Raghunathan, M. Kozuch, "AutoScale: Dynamic, Robust Capacity Management for Multi-Tier Data Centers", ACM
// TOCS 30(4), 2012: t_wait = 120 s, or boot time × (power when booting / power when idle).
type DelayedOff struct {
	Target float64       // share of a server; zero: 0.7
	Wait   time.Duration // zero: 120 s, or the boot time where that is longer
}

// Decide remembers for how long each size was needed last.
func (p DelayedOff) Decide(v autoscale.View) autoscale.Decision {
	wait := or(p.Wait, max(2*time.Minute, v.Boot.Mean))
	demand, age, ok := v.Demand()
	if !ok || age > 2*time.Minute {
		return v.Stay("no-demand", "no demand is known: keep the size")
	}
	peak, _ := v.Peak(wait)
	want, held := v.Servers(demand, or(p.Target, 0.7)), v.Servers(peak, or(p.Target, 0.7))
	return v.To(max(want, held), "delayed-off", "{demand} req/s need {want}, {held} were needed in the last {wait} s", autoscale.Num("demand", demand),
		autoscale.Num("want", want), autoscale.Num("held", held), autoscale.Num("wait", wait.Seconds()))
}
