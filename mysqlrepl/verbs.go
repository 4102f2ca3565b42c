package mysqlrepl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// drainTimeout bounds how long a switchover may keep everybody from writing.
const drainTimeout = 10 * time.Second

func (p *Pair) plan(ctx context.Context, verb, reason string) (*Plan, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	epoch, err := p.Epochs.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("mysqlrepl: %s: read the epoch: %w", verb, err)
	}
	return &Plan{Verb: verb, Reason: reason, From: epoch, pair: p}, nil
}

// roles are the epoch's source and the other server.
func (p *Pair) roles(e Epoch) (source, replica Server, err error) {
	if e.Number == 0 {
		return source, replica, errors.New("mysqlrepl: there is no epoch yet; run Setup")
	}
	return p.server(e.Source)
}

// Switchover makes a healthy replica the source, and the source its replica. Writers are disconnected once, and nothing is
// lost. If the replica does not catch up within ten seconds, the old source goes on. An epoch that is degraded is refused.
func (p *Pair) Switchover(ctx context.Context, to, reason string) (*Plan, error) {
	plan, err := p.plan(ctx, "switchover", reason)
	if err != nil {
		return nil, err
	}
	source, target, err := p.roles(plan.From)
	if err != nil {
		return nil, err
	}
	if target.Name != to {
		return nil, fmt.Errorf("mysqlrepl: switchover to %q: it is source already, or unknown; %s", to, plan.From)
	}
	if a := Analyse(p.Look(ctx), p.Limits); a.State != Healthy {
		return nil, fmt.Errorf("mysqlrepl: switchover to %q: the pair is not healthy: %s: %s; %s", to, a.State, a.Reason, a.Remedy)
	}
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.take(ctx, target.Name, "", reason) }, "record that %s is source", target.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.closeWrites(ctx, source) }, "end the sessions of %s and refuse writes there", source.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.drainOrReturn(ctx, target, source) }, "apply on %s what %s has", target.Name, source.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.promote(ctx, target) }, "accept writes on %s", target.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) {
		w.report.Lost = Loss{Kind: LostNothing, Why: source.Name + " was closed before, and " + target.Name + " had all of it"}
		return w.follow(ctx, source, target)
	}, "have %s follow %s", source.Name, target.Name)
	return plan, nil
}

// drainOrReturn gives the role back where the replica does not catch up.
func (w *work) drainOrReturn(ctx context.Context, target, source Server) (string, error) {
	limited, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	result, err := w.drain(limited, target)
	if err == nil {
		return result, nil
	}
	if _, back := w.take(ctx, source.Name, "", "switchover given up: "+err.Error()); back != nil {
		return "", errors.Join(err, back)
	}
	if back := w.reopen(ctx, source); back != nil {
		return "", errors.Join(err, back)
	}
	if s, back := w.on(ctx, target); back == nil {
		back = s.d.start(ctx, s)
		return "", errors.Join(fmt.Errorf("%w; %s goes on as source", err, source.Name), back)
	}
	return "", fmt.Errorf("%w; %s goes on as source", err, source.Name)
}

// FailoverOptions say how much may be given up. The zero value gives up nothing.
type FailoverOptions struct {
	Reason string // for the record

	// AcceptLoss goes on where the old source had accepted writes that the new one may lack. The report says which, as
	// far as anybody can know.
	AcceptLoss bool

	watched bool // a Watch has seen for how long the replica has heard nothing
}

// ErrMayLose is wrapped by the error of a failover that might lose what was acknowledged.
var ErrMayLose = errors.New("mysqlrepl: the replica may lack transactions that were acknowledged")

// Failover makes the replica the source without the old one's help. It refuses while the replica still hears the old
// source (Switchover is for that), and where the epoch is degraded, with an error that wraps ErrMayLose. The new source
// does not wait for acknowledgments until the other one is back; the new epoch says so.
func (p *Pair) Failover(ctx context.Context, to string, o FailoverOptions) (*Plan, error) {
	plan, err := p.plan(ctx, "failover", o.Reason)
	if err != nil {
		return nil, err
	}
	old, target, err := p.roles(plan.From)
	if err != nil {
		return nil, err
	}
	if target.Name != to {
		return nil, fmt.Errorf("mysqlrepl: failover to %q: it is source already, or unknown; %s", to, plan.From)
	}
	if plan.From.Degraded != "" && !o.AcceptLoss {
		return nil, fmt.Errorf("%w: %s wrote alone: %s; bring it back, or accept the loss", ErrMayLose, old.Name, plan.From.Degraded)
	}
	if !o.watched {
		if err := p.unheard(ctx, old, target); err != nil {
			return nil, err
		}
	}
	plan.failover(old, target, o)
	return plan, nil
}

