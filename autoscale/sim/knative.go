package sim

import (
	"math"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// KPA is Knative's pod autoscaler: requests in flight over a stable window of a minute, wanted at 70 % of what a server holds; when a tenth of that window
// wants at least twice what is ready it panics, and for a minute only grows. At most a thousand-fold up, to the half down at once.
//
// Source: knative.dev, "Configuring the autoscaler" (stable-window 60s, panic-window-percentage 10, panic-threshold-percentage 200,
// container-concurrency-target-percentage 70, max-scale-up-rate 1000, max-scale-down-rate 2); knative.dev/serving/pkg/autoscaler/scaling.
type KPA struct {
	Concurrency float64 // requests that a server holds at once; zero: 8
	Target      float64 // share of it; zero: 0.7
}

type kpaMemory struct {
	Panic time.Time // when it last was over the threshold
	Size  int       // largest since it began
}

// Decide follows the stable and the panic window. The simulation's step of 10 s stands for the panic window of 6 s.
func (k KPA) Decide(v autoscale.View) autoscale.Decision {
	each := or(k.Concurrency, 8) * or(k.Target, 0.7)
	base, ready := int(v.Array.Base), int(v.Array.Base)+v.Array.Ready()
	inFlight := func(s autoscale.Sample) float64 {
		return s.Busy*or(k.Concurrency, 8)*float64(len(s.Servers)+base) + s.Queue
	}
	stable, ok := v.MeanOf(time.Minute, inFlight)
	burst, fresh := v.MeanOf(Step, inFlight)
	if !ok {
		return v.Stay("no-metrics", "no metrics: keep the size")
	}
	if !fresh {
		burst = stable
	}
	limit := func(n float64) int {
		return int(math.Max(math.Floor(float64(ready)/2), math.Min(math.Ceil(n), 1000*float64(max(ready, 1)))))
	}
	want, wantBurst := limit(stable/each), limit(burst/each)
	m, _ := autoscale.Recall[kpaMemory](v.Memory)
	if float64(wantBurst) >= 2*float64(max(ready, 1)) {
		if v.Now.Sub(m.Panic) > time.Minute {
			m.Size = 0
		}
		m.Panic = v.Now
	}
	n, code := want, "stable"
	if !m.Panic.IsZero() && v.Now.Sub(m.Panic) <= time.Minute {
		m.Size = max(m.Size, want, wantBurst, ready)
		n, code = m.Size, "panic"
	}
	d := v.To(n-base, code, "{stable} requests in flight, {burst} in the panic window, {each} a server: {want}", autoscale.Num("stable", stable),
		autoscale.Num("burst", burst), autoscale.Num("each", each), autoscale.Num("want", n))
	d.Memory = autoscale.Remember(m)
	return d
}

func or[T comparable](x, zero T) T {
	var none T
	if x == none {
		return zero
	}
	return x
}
