package autoscale

import (
	"math"
	"time"
)

// Lead has the servers ready when their demand comes. It forecasts demand one boot time ahead, measures how wrong its forecasts were at that distance, and
// takes the number of servers at which one more costs as much as the late answers that it spares. Servers go when they were not wanted for a while; booting
// ones count, so there are no cooldowns.
//
// Everything that it needs to know of a site it learns while it runs: how demand goes on from how it went in the last seconds to hour, what each minute of
// the day is like, and when forecasts fail. It is useful from the first minute and at its best after some days. While nothing was measured it takes nothing
// away; after a restart without memory it keeps the size until it has looked around.
//
// The zero value is meant for every site: its constants were found on recordings of three sites and checked on others (see package sim).
type Lead struct {
	// Penalty is what a late answer costs, in answers in time; zero: 85. More buys more headroom: on the recordings of package sim 1280 leaves less than a
	// third as many late answers, for 6 % more servers.
	Penalty float64
	// Actions is how many changes of the size a day it tries not to exceed; zero: 100. The closer it comes, the more reluctant it gets.
	Actions float64
}

const (
	youth      = 10 * time.Minute // after a start without memory
	outage     = 20 * time.Minute // that demand may be gone before servers go
	winding    = 30 * time.Second // that a server still costs after its last request
	reluctance = 400.0            // server seconds: surplus that is kept at the full number of actions
	overshoot  = 1.5              // share of a forecast's growth that is added there, so that one change does for two
	threshold  = 3.0              // servers: what a change must be worth there
)

// leadMemory is copied for each decision: what is large is behind pointers and never changed.
type leadMemory struct {
	Since   time.Time // start without memory
	Asked   time.Time
	Usual   time.Time // when demand was last not a small part of what is usual
	Demand  movement
	Learned *learned
	Day     *profile
	Minute  count     // that runs
	Target  int       // of the last decision
	Wanted  [2]int    // most that was wanted in the current holding time, and in the one before
	Held    time.Time // start of the current one
	Surplus float64   // server seconds that were not wanted
	Changes float64   // of the size within a day: fading count
}

// outlook is what is to be expected one boot time ahead, in requests per second, and what there is to answer it.
type outlook struct {
	ahead            time.Duration
	demand, forecast float64
	spread           float64 // mean absolute error of such forecasts
	late             *tail
	surge            bool // demand outruns the servers

	size           int
	base, capacity float64
	penalty        float64
}

// Decide forecasts, and compares what that needs with what is there.
func (p Lead) Decide(v View) Decision {
	m := new(leadMemory)
	if last, ok := Recall[*leadMemory](v.Memory); ok {
		*m = *last
	}
	if m.Learned == nil {
		m.Learned = novice(v.Boot.Mean)
	}
	// A clock that was put back makes times worthless, not what was learned.
	if m.Since.IsZero() || m.Asked.After(v.Now.Add(time.Minute)) {
		*m = leadMemory{Since: v.Now, Asked: v.Now, Usual: v.Now, Learned: m.Learned, Day: m.Day, Target: v.Array.Size()}
	}
	elapsed := max(0, v.Now.Sub(m.Asked))
	m.Asked = v.Now
	m.Changes *= max(0, 1-elapsed.Hours()/24)
	var d Decision
	size := v.Array.Size()
	switch seen := m.look(v.past()); {
	case !(v.Capacity.Mean > 0):
		d = v.firstOrStay("no-capacity", "what a server can do is not known: keep the size")
	case !v.isFresh() && v.waiting() && m.Target <= 1:
		d = v.first()
	case !seen, !v.isFresh():
		d = v.To(max(size, m.Target), "no-demand", "no new demand was measured: nothing is taken away")
	default:
		d = p.decide(&v, m, size, elapsed)
	}
	if m.Target = d.Target; d.Target != size {
		m.Changes++
		m.Surplus = 0
	}
	d.Reasons[0].Stage = "lead"
	d.Memory = Remember(m)
	return d
}

// decide chooses between growing, keeping and shrinking.
func (p Lead) decide(v *View, m *leadMemory, size int, elapsed time.Duration) Decision {
	o := m.outlook(v, size, elapsed)
	o.penalty = or(p.Penalty, 85)
	share := min(2, m.Changes/or(p.Actions, 100))
	reluctant := share * share * share
	beyond := o
	beyond.forecast += overshoot * reluctant * max(0, o.forecast-o.demand)
	want, gain := o.cheapest()
	hold := m.hold(v.Now, v.Boot.Mean, want)
	numbers := make(Numbers, 0, 7)
	numbers = append(numbers, Num("demand", o.demand), Num("forecast", o.forecast), Num("spread", o.spread), Num("ahead", o.ahead.Seconds()), Num("want", want))
	if v.Now.Sub(m.Since) < youth {
		if enough := v.Servers(o.forecast, 0.95); enough <= o.size {
			return v.To(o.size, "young", "{demand} req/s now; there is too little experience for a change", numbers...)
		}
	}
	if want > o.size && gain >= threshold*reluctant {
		roomy, _ := beyond.cheapest()
		want = max(want, roomy)
		numbers[len(numbers)-1] = Num("want", want)
		if o.surge {
			return v.To(want, "surge", "{demand} req/s are more than the servers answer, and {forecast} in {ahead} s if it goes on like this: {want}", numbers...)
		}
		return v.To(want, "grow", "{demand} req/s now, {forecast} ± {spread} in {ahead} s: {want}", numbers...)
	}
	held, gone := m.held(&o, &beyond), m.gone(v.Now)
	numbers = append(numbers, Num("held", held), Num("hold", hold.Seconds()))
	switch {
	case gone && held < o.size:
		m.Surplus = 0
		return v.To(o.size, "outage", "{demand} req/s are a small part of what is usual, as in an outage: keep the size for now", numbers...)
	case held >= o.size:
		m.Surplus = 0
		return v.To(o.size, "hold", "{demand} req/s now, {forecast} ± {spread} in {ahead} s: {want}; {held} with what was wanted lately", numbers...)
	}
	if m.Surplus += float64(o.size-held) * elapsed.Seconds(); m.Surplus < reluctance*reluctant {
		return v.To(o.size, "reluctant", "{demand} req/s now, {forecast} ± {spread} in {ahead} s: {held} are enough, but there were many changes today", numbers...)
	}
	return v.To(held, "shrink", "{demand} req/s now, {forecast} ± {spread} in {ahead} s: {held} are enough, and were for {hold} s", numbers...)
}