// unheard refuses where a replica still hears its source: looked at twice, it has received something in between.
func (p *Pair) unheard(ctx context.Context, old, target Server) error {
	first, err := ReadStatus(ctx, target)
	if err != nil || first.Replica == nil || first.Replica.Receiver.State != ThreadRunning {
		return err
	}
	timer := time.NewTimer(4 * heartbeatPeriod)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	second, err := ReadStatus(ctx, target)
	if err != nil || second.Replica == nil {
		return err
	}
	if heard(first.Replica, second.Replica) {
		return fmt.Errorf("mysqlrepl: failover to %q: it still hears %q, which therefore lives; use Switchover, or kill it first", target.Name, old.Name)
	}
	return nil
}

// heard reports whether a replica received something of its source between two looks.
func heard(before, now *ReplicaStatus) bool {
	return now.Heartbeats != before.Heartbeats || !before.Received.Contains(now.Received)
}

func (plan *Plan) failover(old, target Server, o FailoverOptions) {
	from := plan.From
	plan.step(func(ctx context.Context, w *work) (string, error) {
		return w.take(ctx, target.Name, old.Name+" was failed over: "+o.Reason, o.Reason)
	}, "record that %s is source, alone", target.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) {
		return w.fenceAndDrain(ctx, old, target, from.Degraded == "" || o.AcceptLoss)
	}, "keep %s from accepting writes, and apply on %s what it received", old.Name, target.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.promote(ctx, target) }, "accept writes on %s", target.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.account(ctx, old, target, from) }, "compare with %s", old.Name)
}

// fenceAndDrain does both at once: what a replica has received is its own, whatever becomes of the source.
func (w *work) fenceAndDrain(ctx context.Context, old, target Server, waited bool) (string, error) {
	var fenced string
	var fenceErr error
	var group sync.WaitGroup
	group.Go(func() { fenced, fenceErr = w.fence(ctx, old, waited) })
	drained, err := w.drain(ctx, target)
	group.Wait()
	return fenced + "; " + drained, errors.Join(fenceErr, err)
}

// account says what was lost. It asks the old source once and shortly.
func (w *work) account(ctx context.Context, old, target Server, from Epoch) (string, error) {
	w.report.Lost = Loss{Kind: LostNothing, Why: old.Name + " answered no commit that " + target.Name + " had not acknowledged"}
	if from.Degraded != "" {
		w.report.Lost = Loss{Kind: LostUnknown, Why: old.Name + " wrote alone and cannot be asked: " + from.Degraded}
	}
	extra, err := w.extra(ctx, old, target)
	if err != nil {
		return "it does not answer", nil // which is why there was a failover
	}
	if from.Degraded != "" {
		w.report.Lost = Loss{Kind: LostNothing, Why: target.Name + " has all that " + old.Name + " has"}
	}
	if !extra.IsEmpty() && from.Degraded != "" {
		w.report.Lost = Loss{Kind: LostThese, GTIDs: extra.String(), Why: fmt.Sprintf("%d transactions are on %s alone", extra.Count(), old.Name)}
	}
	return fmt.Sprintf("it has %d transactions of its own", extra.Count()), nil
}

func (w *work) extra(ctx context.Context, old, target Server) (GTIDs, error) {
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	before, err := ReadStatus(ctx, old)
	if err != nil {
		return nil, err
	}
	now, err := ReadStatus(ctx, target)
	if err != nil {
		return nil, err
	}
	return before.Executed.Minus(now.Executed), nil
}

// Degrade lets the source write without its replica's acknowledgment. Commits that wait are released, and from then
// on the replica cannot take over by itself. The epoch records why.
func (p *Pair) Degrade(ctx context.Context, reason string) (*Plan, error) {
	plan, err := p.plan(ctx, "degrade", reason)
	if err != nil {
		return nil, err
	}
	source, replica, err := p.roles(plan.From)
	if err != nil {
		return nil, err
	}
	if reason == "" {
		return nil, errors.New("mysqlrepl: degrade: give a reason, which is recorded")
	}
	if plan.From.Degraded == "" {
		plan.step(func(ctx context.Context, w *work) (string, error) { return w.take(ctx, source.Name, reason, reason) },
			"record that %s writes alone, so that %s does not take over", source.Name, replica.Name)
	}
	plan.step(func(ctx context.Context, w *work) (string, error) {
		return "released what waited", w.act(ctx, source, func(s *session) error { return s.d.waitForReplica(ctx, s, false) })
	}, "commit on %s without acknowledgment", source.Name)
	return plan, nil
}

