package traffic

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Failure is one way in which requests failed.
type Failure struct {
	Method string
	Kind   Kind
	Status int  // with BadStatus
	Reused bool // the connection had carried a request before: it was kept alive
}

func (f Failure) String() string {
	s := f.Method + " " + string(f.Kind)
	if f.Kind == BadStatus {
		return fmt.Sprintf("%s %d", s, f.Status)
	}
	if f.Reused {
		s += ", on a kept connection"
	}
	return s
}

// Expected is an answer that Run.Expect announced.
type Expected struct {
	Method string
	Status int
}

// Report says what became of all requests.
type Report struct {
	Good     map[string]int   // complete answers of 200 with the right body, by method
	Failed   map[Failure]int  // everything else
	Expected map[Expected]int // but for what was announced
	By       map[string]int   // good answers by the header Load.By

	Acknowledged []string // bodies of the POSTs that were answered well
	Unsure       []string // bodies of the POSTs that failed: nobody knows whether they arrived

	Connections int // that were made
	IdleClosed  int // of them that the server closed between requests, which is no failure
	Skipped     int // requests that were due while their client still waited

	// P50, P99 and Max are how long good answers took, from sending to the last byte, dialling included.
	P50, P99, Max time.Duration

	// Gap is the longest time between two good answers, of whatever client.
	Gap time.Duration

	// Last is the error of the last failure, in words.
	Last string
}

func newReport() Report {
	return Report{Good: map[string]int{}, Failed: map[Failure]int{}, Expected: map[Expected]int{}, By: map[string]int{}}
}

func (r *Report) fail(o Outcome, body string) {
	f := Failure{Method: o.Method, Kind: o.Kind, Reused: o.Reused}
	if o.Kind == BadStatus {
		f.Status, f.Reused = o.Status, false
	}
	r.Failed[f]++
	if body != "" {
		r.Unsure = append(r.Unsure, body)
	}
	if o.Err != nil {
		r.Last = o.Err.Error()
	}
}

func (r Report) finish(took []time.Duration) Report {
	if len(took) == 0 {
		return r
	}
	slices.Sort(took)
	r.P50, r.P99, r.Max = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	return r
}

// Failures counts the failed requests of a method; "" counts all.
func (r Report) Failures(method string) int {
	n := 0
	for f, count := range r.Failed {
		if method == "" || f.Method == method {
			n += count
		}
	}
	return n
}

// Total counts the requests of a method, however they ended; "" counts all.
func (r Report) Total(method string) int {
	n := r.Failures(method)
	for m, count := range r.Good {
		if method == "" || m == method {
			n += count
		}
	}
	for e, count := range r.Expected {
		if method == "" || e.Method == method {
			n += count
		}
	}
	return n
}

// String is the report in a line: "2970 GET, 330 POST, 1 failed (GET reset: 1); p50 21ms, p99 48ms, max 190ms".
func (r Report) String() string {
	var b strings.Builder
	for _, method := range slices.Sorted(maps.Keys(r.Good)) {
		fmt.Fprintf(&b, "%d %s, ", r.Good[method], method)
	}
	fmt.Fprintf(&b, "%d failed", r.Failures(""))
	var ways []string
	for f, count := range r.Failed {
		ways = append(ways, fmt.Sprintf("%s: %d", f, count))
	}
	if slices.Sort(ways); len(ways) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(ways, "; "))
	}
	ways = nil
	for e, count := range r.Expected {
		ways = append(ways, fmt.Sprintf("%s %d: %d", e.Method, e.Status, count))
	}
	if slices.Sort(ways); len(ways) > 0 {
		fmt.Fprintf(&b, ", expected %s", strings.Join(ways, "; "))
	}
	ms := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	fmt.Fprintf(&b, "; p50 %v, p99 %v, max %v", ms(r.P50), ms(r.P99), ms(r.Max))
	return b.String()
}
