package sim

import "math"

// Elasticity is the five metrics by which the SPEC research group compares autoscalers, against the servers that the demand needs. Lower is better.
//
// Source: N. Herbst et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics", 2016, section 4 (normalised accuracy).
type Elasticity struct {
	UnderAccuracy  float64 // θU: missing servers over needed ones, mean over time, per cent
	OverAccuracy   float64 // θO: superfluous servers over needed ones, mean over time, per cent
	UnderTimeshare float64 // τU: time with servers missing, per cent
	OverTimeshare  float64 // τO: time with servers too many, per cent
	Instability    float64 // υ: time in which supply and demand do not change in the same direction, per cent
}

// Elasticity measures the scored part of the replay.
func (r *Result) Elasticity() Elasticity {
	var e Elasticity
	l := r.load
	n := float64(len(r.ready) - l.warm)
	last := [2]float64{}
	for i := l.warm; i < len(r.ready); i++ {
		base := l.Options.Base
		need := base + math.Max(0, math.Ceil(float64(l.Rate[i])/l.Options.Capacity-base-1e-6))
		have := base + float64(r.ready[i])
		e.UnderAccuracy += 100 * math.Max(0, need-have) / math.Max(need, 1) / n
		e.OverAccuracy += 100 * math.Max(0, have-need) / math.Max(need, 1) / n
		if need > have {
			e.UnderTimeshare += 100 / n
		} else if have > need {
			e.OverTimeshare += 100 / n
		}
		if i > l.warm && sign(need-last[0]) != sign(have-last[1]) {
			e.Instability += 100 / n
		}
		last = [2]float64{need, have}
	}
	return e
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