// Restore ends what Degrade began: the source waits for its replica again. It fails, and the source goes on alone,
// where the replica does not catch up within ten seconds.
func (p *Pair) Restore(ctx context.Context) (*Plan, error) {
	const reason = "the replica acknowledges again"
	plan, err := p.plan(ctx, "restore", reason)
	if err != nil {
		return nil, err
	}
	source, replica, err := p.roles(plan.From)
	if err != nil {
		return nil, err
	}
	plan.restore(source, replica, reason)
	return plan, nil
}

func (plan *Plan) restore(source, replica Server, reason string) {
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.waitAgain(ctx, source, replica) },
		"commit on %s with the acknowledgment of %s", source.Name, replica.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) {
		if w.epoch.Degraded == "" {
			return w.epoch.String(), nil
		}
		return w.take(ctx, source.Name, "", reason)
	}, "record that %s can take over", replica.Name)
}

func (w *work) waitAgain(ctx context.Context, source, replica Server) (result string, err error) {
	err = w.act(ctx, source, func(s *session) error {
		if err := s.d.waitForReplica(ctx, s, true); err != nil {
			return err
		}
		result, err = w.caughtUp(ctx, s, replica)
		if err != nil && w.epoch.Degraded != "" {
			err = errors.Join(err, s.d.waitForReplica(context.WithoutCancel(ctx), s, false))
		}
		return err
	})
	return result, err
}

// caughtUp waits until the replica has received what the source had when it began to wait for acknowledgments.
func (w *work) caughtUp(ctx context.Context, s *session, replica Server) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	at, err := s.status(ctx)
	if err != nil {
		return "", err
	}
	r, err := w.on(ctx, replica)
	if err != nil {
		return "", err
	}
	err = r.until(ctx, "receive "+at.Executed.String(), func(status *Status) (bool, error) {
		f := status.Replica
		return f != nil && f.Receiver.State == ThreadRunning && status.SemiSync.Acknowledges && f.Received.Contains(at.Executed), nil
	})
	if err != nil {
		return "", err
	}
	err = s.until(ctx, "count its replica", func(status *Status) (bool, error) { return status.SemiSync.Acknowledging > 0, nil })
	return replica.Name + " has received " + at.Executed.String(), err
}

// Rejoin makes the server that is not source follow the source. It is started where it is down, and a MariaDB server
// that was source before takes back what nobody had acknowledged. A server that has transactions of its own is refused with a
// *DivergedError.
func (p *Pair) Rejoin(ctx context.Context) (*Plan, error) {
	plan, err := p.plan(ctx, "rejoin", "make it follow")
	if err != nil {
		return nil, err
	}
	source, replica, err := p.roles(plan.From)
	if err != nil {
		return nil, err
	}
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.comeBack(ctx, replica, source) }, "make %s answer, without what nobody acknowledged", replica.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.follow(ctx, replica, source) }, "have %s follow %s", replica.Name, source.Name)
	return plan, nil
}

// Settle makes the servers do what the epoch says: it finishes a verb that was interrupted, and opens the source after
// a reboot. It makes no new epoch.
func (p *Pair) Settle(ctx context.Context) (*Plan, error) {
	plan, err := p.plan(ctx, "settle", "do what the epoch says")
	if err != nil {
		return nil, err
	}
	source, other, err := p.roles(plan.From)
	if err != nil {
		return nil, err
	}
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.startServer(ctx, source, false) }, "make %s answer", source.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.closeOther(ctx, source, other) }, "keep %s from accepting writes", other.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.drain(ctx, source) }, "apply on %s what it received", source.Name)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.promote(ctx, source) }, "accept writes on %s", source.Name)
	return plan, nil
}

// closeOther closes the server that must not write. One that the coming source still hears is asked; any other is fenced.
func (w *work) closeOther(ctx context.Context, source, other Server) (string, error) {
	s, err := w.on(ctx, source)
	if err != nil {
		return "", err
	}
	status, err := s.status(ctx)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	of, err := ReadStatus(limited, other)
	switch {
	case err == nil && !of.Writable && of.Replica != nil:
		return "it accepts none", nil
	case err == nil && (!of.Writable || status.Replica != nil && status.Replica.Receiver.State == ThreadRunning):
		return w.closeWrites(ctx, other)
	case err != nil && status.Replica == nil:
		return "it does not answer, and was not source", nil
	}
	return w.fence(ctx, other, true)
}
