package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// engine is one replay under way.
type engine struct {
	*Load
	policy  autoscale.Policy
	random  *rand.Rand
	queue   queue
	servers []machine          // booting, ready and draining, in order of launch
	seen    []autoscale.Server // the same as a policy sees them; nil when they have changed since
	ready   int                // of those
	samples []autoscale.Sample
	each    []autoscale.ServerSample // room for the samples of single servers
	memory  autoscale.Memory
	reasons []autoscale.Reason // of the decision in force
	boot    autoscale.Estimate[time.Duration]
	next    time.Duration // when the policy is asked again
	event   int           // the step in which a server changes by itself
	names   int
	result  *Result
}

// machine is a server of the array; times are steps.
type machine struct {
	autoscale.Server
	launched, change, dies int
	fails                  bool
}

const never = math.MaxInt

// Run replays a trace under a policy.
func Run(t Trace, p autoscale.Policy, o Options) *Result { return Prepare(t, o).Run(p) }

// Run replays the load under a policy.
func (l *Load) Run(p autoscale.Policy) *Result {
	o := l.Options
	service := o.service().Seconds()
	e := &engine{
		Load: l, policy: p, event: never,
		random: rand.New(rand.NewPCG(o.Seed, 2)),
		queue:  queue{capacity: o.Capacity, room: o.Limit.Seconds() - service, timeout: o.Timeout.Seconds()},
		boot:   autoscale.Estimate[time.Duration]{Mean: o.Boot},
		result: newResult(l),
	}
	e.launch(0, o.Initial)
	for k := range e.servers {
		e.servers[k].State, e.servers[k].change = autoscale.Ready, 0
	}
	for i := range l.Arrivals {
		if i >= e.event {
			e.advance(i)
		}
		e.serve(i)
		e.decide(i)
	}
	e.result.finish()
	return e.result
}

// look shows the servers as they are now. A new slice, since policies may keep what they were shown.
func (e *engine) look() {
	e.seen, e.ready = make([]autoscale.Server, len(e.servers)), 0
	for k := range e.servers {
		e.seen[k] = e.servers[k].Server
		if e.seen[k].State == autoscale.Ready {
			e.ready++
		}
	}
}

// serve lets the requests of step i come.
func (e *engine) serve(i int) {
	if e.seen == nil {
		e.look()
	}
	arrivals, dt := float64(e.Arrivals[i]), Step.Seconds()
	serving := float64(e.ready) + e.Options.Base
	out := e.queue.step(arrivals, serving, dt)
	e.result.step(i, e.ready, len(e.seen), arrivals, out, e.reasons)
	busy := 0.0
	if serving > 0 {
		busy = math.Min(1, out.served/(serving*e.Options.Capacity*dt))
	}
	if e.dark(time.Duration(i+1) * Step) {
		return
	}
	s := autoscale.Sample{
		At: e.at(i + 1), Demand: arrivals / dt, Queue: e.queue.waiting, Busy: busy,
		Response: e.Options.service().Seconds() + out.wait, Errors: out.rejected / dt,
	}
	e.measure(&s, busy)
	if len(e.samples) == cap(e.samples) {
		// A new buffer, since policies may keep what they were shown.
		keep := min(len(e.samples), steps(e.Options.Window+e.Options.Faults.Lag))
		e.samples = append(make([]autoscale.Sample, 0, 4*keep+1024), e.samples[len(e.samples)-keep:]...)
	}
	e.samples = append(e.samples, s)
}

// measure adds the samples of the single servers: all are equally busy.
func (e *engine) measure(s *autoscale.Sample, busy float64) {
	if cap(e.each)-len(e.each) < e.ready {
		e.each = make([]autoscale.ServerSample, 0, 1024+e.ready)
	}
	from := len(e.each)
	for k := range e.seen {
		if e.seen[k].State == autoscale.Ready {
			e.each = append(e.each, autoscale.ServerSample{ID: e.seen[k].ID, Busy: busy})
		}
	}
	s.Servers = e.each[from:len(e.each):len(e.each)]
}

func (e *engine) at(i int) time.Time { return e.Trace.Start.Add(time.Duration(i) * Step) }

func (e *engine) dark(at time.Duration) bool {
	for _, b := range e.Options.Faults.Blackouts {
		if at > b.From && at <= b.To {
			return true
		}
	}
	return false
}

// decide asks the policy at the end of step i and does what it wants.
func (e *engine) decide(i int) {
	now := time.Duration(i+1) * Step
	if now < e.next {
		return
	}
	v := e.view(i)
	d := e.policy.Decide(v)
	e.memory = d.Memory
	if d.Next <= 0 {
		d.Next = Step
	}
	if e.next += d.Next; e.next <= now-Step {
		e.next = now + d.Next
	}
	target := v.Array.Clamp(d.Target)
	size := v.Array.Size()
	e.reasons = d.Reasons
	e.result.decision(i, size, target, d.Reasons)
	switch {
	case target > size:
		e.launch(i+1, target-size)
	case target < size:
		e.drain(i+1, v, size-target)
	}
}

func (e *engine) view(i int) autoscale.View {
	now := e.at(i + 1)
	to := len(e.samples)
	if lag := e.Options.Faults.Lag; lag > 0 {
		for to > 0 && e.samples[to-1].At.After(now.Add(-lag)) {
			to--
		}
	}
	from := max(0, to-int(e.Options.Window/Step))
	return autoscale.View{
		Now: now, Window: e.samples[from:to:to],
		Array:    autoscale.Array{Servers: e.seen, Base: e.Options.Base, Max: e.Options.Max},
		Capacity: autoscale.Estimate[float64]{Mean: e.Options.Capacity}, Boot: e.boot,
		Price: e.Options.Billing, Memory: e.memory,
	}
}
