package mysqlrepl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Plan is what a verb will do. Nothing has been changed before Run.
type Plan struct {
	Verb   string // "switchover", "failover", …
	Reason string // why, for the record
	From   Epoch  // the epoch that the plan was made from
	Steps  []Step

	pair *Pair
}

// Step is one step of a plan. Each can run twice.
type Step struct {
	Text string // what it does, for a person

	do func(ctx context.Context, w *work) (string, error)
}

// String gives the plan as a person reads it: a line of what and why, and a line for each step.
func (p *Plan) String() string {
	text := fmt.Sprintf("%s: %s (from %s)\n", p.Verb, p.Reason, p.From)
	for i, s := range p.Steps {
		text += fmt.Sprintf("%3d. %s\n", i+1, s.Text)
	}
	return text
}

func (p *Plan) step(do func(context.Context, *work) (string, error), format string, args ...any) {
	p.Steps = append(p.Steps, Step{fmt.Sprintf(format, args...), do})
}

// Report is what a plan did.
type Report struct {
	Verb  string
	Epoch Epoch // the epoch that holds now
	Steps []StepReport
	Lost  Loss
	// Gap is for how long neither server accepted writes because of the plan. Zero where it closed none.
	Gap time.Duration
}

// StepReport is what one step did.
type StepReport struct {
	Text   string
	Result string // what it found or changed
	Took   time.Duration
	Err    error // nil where it succeeded
}

// Loss says what became of transactions that the old source had.
type Loss struct {
	Kind  LossKind
	GTIDs string // for LostThese: the transactions, in the server's words
	Why   string // how it is known
}

// LossKind is how much is known of what was lost.
type LossKind string

// The kinds.
const (
	LostNothing LossKind = "nothing" // every transaction that was acknowledged is there
	LostThese   LossKind = "these"   // Loss.GTIDs are not on the new source
	LostUnknown LossKind = "unknown" // the old source could not be asked, and had not waited for acknowledgments
)

// String gives the report as a person reads it.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Verb, r.Epoch)
	for _, s := range r.Steps {
		result := s.Result
		if s.Err != nil {
			result = s.Err.Error()
		}
		fmt.Fprintf(&b, "%9s  %s: %s\n", s.Took.Round(time.Millisecond), s.Text, result)
	}
	if r.Gap > 0 {
		fmt.Fprintf(&b, "no writes for %s\n", r.Gap.Round(time.Millisecond))
	}
	if r.Lost.Kind != "" {
		fmt.Fprintf(&b, "lost: %s %s(%s)\n", r.Lost.Kind, strings.TrimLeft(r.Lost.GTIDs+" ", " "), r.Lost.Why)
	}
	return b.String()
}

// work is a plan while it runs: the epoch that it acts for, and one connection a server.
type work struct {
	pair     *Pair
	epoch    Epoch
	report   *Report
	sessions map[string]*session
	closed   time.Time // since when nobody accepts writes
	demoted  GTIDs     // what the old source had when it was closed; nil where it could not be asked
}

// Run carries the plan out and says what it did, also where it fails. A plan that failed or was killed is taken up by
// the next run of Settle or of a Watch.
func (p *Plan) Run(ctx context.Context) (*Report, error) {
	w := &work{pair: p.pair, epoch: p.From, report: &Report{Verb: p.Verb}, sessions: map[string]*session{}}
	defer w.close()
	for _, step := range p.Steps {
		began := time.Now()
		result, err := step.do(ctx, w)
		w.report.Steps = append(w.report.Steps, StepReport{step.Text, result, time.Since(began), err})
		if err != nil {
			w.report.Epoch = w.epoch
			return w.report, fmt.Errorf("mysqlrepl: %s: %s: %w", p.Verb, step.Text, err)
		}
	}
	w.report.Epoch = w.epoch
	return w.report, nil
}

func (w *work) close() {
	for _, s := range w.sessions {
		_ = s.close() // what had to be written was written
	}
}

// on returns the connection to a server. One that broke is replaced by a fresh one.
func (w *work) on(ctx context.Context, server Server) (*session, error) {
	if s := w.sessions[server.Name]; s != nil {
		if s.conn.PingContext(ctx) == nil {
			return s, nil
		}
		_ = s.close()
		delete(w.sessions, server.Name)
	}
	limited, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s, err := connect(limited, server)
	if err != nil {
		return nil, err
	}
	w.sessions[server.Name] = s
	return s, nil
}

// act is session.act on a server by name, for the epoch of this work.
func (w *work) act(ctx context.Context, server Server, change func(s *session) error) error {
	s, err := w.on(ctx, server)
	if err != nil {
		return err
	}
	return s.act(ctx, w.epoch.Number, func() error { return change(s) })
}

// take makes the next epoch. Where another caller was first, the error says who.
func (w *work) take(ctx context.Context, source, degraded, reason string) (string, error) {
	next := Epoch{Number: w.epoch.Number + 1, Source: source, Degraded: degraded, By: w.pair.By, Reason: reason, At: time.Now().UTC().Truncate(time.Millisecond)}
	if err := w.pair.Epochs.Swap(ctx, next); err != nil {
		current, readErr := w.pair.Epochs.Read(ctx)
		switch {
		case readErr == nil && current == next: // the answer was lost, not the record
		case readErr == nil && errors.Is(err, ErrEpochTaken):
			return "", fmt.Errorf("%w: %s", ErrEpochTaken, current)
		default:
			return "", err
		}
	}
	w.epoch = next
	return next.String(), nil
}

// holds returns an error where another caller has made a later epoch.
func (w *work) holds(ctx context.Context) error {
	current, err := w.pair.Epochs.Read(ctx)
	if err != nil {
		return err
	}
	if current.Number != w.epoch.Number {
		return fmt.Errorf("%w: %s", ErrEpochTaken, current)
	}
	return nil
}
