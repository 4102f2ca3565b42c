package autoscale

import (
	"fmt"
	"time"
)

// Guard keeps another policy from doing harm. It never makes the array larger than the policy wants, but for its bounds and for what is there already.
type Guard struct {
	Policy Policy // nil: Lead

	Stale   time.Duration // with demand older than that nothing is taken away; zero: 2 min, or one and a half intervals of samples that are rarer
	Drop    float64       // a mean demand of the last minute below this share of the ten before is taken for an outage: the size is held; zero: 0.4
	Use     float64       // no scale-in that would leave the servers busier than that; zero: 0.9
	Actions int           // changes in an hour after which nothing is taken away; zero: 30
}

type guardMemory struct {
	Inner   Memory
	Changes []time.Time
}

// Decide asks the policy and puts right what it wants.
func (g Guard) Decide(v View) Decision {
	m, _ := Recall[guardMemory](v.Memory)
	v.Memory = m.Inner
	d, crash := g.ask(v)
	size := v.Array.Size()
	if crash != "" {
		d = Decision{Target: size, Memory: m.Inner}
		d = d.then(Reason{Stage: "guard", Target: v.Array.Clamp(size), Code: "broken", Text: crash + ": keep the size"})
	} else {
		d = g.check(&v, d, m, size)
	}
	recent := m.Changes
	for len(recent) > 0 && v.Now.Sub(recent[0]) >= time.Hour {
		recent = recent[1:]
	}
	if d.Target != size {
		recent = append(recent[:len(recent):len(recent)], v.Now)
	}
	d.Memory = Remember(guardMemory{Inner: d.Memory, Changes: recent})
	return d
}

// ask calls the policy; what it returns must make sense.
func (g Guard) ask(v View) (d Decision, crash string) {
	defer func() {
		if p := recover(); p != nil {
			crash = fmt.Sprintf("the policy panicked (%v)", p)
		}
	}()
	d = orLead(g.Policy).Decide(v)
	if d.Target < 0 || d.Target > absurd || d.Next < 0 {
		return d, fmt.Sprintf("the policy returned nonsense (target %d, next %s)", d.Target, d.Next)
	}
	return d, ""
}

// absurd is a target that nobody means.
const absurd = 100_000

func (g Guard) check(v *View, d Decision, m guardMemory, size int) Decision {
	if d.Target < size {
		if r, held := g.hold(v, d.Target, m); held {
			d = d.then(r)
		}
	}
	if n := v.Array.Clamp(d.Target); n != d.Target {
		return d.then(Reason{Stage: "guard", Target: n, Code: "bounds", Text: "{wanted} is outside of {min} to {max}",
			Numbers: Numbers{Num("wanted", d.Target), Num("min", v.Array.Min), Num("max", v.Array.Max)}})
	}
	if last := len(d.Reasons) - 1; last >= 0 && d.Reasons[last].Stage == "guard" {
		return d
	}
	return d.then(Reason{Stage: "guard", Target: d.Target, Code: "pass", Text: "nothing to object"})
}

// hold says why fewer servers than there are would do harm.
func (g Guard) hold(v *View, wanted int, m guardMemory) (Reason, bool) {
	size := v.Array.Size()
	r := Reason{Stage: "guard", Target: size}
	stale, drop, use, budget := or(g.Stale, v.patience()), or(g.Drop, 0.4), or(g.Use, 0.9), or(g.Actions, 30)
	_, age, ok := v.Demand()
	now, current := v.Mean(time.Minute)
	before := *v
	before.Now = v.Now.Add(-time.Minute)
	before.Window = v.past()[:len(v.past())-len(v.since(time.Minute))]
	usual, _ := before.Mean(10 * time.Minute)
	changes := 0
	for _, at := range m.Changes {
		if v.Now.Sub(at) < time.Hour {
			changes++
		}
	}
	switch {
	case !ok:
		r.Code, r.Text = "missing", "no demand was measured: nothing is taken away"
	case age > stale:
		r.Code, r.Text, r.Numbers = "stale", "the latest demand is {age} s old: nothing is taken away", Numbers{Num("age", age.Seconds())}
	case !current:
		r.Code, r.Text = "missing", "no demand was measured in the last minute: nothing is taken away"
	case now < drop*usual:
		r.Code, r.Text = "drop", "demand fell to {now} from {usual} req/s within minutes, as in an outage: keep the size"
		r.Numbers = Numbers{Num("now", now), Num("usual", usual)}
	case changes >= budget:
		r.Code, r.Text, r.Numbers = "budget", "{changes} changes in the last hour are enough: nothing is taken away", Numbers{Num("changes", changes)}
	default:
		return g.project(v, wanted, now, use)
	}
	return r, true
}

// project refuses to take away what is in use.
func (g Guard) project(v *View, wanted int, demand, use float64) (Reason, bool) {
	if !(v.Capacity.Mean > 0) {
		return Reason{}, false
	}
	need := min(v.Array.Size(), v.Servers(demand, use))
	return Reason{
		Stage: "guard", Target: need, Code: "in-use", Text: "{demand} req/s would keep {wanted} servers busier than {use} %: keep {need}",
		Numbers: Numbers{Num("demand", demand), Num("wanted", wanted), Num("use", 100*use), Num("need", need)},
	}, need > wanted
}
