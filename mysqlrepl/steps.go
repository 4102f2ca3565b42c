package mysqlrepl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

const (
	// fenceTimeout bounds fencing: a host that is gone must not hold a failover up.
	fenceTimeout = time.Second
	// closePatience is how long closing a source waits for commits under way, before it disconnects them again.
	closePatience = time.Second
	// startTimeout bounds how long a server may take to answer after it was started.
	startTimeout = 2 * time.Minute
)

// closeWrites has a living source refuse writes: sessions end first, then nobody may write, and who came between is sent away too.
// A commit that waits for a replica which is gone never ends; it is disconnected, unacknowledged.
func (w *work) closeWrites(ctx context.Context, server Server) (string, error) {
	result := "refused already"
	err := w.act(ctx, server, func(s *session) error {
		status, err := s.status(ctx)
		if err != nil {
			return err
		}
		if status.Writable {
			w.closed, result = time.Now(), "ended its sessions"
			if err := w.refuseWrites(ctx, s); err != nil {
				return err
			}
			if status, err = s.status(ctx); err != nil {
				return err
			}
		}
		w.demoted = status.Executed
		result += ", at " + status.Executed.String()
		return nil
	})
	return result, err
}

func (w *work) refuseWrites(ctx context.Context, s *session) error {
	for {
		if err := s.endSessions(ctx, w.pair.Account.name()); err != nil {
			return err
		}
		err := s.d.writable(ctx, s, false, closePatience)
		if err == nil {
			return s.endSessions(ctx, w.pair.Account.name())
		}
		if !isServerError(err, errLockWait) || ctx.Err() != nil {
			return err
		}
	}
}

// reopen takes closeWrites back.
func (w *work) reopen(ctx context.Context, server Server) error {
	return w.act(ctx, server, func(s *session) error {
		if err := w.holds(ctx); err != nil {
			return err
		}
		return s.d.writable(ctx, s, true, 0)
	})
}

// fence keeps an old source from accepting writes, in every way at once; the first that succeeds will do. waited says that the old
// source waits for acknowledgments: then it is harmless while it is out of reach.
func (w *work) fence(ctx context.Context, server Server, waited bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	type outcome struct {
		done string
		err  error
	}
	ways := w.fences(server)
	outcomes := make(chan outcome, len(ways))
	for _, way := range ways {
		go func() { outcomes <- outcome{way.done, way.try(ctx)} }()
	}
	var errs []error
	for len(errs) < len(ways) && ctx.Err() == nil {
		select {
		case o := <-outcomes:
			if o.err == nil {
				return o.done, nil
			}
			errs = append(errs, o.err)
		case <-ctx.Done(): // a way that does not come back is not waited for
			errs = append(errs, ctx.Err())
		}
	}
	if waited {
		return "out of reach; it can acknowledge nothing, as it waits for the replica that leaves it", nil
	}
	return "", errors.Join(errs...)
}

type fenceWay struct {
	done string
	try  func(context.Context) error
}

func (w *work) fences(server Server) (ways []fenceWay) {
	if server.Process != nil {
		ways = append(ways, fenceWay{"killed", server.Process.Kill})
	} else {
		ways = append(ways, fenceWay{"refuses writes", func(ctx context.Context) error { return w.askToRefuse(ctx, server) }})
	}
	if w.pair.Fence != nil {
		ways = append(ways, fenceWay{"fenced", func(ctx context.Context) error { return w.pair.Fence.Fence(ctx, server.Name) }})
	}
	return ways
}

// askToRefuse is for a server that nobody can kill. The commits that it disconnects stay on it, unacknowledged; a kill would
// let them be taken back.
func (w *work) askToRefuse(ctx context.Context, server Server) error {
	s, err := connect(ctx, server)
	if err != nil {
		return err
	}
	err = s.act(ctx, w.epoch.Number, func() error { return w.refuseWrites(ctx, s) })
	return errors.Join(err, s.close())
}

// drain has the coming source apply all that it received, and what the old source had where that was closed in order.
func (w *work) drain(ctx context.Context, server Server) (result string, err error) {
	err = w.act(ctx, server, func(s *session) error {
		status, err := s.status(ctx)
		if err != nil {
			return err
		}
		if result = "follows nobody"; status.Replica == nil {
			return nil
		}
		before := status.Executed
		if err := w.drained(ctx, s, status.Replica); err != nil {
			return err
		}
		if status, err = s.status(ctx); err != nil {
			return err
		}
		result = fmt.Sprintf("%d transactions applied, at %s", status.Executed.Minus(before).Count(), status.Executed)
		return nil
	})
	return result, err
}

