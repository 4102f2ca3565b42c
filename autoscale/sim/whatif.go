package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// WhatIf is how a trial policy would have done in place of the one that wrote a log.
type WhatIf struct {
	Was, Would *Result      // both replayed on the demand of the log: servers, cost and violations are the simulation's
	Differs    []Difference // decisions that the trial would have made otherwise, from the very views of the log
	Decisions  int
}

// Difference is a decision of the log that the trial would have made otherwise. The trial remembers what it decided itself.
type Difference struct {
	At         time.Time
	Was, Would autoscale.Decision
}

// Replay asks a trial policy what it would have decided in each view of a log, and replays the demand of the log against a simulated array under what the
// log decided and under the trial. Boot time, capacity, base and bounds are those of the log's last view unless the options say otherwise; nothing is
// scaled, smoothed or left out.
func Replay(log []autoscale.Record, trial autoscale.Policy, o Options) (WhatIf, error) {
	if len(log) < 2 {
		return WhatIf{}, fmt.Errorf("sim: replay log: %d decisions; at least 2 are needed", len(log))
	}
	samples := merged(log)
	out := WhatIf{Decisions: len(log), Differs: differences(log, samples, trial)}
	t, err := demandOf(samples)
	if err != nil {
		return WhatIf{}, err
	}
	last := log[len(log)-1].View
	o.Peak, o.HalfWidth = 0, 0
	if o.Warmup == 0 {
		o.Warmup = -1
	}
	o.Boot = or(o.Boot, last.Boot.Mean)
	o.Capacity = or(o.Capacity, last.Capacity.Mean)
	if o.Base == 0 {
		if o.Base = last.Array.Base; o.Base == 0 {
			o.Base = -1
		}
	}
	o.Max = or(o.Max, last.Array.Max)
	o.Initial = log[0].View.Array.Size()
	l := Prepare(t, o)
	l.measured()
	out.Was, out.Would = l.Run(script(log)), l.Run(trial)
	return out, nil
}

// merged is every sample of the log once, in order of time.
func merged(log []autoscale.Record) []autoscale.Sample {
	var out []autoscale.Sample
	for _, r := range log {
		for _, s := range r.View.Window {
			if len(out) == 0 || s.At.After(out[len(out)-1].At) {
				out = append(out, s)
			}
		}
	}
	return out
}

func differences(log []autoscale.Record, samples []autoscale.Sample, trial autoscale.Policy) []Difference {
	var out []Difference
	var memory autoscale.Memory
	from, to := 0, 0
	for _, r := range log {
		v := r.View
		for to < len(samples) && !samples[to].At.After(v.Now) {
			to++
		}
		for from < to && v.Now.Sub(samples[from].At) > time.Hour {
			from++
		}
		v.Window, v.Memory = samples[from:to:to], memory
		d := trial.Decide(v)
		memory = d.Memory
		if d.Target != r.Decision.Target {
			out = append(out, Difference{v.Now, r.Decision, d})
		}
	}
	return out
}

// demandOf is the demand of samples as a trace. Where nothing was measured the demand before goes on.
func demandOf(samples []autoscale.Sample) (Trace, error) {
	if len(samples) < 2 {
		return Trace{}, fmt.Errorf("sim: replay log: %d samples; at least 2 are needed", len(samples))
	}
	t := Trace{Name: "log", Start: samples[0].At.Add(-Step), Interval: Step}
	last := 0.0
	for _, s := range samples {
		if s.Demand >= 0 {
			last = s.Demand
		}
		for n := int(s.At.Sub(t.Start) / Step); len(t.Requests) < n; {
			t.Requests = append(t.Requests, last*Step.Seconds())
		}
	}
	return t, nil
}

// measured makes the arrivals what was measured, without noise.
func (l *Load) measured() {
	for i, x := range l.Trace.Requests {
		l.Arrivals[i], l.Rate[i] = float32(x), float32(x/Step.Seconds())
	}
	l.optimum = l.clairvoyant()
}

// script decides what the log decided.
func script(log []autoscale.Record) autoscale.Policy {
	return autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		i, found := slices.BinarySearchFunc(log, v.Now, func(r autoscale.Record, at time.Time) int { return r.View.Now.Compare(at) })
		if !found {
			i--
		}
		if i < 0 {
			return v.Stay("before", "the log begins later")
		}
		return autoscale.Decision{Target: log[i].Decision.Target, Reasons: log[i].Decision.Reasons}
	})
}
