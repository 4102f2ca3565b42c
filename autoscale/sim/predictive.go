package sim

import (
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Predictive is EC2's predictive scaling in its mode "forecast and scale", with target tracking beside it: each hour's size is at least what the forecast
// for the hour needs at the target, launched five minutes ahead; the larger of the two sizes counts. It forecasts from the second day on.
//
// Amazon does not publish the model. Here an hour is forecast as the mean of the same hour of the last days, a week at most, that of the same weekday
// counted twice.
//
// Source: docs.aws.amazon.com, "Predictive scaling for Amazon EC2 Auto Scaling" (hourly forecasts from up to 14 days, at least 24 hours; SchedulingBufferTime 300 s).
type Predictive struct {
	Tracking TargetTracking
	Buffer   time.Duration // zero: 5 min
}

type predictiveMemory struct {
	Inner autoscale.Memory
	Hour  int64   // since 1970
	Sum   float64 // of demand in that hour
	N     int
	Past  []float64 // mean demand of the hours before, latest last
}

const week = 7 * 24

// Decide takes the larger of forecast and tracking.
func (p Predictive) Decide(v autoscale.View) autoscale.Decision {
	m, _ := autoscale.Recall[predictiveMemory](v.Memory)
	m = m.observe(v)
	inner := v
	inner.Memory = m.Inner
	d := p.Tracking.Decide(inner)
	m.Inner = d.Memory
	buffer := or(p.Buffer, 5*time.Minute)
	forecast, ok := m.forecast(v.Now)
	if ahead, next := m.forecast(v.Now.Add(buffer)); next {
		forecast, ok = max(forecast, ahead), true
	}
	if floor := v.Servers(forecast, or(p.Tracking.Target, 0.5)); ok && floor > d.Target {
		memory := d.Memory
		d = v.To(floor, "forecast", "{forecast} req/s are forecast for the hour: {floor}", autoscale.Num("forecast", forecast), autoscale.Num("floor", floor))
		d.Memory = memory
	}
	d.Memory, d.Next = autoscale.Remember(m), time.Minute
	return d
}

func (m predictiveMemory) observe(v autoscale.View) predictiveMemory {
	demand, ok := v.Mean(time.Minute)
	hour := v.Now.Unix() / 3600
	if m.Hour == 0 {
		m.Hour = hour
	}
	for ; m.Hour < hour; m.Hour++ {
		past := append([]float64(nil), m.Past[max(0, len(m.Past)+1-week):]...)
		mean := m.Sum / max(1, float64(m.N))
		if m.N == 0 && len(past) > 0 {
			mean = past[len(past)-1]
		}
		m.Past, m.Sum, m.N = append(past, mean), 0, 0
	}
	if ok {
		m.Sum, m.N = m.Sum+demand, m.N+1
	}
	return m
}

// forecast is the demand expected in the hour of at. It is false within the first day.
func (m predictiveMemory) forecast(at time.Time) (float64, bool) {
	ahead := int(at.Unix()/3600 - m.Hour)
	sum, weights := 0.0, 0.0
	for back := 24; back <= week; back += 24 {
		i := len(m.Past) + ahead - back
		if i < 0 || i >= len(m.Past) {
			continue
		}
		w := 1.0
		if back == week {
			w = 2
		}
		sum, weights = sum+w*m.Past[i], weights+w
	}
	return sum / max(weights, 1), weights > 0
}
