package mysqlrepl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Leadership says whether this watch is the one that acts. A program has one election, not one for each block.
type Leadership interface {
	// Leads returns until when this process may act. A time that has passed says that another one leads.
	Leads(ctx context.Context) (until time.Time, err error)
}

// Watch observes a pair, decides with Analyse and acts. Several may run; the one that leads acts, and of two that both
// believe to lead, one gets the epoch. Killed at any point, the next one goes on.
type Watch struct {
	Pair *Pair
	// Lead is asked before each action; nil says that nobody else watches.
	Lead Leadership
	// ReportOnly observes and says what it would do.
	ReportOnly bool
	// Interval is how often each server is asked, from 50 ms; zero is 200 ms.
	Interval time.Duration
	// Events is told of each new analysis and each action, one at a time; nil is not. It must not block for long.
	Events func(WatchEvent)
}

// WatchEvent is what a watch saw or did.
type WatchEvent struct {
	At       time.Time
	Analysis Analysis
	Epoch    Epoch
	Report   *Report // what an action did; nil for an event that only says what was seen
	Err      error   // why an action failed, or was not begun
}

// String gives one line, and the report where there is one.
func (e WatchEvent) String() string {
	text := fmt.Sprintf("%s %s, %s: %s", e.At.UTC().Format("15:04:05.000"), e.Analysis.State, e.Analysis.Action, e.Analysis.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Report != nil {
		text += "\n" + e.Report.String()
	}
	return text
}

const (
	// actTimeout bounds one action, seedless as they all are; starting a server may take most of it.
	actTimeout = 3 * time.Minute
	// settled is for how long Settle, Rejoin and Restore must be called for before the watch begins them: another caller may be
	// in the middle of a verb. What outages depend on, Failover and Degrade, has its own patience in Limits.
	settled = time.Second
	// backoffLimit is the longest pause after an action that failed.
	backoffLimit = 30 * time.Second
)

// Run watches until ctx ends, and returns its error, or at once where the pair is not valid.
func (w *Watch) Run(ctx context.Context) error {
	if err := w.Pair.Validate(); err != nil {
		return err
	}
	interval := max(cmp.Or(w.Interval, 200*time.Millisecond), 50*time.Millisecond)
	o := &observer{pair: w.Pair, interval: interval}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range w.Pair.Servers {
		o.servers[i] = &seen{server: w.Pair.Servers[i], answered: time.Now(), moved: time.Now()}
		group.Go(func() { o.follow(ctx, o.servers[i]) })
	}
	group.Go(func() { o.readEpochs(ctx) })
	if !w.ReportOnly {
		group.Go(func() { o.beat(ctx, w.leads) })
	}
	return w.loop(ctx, o, interval)
}

func (w *Watch) loop(ctx context.Context, o *observer, interval time.Duration) error {
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	d := decision{}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("mysqlrepl: watch: %w: last seen: %s", ctx.Err(), d.analysis.Reason)
		case <-ticker.C:
		}
		pic, ready := o.picture()
		if !ready {
			continue
		}
		if d.next(Analyse(pic, w.Pair.Limits), time.Now()) {
			w.tell(WatchEvent{Analysis: d.analysis, Epoch: pic.Epoch})
		}
		if w.ReportOnly || !d.due(time.Now()) {
			continue
		}
		w.act(ctx, &d, pic)
		o.refresh()
	}
}

// decision is the latest analysis, and since when its action has been the same, whatever else of it may differ.
type decision struct {
	analysis Analysis
	since    time.Time
	failures int
	retryAt  time.Time
}

// next takes the latest analysis and reports whether it differs in more than its figures.
func (d *decision) next(a Analysis, now time.Time) bool {
	was := d.analysis
	d.analysis = a
	if a.Action != was.Action {
		d.since, d.failures, d.retryAt = now, 0, time.Time{}
	}
	return a.State != was.State || a.Action != was.Action
}

func (d *decision) due(now time.Time) bool {
	switch d.analysis.Action {
	case Nothing:
		return false
	case Failover, Degrade:
		return !now.Before(d.retryAt)
	}
	return now.Sub(d.since) >= settled && !now.Before(d.retryAt)
}

func (w *Watch) tell(e WatchEvent) {
	e.At = time.Now()
	if w.Events != nil {
		w.Events(e)
	}
}

func (w *Watch) leads(ctx context.Context) (time.Time, error) {
	if w.Lead == nil {
		return time.Now().Add(actTimeout), nil
	}
	return w.Lead.Leads(ctx)
}

func (w *Watch) act(ctx context.Context, d *decision, pic Picture) {
	until, err := w.leads(ctx)
	if err == nil && !until.After(time.Now()) {
		d.retryAt = time.Now().Add(settled)
		return // another one leads
	}
	var report *Report
	if err == nil {
		limited, cancel := context.WithDeadline(ctx, earlier(until, time.Now().Add(actTimeout)))
		defer cancel()
		report, err = w.carryOut(limited, d.analysis, pic)
	}
	if err != nil {
		d.failures++
		d.retryAt = time.Now().Add(min(backoffLimit, 100*time.Millisecond<<min(d.failures, 10)))
	} else {
		d.since = time.Now()
	}
	w.tell(WatchEvent{Analysis: d.analysis, Epoch: pic.Epoch, Report: report, Err: err})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (w *Watch) carryOut(ctx context.Context, a Analysis, pic Picture) (*Report, error) {
	plan, err := w.plan(ctx, a, pic)
	if err != nil {
		return nil, err
	}
	if plan.From.Number != pic.Epoch.Number {
		return nil, fmt.Errorf("%w: %s", ErrEpochTaken, plan.From)
	}
	return plan.Run(ctx)
}

func (w *Watch) plan(ctx context.Context, a Analysis, pic Picture) (*Plan, error) {
	switch a.Action {
	case Failover:
		_, target, err := w.Pair.roles(pic.Epoch)
		if err != nil {
			return nil, err
		}
		return w.Pair.Failover(ctx, target.Name, FailoverOptions{Reason: a.Reason, watched: true})
	case Degrade:
		return w.Pair.Degrade(ctx, a.Reason)
	case Restore:
		return w.Pair.Restore(ctx)
	case Rejoin:
		return w.Pair.Rejoin(ctx)
	case Settle:
		return w.Pair.Settle(ctx)
	}
	return nil, errors.New("mysqlrepl: watch: nothing to do")
}
