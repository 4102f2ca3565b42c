package sim

import (
	"math"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// HPA is Kubernetes' horizontal pod autoscaler: every 15 s, desired = ceil(current · metric / target) unless the ratio is within a tenth of 1; pods that
// are not ready count as idle when it scales up; at most 4 pods or 100 % more in 15 s; down only to the highest recommendation of the last 5 minutes.
//
// Source: kubernetes.io, "Horizontal Pod Autoscaling", algorithm details and default behavior; k8s.io/kubernetes/pkg/controller/podautoscaler.
type HPA struct {
	Requests bool    // scale by requests per second and server, not by busy workers (CPU)
	Target   float64 // share of a server; zero: 0.8 for CPU, 0.7 for requests
}

type hpaMemory struct {
	Recommended []recommendation
}

type recommendation struct {
	At   time.Time
	Size int
}

// Decide follows the controller's loop.
func (h HPA) Decide(v autoscale.View) autoscale.Decision {
	target := h.Target
	if target == 0 {
		target = 0.8
		if h.Requests {
			target = 0.7
		}
	}
	base := int(v.Array.Base)
	current := base + v.Array.Size()
	ready := base + v.Array.Ready()
	used, ok := v.MeanOf(20*time.Second, func(s autoscale.Sample) float64 { return s.Busy })
	if h.Requests {
		used, ok = v.Mean(20 * time.Second)
		used /= v.Capacity.Mean * float64(max(1, ready))
	}
	if !ok || v.Now.Sub(v.Window[len(v.Window)-1].At) > 2*time.Minute {
		d := v.Stay("no-metrics", "no metrics: keep the size")
		d.Next = 15 * time.Second
		return d
	}
	want := hpaDesired(used, target, ready, current)
	memory, _ := autoscale.Recall[hpaMemory](v.Memory)
	kept := append(make([]recommendation, 0, len(memory.Recommended)+1), recommendation{v.Now, want})
	held := want
	for _, r := range memory.Recommended {
		if v.Now.Sub(r.At) < 5*time.Minute {
			kept, held = append(kept, r), max(held, r.Size)
		}
	}
	size := want
	if want < current {
		size = min(current, held)
	}
	size = min(size, max(current+4, 2*current))
	d := v.To(size-base, "hpa", "{busy} % of {target} %: {current} to {want}, highest of 5 minutes {held}", autoscale.Num("busy", 100*used),
		autoscale.Num("target", 100*target), autoscale.Num("current", current), autoscale.Num("want", want), autoscale.Num("held", held))
	d.Memory, d.Next = autoscale.Remember(hpaMemory{kept}), 15*time.Second
	return d
}

func hpaDesired(used, target float64, ready, current int) int {
	ratio := used / target
	if math.Abs(ratio-1) <= 0.1 {
		return current
	}
	if ratio > 1 && current > ready {
		ratio *= float64(ready) / float64(current)
		if ratio <= 1.1 {
			return current
		}
		return int(math.Ceil(ratio * float64(current)))
	}
	want := int(math.Ceil(ratio * float64(ready)))
	if ratio > 1 {
		return max(current, want)
	}
	return min(current, want)
}
