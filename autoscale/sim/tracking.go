package sim

import (
	"math"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// TargetTracking is EC2 Auto Scaling's: two CloudWatch alarms over means of a minute. Three minutes above the target scale out in proportion; fifteen
// below 90 % of the target scale in, conservatively: the size at which the metric would be the target, rounded up. Servers count as warming for 5 minutes
// after launch; scale-in waits until none is.
//
// Source: docs.aws.amazon.com, "Target tracking scaling policies for Amazon EC2 Auto Scaling", and the alarms that it creates.
type TargetTracking struct {
	Requests bool    // scale by requests per second and server (ALBRequestCountPerTarget), not by CPU
	Target   float64 // share of a server; zero: 0.5
	WarmUp   time.Duration
}

// Decide evaluates both alarms.
func (t TargetTracking) Decide(v autoscale.View) autoscale.Decision {
	target, warm := t.Target, t.WarmUp
	if target == 0 {
		target = 0.5
	}
	if warm == 0 {
		warm = 5 * time.Minute
	}
	base := int(v.Array.Base)
	current, inService, warming := base+v.Array.Size(), base, false
	for _, s := range v.Array.Servers {
		switch {
		case s.State == autoscale.Draining:
		case s.State == autoscale.Booting || v.Now.Sub(s.Launched) < warm:
			warming = true
		default:
			inService++
		}
	}
	ready := float64(max(1, base+v.Array.Ready()))
	metric := func(minute int) (float64, bool) {
		from := v
		from.Now = v.Now.Add(-time.Duration(minute) * time.Minute)
		from.Window = until(v.Window, from.Now)
		if t.Requests {
			x, ok := from.Mean(time.Minute)
			return x / v.Capacity.Mean / ready, ok
		}
		return from.MeanOf(time.Minute, func(s autoscale.Sample) float64 { return s.Busy })
	}
	high, low := alarm(metric, 3, func(x float64) bool { return x > target }), alarm(metric, 15, func(x float64) bool { return x < 0.9*target })
	now, _ := metric(0)
	want, code := current, "ok"
	switch {
	case high:
		want, code = max(current, int(math.Ceil(ready*now/target))), "alarm-high"
	case low && !warming:
		want, code = min(current, int(math.Ceil(ready*now/target))), "alarm-low"
	}
	d := v.To(want-base, code, "{metric} % of {target} %: {current} to {want}", autoscale.Num("metric", 100*now), autoscale.Num("target", 100*target),
		autoscale.Num("current", current), autoscale.Num("want", want))
	d.Next = time.Minute
	return d
}

func until(w []autoscale.Sample, at time.Time) []autoscale.Sample {
	n := len(w)
	for n > 0 && w[n-1].At.After(at) {
		n--
	}
	return w[:n]
}

func alarm(metric func(int) (float64, bool), minutes int, breach func(float64) bool) bool {
	for m := range minutes {
		if x, ok := metric(m); !ok || !breach(x) {
			return false
		}
	}
	return true
}
