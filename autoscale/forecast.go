package autoscale

import (
	"math"
	"time"
)

// guess is a forecast that waits for its time.
type guess struct {
	Due                     int64  // seconds since 1970
	X, U                    vector // what forecast and error were estimated from
	Level, Forecast, Spread float64
	Scale                   float64 // requests per second that the relative numbers are relative to
}

// learned is what forecasts and their errors have taught. It is never changed: learn makes a new one.
type learned struct {
	At, Solved time.Time
	Growth     regression  // of demand until the forecast's time
	Error      regression  // absolute error of the forecasts
	Recent     float64     // relative error of the last minutes
	ByDay      [96]float32 // the same in each quarter of an hour of the day
	Late       tail
	Waiting    []*guess // oldest first
}

const (
	learning  = time.Minute      // a forecast is remembered so often
	solving   = 5 * time.Minute  // weights are calculated anew so often
	overdue   = 10 * time.Minute // a forecast that nothing was measured for teaches nothing
	believing = 300.0            // observations before the estimate of errors is trusted
	prior     = 0.1              // relative error until then
)

func novice(ahead time.Duration) *learned {
	l := &learned{Recent: prior, Growth: regression{Weights: *trend(ahead)}, Error: regression{Weights: vector{prior}}}
	for i := range l.Late {
		l.Late[i] = 10 * math.Exp(-float64(i)/4)
	}
	return l
}

// guess forecasts the demand at a time from its movement and the features of it.
func (l *learned) guess(due time.Time, m *movement, x *vector, least float64) guess {
	g := guess{Due: due.Unix(), X: *x, Level: m.Level, Scale: max(m.Level, least, 1)}
	g.Forecast = max(0, m.Level+g.Scale*clip(x.dot(&l.Growth.Weights), -0.5, 1))
	quarter := quarterOf(g.Due)
	daily := max(l.ByDay[quarter], l.ByDay[(quarter+1)%len(l.ByDay)])
	// Errors are large when they were large a moment ago, at this time of other days, when demand rises, and when there are few requests.
	g.U = vector{1, l.Recent, max(0, x[1]), max(0, x[3]), max(0, x[5]), 1 / math.Sqrt(g.Scale), float64(daily)}
	g.Spread = g.Scale * clip(g.U.dot(&l.Error.Weights), 0.01, 1)
	return g
}

// learn takes in the forecasts that demand has caught up with, and remembers the latest one. Ahead is how far it looks: what is learned fades in three days,
// or later when forecasts are so far apart that three days are few.
func (l *learned) learn(now time.Time, demand float64, ahead time.Duration, latest *guess) *learned {
	if now.Sub(l.At) < learning {
		return l
	}
	next := *l
	next.At = now
	keep := 1 - learning.Hours()/24/(3*max(1, ahead.Minutes()/5))
	due := 0
	for ; due < len(l.Waiting) && l.Waiting[due].Due <= now.Unix(); due++ {
		if now.Unix()-l.Waiting[due].Due < int64(overdue.Seconds()) {
			next.check(l.Waiting[due], demand, keep)
		}
	}
	kept := *latest
	next.Waiting = append(append(make([]*guess, 0, len(l.Waiting)-due+1), l.Waiting[due:]...), &kept)
	if now.Sub(l.Solved) >= solving {
		next.Solved = now
		next.Growth.solve(trend(ahead))
		next.Growth.calm()
		next.Error.solve(&vector{prior})
		if next.Error.Gram[0] < believing {
			next.Error.Weights = vector{prior}
		}
	}
	return &next
}

// check compares a forecast with what came.
func (l *learned) check(g *guess, demand, keep float64) {
	off := (demand - g.Forecast) / g.Scale
	size := min(math.Abs(off), 1)
	l.Growth.add(&g.X, clip((demand-g.Level)/g.Scale, -0.5, 1), keep)
	l.Error.add(&g.U, size, keep)
	l.Recent += (size - l.Recent) * learning.Seconds() / 150
	daily := &l.ByDay[quarterOf(g.Due)]
	*daily += (float32(size) - *daily) / 60
	l.Late.add((demand-g.Forecast)/g.Spread, 1-learning.Hours()/24/15)
}

// trend is what is believed of the growth before there is evidence: that half of it goes on.
func trend(ahead time.Duration) *vector {
	i := 0
	for i < len(paces)-1 && paces[i] < ahead.Seconds() {
		i++
	}
	w := vector{}
	w[i+1] = 0.5
	return &w
}

func quarterOf(unix int64) int { return int(unix / 900 % 96) }

// tail counts how often demand exceeded a forecast by more than 0, 1, 2 … quarters of the spread that was expected; old counts fade.
type tail [81]float64

func (t *tail) add(excess, keep float64) {
	last := max(0, int(math.Ceil(math.Min(4*excess, float64(len(t))))))
	for i := range t {
		t[i] *= keep
		if i <= last {
			t[i]++
		}
	}
}

// beyond is the share of forecasts that demand exceeded by more than so many spreads. Below the forecast it goes on growing, so that less is never cheaper.
func (t *tail) beyond(spreads float64) float64 {
	place := 4 * spreads
	switch {
	case place < 0:
		return 1 - place
	case place >= float64(len(t)-1):
		return 0
	}
	i := int(place)
	return (t[i] + (t[i+1]-t[i])*(place-float64(i))) / t[0]
}
