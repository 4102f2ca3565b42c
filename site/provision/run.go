package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Target is one host and the state that it is to be in.
type Target struct {
	Name  string // "web-1", for events, results and errors
	Host  sshx.Host
	State State
}

// Options of Run.
type Options struct {
	// Parallel is the number of hosts at a time; zero: 8.
	Parallel int

	// DryRun gathers and compares only.
	DryRun bool

	// LockWait bounds how long a host waits for another run on it, and for another program's apt; zero: 3 minutes.
	LockWait time.Duration

	// Events receives the progress, one call at a time; nil drops it.
	Events func(Event)
}

// Result is what Run found and did on one target.
type Result struct {
	Name    string
	Facts   Facts // of the host before it was changed
	Plan    Plan  // what differed
	Applied bool  // the plan had changes and all of them were made
	Elapsed time.Duration
	Err     error // nil, or why this host was not brought to its state
}

const (
	defaultParallel = 8
	maxStale        = 3 // plans that may be overtaken by another run before it is given up
)

// Run brings hosts to their states, several at a time: it gathers the facts, compares, and applies what differs. A
// host that needs nothing costs one round trip. The failure of one host stops no other. The results are in the
// order of the targets; the error joins those of the hosts in that order, each with the host's name.
func Run(ctx context.Context, targets []Target, o Options) ([]Result, error) {
	var mu sync.Mutex
	events := func(e Event) {
		if o.Events != nil {
			mu.Lock()
			defer mu.Unlock()
			o.Events(e)
		}
	}
	results := make([]Result, len(targets))
	free := make(chan struct{}, max(1, cmp.Or(o.Parallel, defaultParallel)))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			results[i] = run(ctx, t, o, events)
		})
	}
	all.Wait()
	errs := make([]error, len(results))
	for i, r := range results {
		if r.Err != nil {
			errs[i] = fmt.Errorf("%s: %w", r.Name, r.Err)
		}
	}
	return results, errors.Join(errs...)
}

// run brings one host to its state.
func run(ctx context.Context, t Target, o Options, events func(Event)) Result {
	begun := time.Now()
	r := Result{Name: t.Name}
	wait := cmp.Or(o.LockWait, defaultLockWait)
	for try := 1; ; try++ {
		events(Event{Host: t.Name, Kind: EventGather})
		r.Facts, r.Err = gather(ctx, t.Host, t.State, wait)
		if r.Err != nil {
			break
		}
		r.Plan = Compare(t.State, r.Facts)
		events(Event{Host: t.Name, Kind: EventPlan, Total: len(r.Plan.Changes())})
		if o.DryRun || r.Plan.Empty() {
			break
		}
		r.Err = Apply(ctx, t.Host, r.Plan, ApplyOptions{Name: t.Name, LockWait: wait, Events: events})
		r.Applied = r.Err == nil
		if !errors.Is(r.Err, ErrStale) || try == maxStale {
			break
		}
	}
	r.Elapsed = time.Since(begun)
	events(Event{Host: t.Name, Kind: EventFinished, Total: len(r.Plan.Changes()), Elapsed: r.Elapsed, Err: r.Err})
	return r
}
