package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Report is the result in words: requests, servers, changes, elasticity, and the five worst quarters of an hour with what the policy said before them.
func (r *Result) Report() string {
	var out strings.Builder
	e := r.Elasticity()
	fmt.Fprintf(&out, "  requests    %.0f in %.1f days: %.3f %% violate, %.3f %% are rejected\n", r.Requests, r.Scored.Hours()/24, r.Violations(),
		100*r.Rejected/max(r.Requests, 1))
	fmt.Fprintf(&out, "  servers     %.0f hours, %.3f times the %.0f of the optimum; boot time %s\n", r.ServerHours, r.Cost(), r.Optimum, r.load.Options.Boot)
	fmt.Fprintf(&out, "  saved       %.0f %% of the %.0f hours of the largest size all the time\n", 100*(1-r.ServerHours/max(r.Peak, 1e-9)), r.Peak)
	fmt.Fprintf(&out, "  changes     %.0f a day\n", r.ActionsPerDay())
	fmt.Fprintf(&out, "  elasticity  %.1f %% under for %.1f %% of the time, %.1f %% over for %.1f %%, instability %.1f %%\n",
		e.UnderAccuracy, e.UnderTimeshare, e.OverAccuracy, e.OverTimeshare, e.Instability)
	for i, q := range r.Worst(5) {
		label := ""
		if i == 0 {
			label = "worst"
		}
		fmt.Fprintf(&out, "  %-10s  %s  %.0f of %.0f requests, %d servers; %s\n", label, q.At.Format("2006-01-02 15:04"), q.Violated, q.Requests, q.Servers, lastWord(q.Reasons))
	}
	return out.String()
}

func lastWord(reasons []autoscale.Reason) string {
	if len(reasons) == 0 {
		return "nothing was decided yet"
	}
	return reasons[len(reasons)-1].String()
}

// String is the answer to "what if": what the policies of log and trial cost on the demand of the log, and the first decisions that would have been others.
func (w WhatIf) String() string {
	var out strings.Builder
	line := func(name string, r *Result) {
		fmt.Fprintf(&out, "%-6s %8.1f server hours, %6.3f times optimum, %6.3f %% of the requests violate, %4.0f changes a day\n", name, r.ServerHours, r.Cost(),
			r.Violations(), r.ActionsPerDay())
	}
	line("was", w.Was)
	line("would", w.Would)
	fmt.Fprintf(&out, "%d of %d decisions differ\n", len(w.Differs), w.Decisions)
	for _, d := range w.Differs[:min(3, len(w.Differs))] {
		fmt.Fprintf(&out, "  %s\n    was    %s\n    would  %s\n", d.At.Format(time.DateTime), d.Was, d.Would)
	}
	return out.String()
}