// outlook forecasts, and learns from what became of earlier forecasts.
func (m *leadMemory) outlook(v *View, size int, elapsed time.Duration) outlook {
	// A server that is launched now is ready when the latest news is a boot time and its own age old. Where it is asked rarely, the decision must do for
	// longer than the moment.
	ahead := or(v.Boot.Mean, 2*time.Minute) + v.Boot.Spread + v.Now.Sub(m.Demand.Seen) + max(0, min(elapsed, 5*time.Minute)-10*time.Second)/2
	// What a few servers more or less answer is noise, and more of it the further it looks.
	least := v.Capacity.Mean * (2 + ahead.Minutes()/5)
	due := v.Now.Add(ahead)
	x := m.Demand.features(least, m.Day.growth(v.Now, due))
	guess := m.Learned.guess(due, &m.Demand, &x, least)
	m.Learned = m.Learned.learn(v.Now, m.Demand.Level, ahead, &guess)
	o := outlook{ahead: ahead, demand: m.Demand.Level, forecast: guess.Forecast, spread: guess.Spread, late: &m.Learned.Late,
		size: size, base: v.Array.Base, capacity: v.Capacity.Mean}
	serving := o.capacity * (float64(v.Array.Ready()) + o.base)
	rise := m.Demand.rise()
	if grown := rise * surging.Seconds(); o.demand > serving && grown > o.spread/2 {
		// What triples is a step, not a slope.
		goesOn := min(o.demand+rise*ahead.Seconds(), 3*o.demand)
		o.surge, o.forecast = goesOn > o.forecast, max(o.forecast, goesOn)
	}
	return o
}

// cheapest is the number of servers at which capacity and late answers together cost least, and how many servers' cost that saves over the size that is there.
func (o *outlook) cheapest() (n int, gain float64) {
	cost := func(servers float64) float64 {
		capacity := servers * o.capacity
		return capacity + o.penalty*o.forecast*o.late.beyond((capacity-o.forecast)/max(o.spread, 1e-9))
	}
	best := math.Inf(1)
	for k := math.Floor(max(0, min(absurd, o.forecast/o.capacity-o.base))); (k+o.base)*o.capacity < best && k <= absurd; k++ {
		if c := cost(k + o.base); c < best {
			best, n = c, int(k)
		}
	}
	return n, (cost(float64(o.size)+o.base) - best) / o.capacity
}

// hold notes what is wanted. It returns for how long that is held at least: a third of what a launch costs, at most twice as long.
func (m *leadMemory) hold(now time.Time, boot time.Duration, want int) time.Duration {
	hold := (boot + winding) * 3 / 10
	if now.Sub(m.Held) > hold {
		m.Held, m.Wanted = now, [2]int{want, m.Wanted[0]}
	}
	m.Wanted[0] = max(m.Wanted[0], want)
	return hold
}

// held is how many servers must stay: what was wanted lately, and what is needed when the forecast is a little off.
func (m *leadMemory) held(o, beyond *outlook) int {
	held := max(m.Wanted[0], m.Wanted[1])
	if held >= o.size {
		return held
	}
	if m.Demand.calm() {
		// Not worth a change.
		beyond.forecast = max(beyond.forecast, 1.03*o.forecast)
	}
	if beyond.forecast > o.forecast {
		n, _ := beyond.cheapest()
		held = max(held, n)
	}
	return held
}

// gone reports whether most of the usual demand went away within the last minutes.
func (m *leadMemory) gone(now time.Time) bool {
	usual := m.Demand.Slow[6]
	if m.Demand.Level >= 0.3*usual {
		m.Usual = now
	}
	return m.Demand.Level < 0.2*usual && now.Sub(m.Usual) < outage
}

// look takes in the samples that are new and reports whether any tells of the demand.
func (m *leadMemory) look(window []Sample) bool {
	seen := false
	for _, s := range after(window, m.Demand.Seen) {
		if !isKnown(s.Demand) {
			continue
		}
		seen = true
		if minute, mean, ended := m.Minute.add(s); ended {
			m.Day = m.Day.with(minute, mean)
		}
		m.Demand.observe(s)
	}
	return seen
}
