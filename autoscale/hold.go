package autoscale

import (
	"slices"
	"time"
)

// Hold lets another policy grow the array at once and shrink it only to the most that it wanted within a while.
type Hold struct {
	Policy Policy        // nil: Lead
	For    time.Duration // zero: 10 min
}

type holdMemory struct {
	Inner  Memory
	Since  time.Time // start without memory: what was wanted before is not known
	Wanted []wanted  // falling sizes, oldest first: those that no later one was as large as
}

type wanted struct {
	At   time.Time
	Size int
}

// Decide asks the policy and remembers what it wanted.
func (p Hold) Decide(v View) Decision {
	m, ok := Recall[holdMemory](v.Memory)
	if !ok {
		m.Since = v.Now
	}
	hold, inner := or(p.For, 10*time.Minute), v
	inner.Memory = m.Inner
	d := orLead(p.Policy).Decide(inner)
	m.Inner, m.Wanted = d.Memory, slices.Clone(m.Wanted)
	for len(m.Wanted) > 0 && v.Now.Sub(m.Wanted[0].At) >= hold {
		m.Wanted = m.Wanted[1:]
	}
	for n := len(m.Wanted); n > 0 && m.Wanted[n-1].Size <= d.Target; n-- {
		m.Wanted = m.Wanted[:n-1]
	}
	m.Wanted = append(m.Wanted, wanted{v.Now, d.Target})
	held := m.Wanted[0].Size
	if v.Now.Sub(m.Since) < hold {
		held = max(held, v.Array.Size())
	}
	// What was wanted once is no reason to grow again.
	held = max(d.Target, min(held, v.Array.Size()))
	numbers := Numbers{Num("wanted", d.Target), Num("held", held), Num("hold", hold.Minutes())}
	r := Reason{Stage: "hold", Target: held, Code: "pass", Text: "{wanted} is the most of the last {hold} minutes", Numbers: numbers}
	if held > d.Target {
		r.Code, r.Text = "hold", "{wanted} would do, {held} are held for {hold} minutes"
	}
	d = d.then(r)
	d.Memory = Remember(m)
	return d
}

// orLead is the policy, or the default.
func orLead(p Policy) Policy {
	if p == nil {
		return Lead{}
	}
	return p
}
