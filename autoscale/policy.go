package autoscale

import (
	"math"
	"time"
)

// Policy decides how many servers an array should have. A policy is a plain value: everything that it may know is in the View, everything that it
// wants to know next time goes into the Decision's Memory. The same view gives the same decision; a policy reads no clock and does no I/O.
type Policy interface {
	Decide(View) Decision
}

// PolicyFunc makes a policy of a function.
type PolicyFunc func(View) Decision

// Decide calls f.
func (f PolicyFunc) Decide(v View) Decision { return f(v) }

// View is all that a policy knows when it is asked.
type View struct {
	Now      time.Time               // when the decision is asked for
	Window   []Sample                // what was measured, oldest first; intervals may be missing
	Array    Array                   // servers that are there or on their way
	Capacity Estimate[float64]       // requests per second that one server answers within the response time wanted
	Boot     Estimate[time.Duration] // from launch until a server gets traffic
	Price    Price
	Memory   Memory // what the policy returned last time; empty after a restart that lost it
}

// Decision is what a policy wants.
type Decision struct {
	Target  int           // servers of the array, the always-on base not counted; zero is an ordinary value
	Reasons []Reason      // one for each stage that had a say, in order
	Memory  Memory        // handed back in the next View
	Next    time.Duration // when to ask again; zero: with the next sample
}

// Price is what servers cost.
type Price struct {
	Hour    float64       // for one server, in any currency; zero: not known
	Quantum time.Duration // billing unit: an hour, or a second (zero means a second)
	Minimum time.Duration // billed at least, e.g. a minute
}

// Array is the state of the servers. Its base is what serves even with no array server, such as front ends that run the application too.
type Array struct {
	Servers []Server // booting, ready and draining, in order of launch
	Base    float64  // capacity that is always on, in servers: 1 means as much as one array server, 0.5 half of it
	Min     int      // the array is never smaller
	Max     int      // nor larger; zero: the array stays empty
}

// State of a server, in the words of HAProxy where it has one.
type State string

// The states of a server of the array.
const (
	Booting  State = "booting"
	Ready    State = "ready"
	Draining State = "drain"
)

// Server is one server of the array.
type Server struct {
	ID       string
	State    State
	Zone     string    `json:",omitempty"`
	Launched time.Time // start of billing
	Expected time.Time // when a booting server should be ready
	Busy     float64   `json:",omitempty"` // share of its workers that serve, 0 to 1
}

// Size is the number of servers that are booting or ready: what a target is compared with.
func (a Array) Size() int { return len(a.Servers) - a.count(Draining) }

// Ready is the number of servers that get traffic.
func (a Array) Ready() int { return a.count(Ready) }

// Booting is the number of servers that were launched and do not get traffic yet.
func (a Array) Booting() int { return a.count(Booting) }

func (a Array) count(s State) int {
	n := 0
	for i := range a.Servers {
		if a.Servers[i].State == s {
			n++
		}
	}
	return n
}

// Clamp moves n into the bounds of the array.
func (a Array) Clamp(n int) int { return max(0, a.Min, min(n, a.Max)) }

// To is the decision to have n servers, bounded by the array, with a sentence that says why. In the sentence {name} stands for the number of that name.
func (v View) To(n int, code, text string, numbers ...Number) Decision {
	n = v.Array.Clamp(n)
	return Decision{Target: n, Memory: v.Memory, Reasons: []Reason{{Target: n, Code: code, Text: text, Numbers: numbers}}}
}

// Stay is the decision to keep the size.
func (v View) Stay(code, text string, numbers ...Number) Decision {
	return v.To(v.Array.Size(), code, text, numbers...)
}

// firstOrStay is for a policy that cannot count servers: it keeps the size, but where nothing serves and requests come, it launches a first server, from
// which the rest can be learned.
func (v View) firstOrStay(code, text string) Decision {
	if v.waiting() {
		return v.first()
	}
	return v.Stay(code, text)
}

// waiting reports whether requests came of late, or wait, and neither a server nor the base is there for them.
func (v View) waiting() bool {
	if v.Array.Size() > 0 || v.Array.Base > 0 || v.Array.Clamp(1) == 0 {
		return false
	}
	demand, queue := v.unanswered()
	return demand > 0 || queue > 0
}

func (v View) first() Decision {
	demand, queue := v.unanswered()
	return v.To(1, "first", "{demand} req/s, {queue} waiting, and nothing that serves them: a first server", Num("demand", demand), Num("queue", queue))
}

// unanswered are the latest demand and queue; NaN where they are not known or stale.
func (v View) unanswered() (demand, queue float64) {
	demand, age, ok := v.Demand()
	if !ok || !v.accepts(age) {
		demand = math.NaN()
	}
	queue, age, ok = v.latest(func(s Sample) float64 { return s.Queue })
	if !ok || !v.accepts(age) {
		queue = math.NaN()
	}
	return demand, queue
}

// Servers is how many array servers answer demand (requests per second) when each is busy for the given share (0 to 1; 0.8 leaves a fifth as headroom),
// beyond what the base answers, and never fewer than the array's Min. It is the size of the array while the capacity of a server or the demand is unknown:
// NaN, infinite or negative, or 0 without a sample of late that says so.
func (v View) Servers(demand, share float64) int {
	need := demand/(v.Capacity.Mean*share) - v.Array.Base
	positive := isKnown(v.Capacity.Mean) && v.Capacity.Mean > 0 && isKnown(share) && share > 0
	if !positive || !isKnown(demand) || !isKnown(math.Abs(need)) || demand == 0 && !v.isFresh() {
		return max(v.Array.Min, v.Array.Size())
	}
	// A millionth of a server is rounding, not demand.
	return max(0, v.Array.Min, int(math.Min(math.Ceil(need-1e-6), 1e6)))
}
