package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Load is a number of visitors who ask again and again.
type Load struct {
	Target

	// Path is what they ask for, such as "/search?q=1". Zero: "/".
	Path string

	// Clients are the visitors, each with a connection of its own, 1 to 1,000. Zero: 10.
	Clients int

	// Rate is requests a second of all clients together, 1 to 10,000. Zero: 100. A client that still waits for an
	// answer sends nothing meanwhile: see Report.Skipped.
	Rate int

	// Time is when it ends by itself, up to 1 h. Zero: 10 min.
	Time time.Duration

	// Count is how many requests at most, up to 10,000,000. Zero: 1,000,000.
	Count int

	// PostEvery makes every so many-th request of a client a POST, with a body that no other one has. Zero: none.
	PostEvery int

	// Body says what is wrong with the body of an answer of 200. Zero: nothing ever is.
	Body func([]byte) error

	// By is a header of the answers by whose value they are counted in Report.By, such as "X-Server". Zero: none.
	By string
}

func (l Load) withDefaults() Load {
	for field, zero := range map[*int]int{&l.Clients: 10, &l.Rate: 100, &l.Count: 1_000_000} {
		if *field == 0 {
			*field = zero
		}
	}
	if l.Time == 0 {
		l.Time = 10 * time.Minute
	}
	if l.Path == "" {
		l.Path = "/"
	}
	return l
}

func (l Load) check() error {
	errs := []error{l.Target.check()}
	within := func(field string, v, high int) {
		if v < 1 || v > high {
			errs = append(errs, fmt.Errorf("traffic: load: %s %d is not within 1 and %d", field, v, high))
		}
	}
	within("Clients", l.Clients, 1_000)
	within("Rate", l.Rate, 10_000)
	within("Count", l.Count, 10_000_000)
	if l.Time < 0 || l.Time > time.Hour {
		errs = append(errs, fmt.Errorf("traffic: load: Time %v is not within 0 and 1h", l.Time))
	}
	return errors.Join(errs...)
}

// Run is load that is under way.
type Run struct {
	load   Load
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu      sync.Mutex
	left    int
	windows []*window
	report  Report
	took    []time.Duration
	good    time.Time // when the last good answer came
}

// window is a time in which statuses are meant.
type window struct {
	statuses []int
	from, to time.Time // to is zero while it is open
}

// During puts the load on the target while work runs, and reports.
func (l Load) During(ctx context.Context, work func()) (Report, error) {
	r, err := l.Start(ctx)
	if err != nil {
		return Report{}, err
	}
	defer r.Stop() // where work ends the test
	work()
	return r.Stop(), nil
}

// Start begins. The load ends when it is stopped, when ctx ends, or by its own bounds.
func (l Load) Start(ctx context.Context) (*Run, error) {
	l = l.withDefaults()
	if err := l.check(); err != nil {
		return nil, err
	}
	r := &Run{load: l, left: l.Count, good: time.Now(), report: newReport()}
	ctx, r.cancel = context.WithTimeout(ctx, l.Time)
	for i := range l.Clients {
		c, err := NewClient(l.Target)
		if err != nil {
			return nil, err
		}
		r.all.Go(func() { r.visit(ctx, c, i) })
	}
	return r, nil
}

// Expect marks that answers with these statuses are meant from now on, until end is called: a request that overlaps
// that time and gets one of them is counted as expected. During a maintenance page that is 503.
func (r *Run) Expect(statuses ...int) (end func()) {
	w := &window{statuses: statuses, from: time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows = append(r.windows, w)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		w.to = time.Now()
	}
}

// Stop sends no further request, waits for the answers that are on their way, and reports.
func (r *Run) Stop() Report {
	r.cancel()
	r.all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report.finish(r.took)
}

// visit is one client's life. Requests on their way when ctx ends are awaited.
func (r *Run) visit(ctx context.Context, c *Client, i int) {
	defer func() { c.Close(); r.closed(c) }()
	interval := time.Duration(r.load.Clients) * time.Second / time.Duration(r.load.Rate)
	next := time.Now().Add(interval * time.Duration(i) / time.Duration(r.load.Clients))
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if !r.take() {
			return
		}
		method, body := http.MethodGet, ""
		if r.load.PostEvery > 0 && n%r.load.PostEvery == 0 {
			method, body = http.MethodPost, fmt.Sprintf("%d-%d", i, n)
		}
		r.note(c.Ask(context.WithoutCancel(ctx), method, r.load.Path, body), body)
		missed := max(0, time.Since(next)/interval)
		r.skip(int(missed))
		next = next.Add((missed + 1) * interval)
		timer.Reset(time.Until(next))
	}
}

func (r *Run) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left--
	return r.left >= 0
}

func (r *Run) skip(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Skipped += n
}

func (r *Run) closed(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Connections += c.dialed
	r.report.IdleClosed += c.idled
}

// note counts an outcome.
func (r *Run) note(o Outcome, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.Kind == "" && o.Status != http.StatusOK {
		if r.meant(o) {
			r.report.Expected[Expected{o.Method, o.Status}]++
			return
		}
		o.Kind = BadStatus
	}
	if o.Kind == "" && r.load.Body != nil {
		if o.Err = r.load.Body(o.Body); o.Err != nil {
			o.Kind = WrongBody
		}
	}
	if o.Kind != "" {
		r.report.fail(o, body)
		return
	}
	r.report.Good[o.Method]++
	if r.load.By != "" {
		r.report.By[o.Header.Get(r.load.By)]++
	}
	if body != "" {
		r.report.Acknowledged = append(r.report.Acknowledged, body)
	}
	r.took = append(r.took, o.Took)
	now := o.Sent.Add(o.Took)
	r.report.Gap = max(r.report.Gap, now.Sub(r.good))
	r.good = now
}

// meant tells whether the status was announced for some of the time that the request took.
func (r *Run) meant(o Outcome) bool {
	return slices.ContainsFunc(r.windows, func(w *window) bool {
		ended := !w.to.IsZero() && w.to.Before(o.Sent)
		return slices.Contains(w.statuses, o.Status) && !ended && !w.from.After(o.Sent.Add(o.Took))
	})
}
