package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Result is how a policy did on a trace.
type Result struct {
	Requests, Violated, Rejected float64
	ServerHours                  float64 // billed, base included
	Optimum                      float64 // server hours of the clairvoyant
	Peak                         float64 // server hours of the largest size that there was, all the time
	Actions                      int     // decisions that changed the size
	Scored                       time.Duration
	Changes                      []Change

	load     *Load
	ready    []int16 // by step: array servers with traffic
	violated []float32
	quarters []Quarter
	seconds  float64
	largest  float64
}

// J is the score: cost over optimum plus 1 for each per cent of requests that violate. Lower is better.
func (r *Result) J() float64 { return r.Cost() + r.Violations() }

// Cost is what was paid over what a clairvoyant would have paid.
func (r *Result) Cost() float64 { return r.ServerHours / max(r.Optimum, 1e-9) }

// Violations is the share of requests that were too slow or rejected, in per cent.
func (r *Result) Violations() float64 { return 100 * r.Violated / max(r.Requests, 1) }

// ActionsPerDay is how often the size was changed.
func (r *Result) ActionsPerDay() float64 {
	return float64(r.Actions) / max(r.Scored.Hours()/24, 1e-9)
}

// Change is a decision that changed the size of the array.
type Change struct {
	At       time.Time
	From, To int
	Reasons  []autoscale.Reason
}

// Quarter is a quarter of an hour of a replay.
type Quarter struct {
	At                 time.Time
	Requests, Violated float64
	Servers            int                // of the array, most that had traffic
	Reasons            []autoscale.Reason // of the last decision before the first violation
}

const quarter = int(15 * time.Minute / Step)

// Worst is the n quarters of an hour with most violations, worst first, with the reasons that the policy gave before them.
func (r *Result) Worst(n int) []Quarter {
	var bad []Quarter
	for _, q := range r.quarters {
		if q.Violated >= 1 {
			bad = append(bad, q)
		}
	}
	slices.SortStableFunc(bad, func(a, b Quarter) int { return cmp.Compare(b.Violated, a.Violated) })
	return bad[:min(n, len(bad))]
}

func newResult(l *Load) *Result {
	n := len(l.Arrivals)
	return &Result{
		Optimum: l.Optimum(), Scored: time.Duration(n-l.warm) * Step,
		load: l, ready: make([]int16, n), violated: make([]float32, n), quarters: make([]Quarter, (n+quarter-1)/quarter),
	}
}

// step counts what happened in step i; reasons are those of the decision in force.
func (r *Result) step(i, ready, billed int, arrivals float64, out outcome, reasons []autoscale.Reason) {
	r.ready[i], r.violated[i] = int16(ready), float32(out.violated)
	if i < r.load.warm {
		return
	}
	r.Requests += arrivals
	r.Violated += out.violated
	r.Rejected += out.rejected
	servers := float64(billed) + r.load.Options.Base
	r.seconds += servers * Step.Seconds()
	r.largest = max(r.largest, servers)
	q := &r.quarters[i/quarter]
	q.Requests += arrivals
	q.Violated += out.violated
	q.Servers = max(q.Servers, ready)
	if q.Reasons == nil && out.violated >= 1 {
		q.Reasons = reasons
	}
	if q.At.IsZero() {
		q.At = r.load.Trace.Start.Add(time.Duration(i/quarter*quarter) * Step)
	}
}

func (r *Result) decision(i, size, target int, reasons []autoscale.Reason) {
	if i < r.load.warm || target == size {
		return
	}
	r.Actions++
	r.Changes = append(r.Changes, Change{At: r.load.Trace.Start.Add(time.Duration(i+1) * Step), From: size, To: target, Reasons: reasons})
}

// ended bills what a server costs beyond the steps that it lived.
func (r *Result) ended(i int, m machine) {
	if i < r.load.warm {
		return
	}
	lived := time.Duration(i-m.launched) * Step
	r.seconds += (billed(lived, r.load.Options.Billing) - lived).Seconds()
}

func billed(lived time.Duration, p autoscale.Price) time.Duration {
	lived = max(lived, p.Minimum)
	if p.Quantum > 0 {
		lived = (lived + p.Quantum - 1) / p.Quantum * p.Quantum
	}
	return lived
}

func (r *Result) finish() { r.ServerHours, r.Peak = r.seconds/3600, r.largest*r.Scored.Hours() }