func (w *work) drained(ctx context.Context, s *session, r *ReplicaStatus) error {
	if r.Applier.State == ThreadStopped && r.Receiver.State == ThreadStopped {
		return s.d.salvage(ctx, s)
	}
	if r.Applier.State == ThreadStopped {
		if err := s.d.startApplier(ctx, s); err != nil {
			return err
		}
	}
	if w.demoted != nil && r.Receiver.State == ThreadRunning {
		if err := s.applied(ctx, w.demoted); err != nil {
			return err
		}
	}
	if err := s.d.stopReceiver(ctx, s); err != nil {
		return err
	}
	status, err := s.status(ctx)
	if err != nil {
		return err
	}
	return s.applied(ctx, status.Replica.Received)
}

// promote has a server accept writes, as the epoch says.
func (w *work) promote(ctx context.Context, server Server) (string, error) {
	err := w.act(ctx, server, func(s *session) error {
		if err := w.holds(ctx); err != nil {
			return err
		}
		status, err := s.status(ctx)
		if err != nil {
			return err
		}
		if status.Replica != nil {
			if err := s.d.forget(ctx, s); err != nil {
				return err
			}
		}
		if err := s.d.acknowledge(ctx, s, false); err != nil {
			return err
		}
		if err := s.d.waitForReplica(ctx, s, w.epoch.Degraded == ""); err != nil {
			return err
		}
		return s.d.writable(ctx, s, true, 0)
	})
	if !w.closed.IsZero() {
		w.report.Gap = time.Since(w.closed)
	}
	if w.epoch.Degraded != "" {
		return "accepts writes, and does not wait for a replica: " + w.epoch.Degraded, err
	}
	return "accepts writes, and waits for its replica", err
}

// DivergedError says that a server has transactions that its source lacks. Making it follow would hide them; Reseed
// discards them.
type DivergedError struct {
	Server, Source string
	GTIDs          GTIDs
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("mysqlrepl: %q has %d transactions that %q lacks: %s; look at them, then Reseed, which discards them", e.Server, e.GTIDs.Count(), e.Source, e.GTIDs)
}

// follow has a server follow and acknowledge the epoch's source.
func (w *work) follow(ctx context.Context, server, source Server) (result string, err error) {
	err = w.act(ctx, server, func(s *session) error {
		if err := w.holds(ctx); err != nil {
			return err
		}
		status, err := s.status(ctx)
		if err != nil {
			return err
		}
		if result = "follows already"; w.follows(status, source) {
			return nil
		}
		result = "follows and acknowledges"
		if status.Writable {
			if err := w.refuseWrites(ctx, s); err != nil {
				return err
			}
		}
		if status.Replica != nil {
			if err := s.d.stop(ctx, s); err != nil {
				return err
			}
		}
		if err := w.same(ctx, s, source); err != nil {
			return err
		}
		return w.point(ctx, s, source)
	})
	return result, err
}

// follows reports whether a server already does what follow is for.
func (w *work) follows(status *Status, source Server) bool {
	r := status.Replica
	return r != nil && !status.Writable && status.SemiSync.Acknowledges && !status.SemiSync.Waits && r.TLS == !w.pair.Plain &&
		r.Source == net.JoinHostPort(source.Host, strconv.Itoa(int(source.port()))) &&
		r.Receiver.State == ThreadRunning && r.Applier.State == ThreadRunning
}

// same refuses a server that has what its source lacks. The source is asked last, as it may go on meanwhile.
func (w *work) same(ctx context.Context, s *session, source Server) error {
	status, err := s.status(ctx)
	if err != nil {
		return err
	}
	from, err := w.on(ctx, source)
	if err != nil {
		return err
	}
	of, err := from.status(ctx)
	if err != nil {
		return err
	}
	if extra := status.Executed.Minus(of.Executed); !extra.IsEmpty() {
		return &DivergedError{Server: s.name, Source: source.Name, GTIDs: extra}
	}
	return nil
}

func (w *work) point(ctx context.Context, s *session, source Server) error {
	if err := s.d.waitForReplica(ctx, s, false); err != nil {
		return err
	}
	if err := s.d.acknowledge(ctx, s, true); err != nil {
		return err
	}
	if err := redacted(s.d.follow(ctx, s, w.pair.link(source)), w.pair.Account.Password); err != nil {
		return err
	}
	if err := s.d.start(ctx, s); err != nil {
		return err
	}
	return s.until(ctx, "hear "+source.Name, func(status *Status) (bool, error) {
		r := status.Replica
		if r != nil && r.Receiver.State == ThreadStopped && r.Receiver.Number != 0 {
			return false, fmt.Errorf("mysqlrepl: follow %q on %q: %s", source.Name, s.name, r.Receiver.Error)
		}
		return r != nil && r.Receiver.State == ThreadRunning, nil
	})
}
