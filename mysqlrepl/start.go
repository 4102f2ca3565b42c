package mysqlrepl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// startServer starts a server that does not answer. rewind is for one that is no longer source.
func (w *work) startServer(ctx context.Context, server Server, rewind bool) (string, error) {
	if _, err := w.on(ctx, server); err == nil {
		return "answers", nil
	} else if server.Process == nil {
		return "", fmt.Errorf("%w; nobody can start it from here", err)
	}
	return w.startUp(ctx, server, rewind)
}

// startUp starts a server. DDL at the end of its log cannot be taken back, and a MariaDB server that is told to do so does not start;
// started plainly, it keeps what it has, and whether that is more than its source has shows later.
func (w *work) startUp(ctx context.Context, server Server, rewind bool) (string, error) {
	result := "started"
	err := server.Process.Start(ctx, rewind)
	if err != nil && rewind && ctx.Err() == nil {
		result = "started, with what nobody acknowledged"
		if plain := server.Process.Start(ctx, false); plain != nil {
			return "", errors.Join(err, plain)
		}
		err = nil
	}
	if err != nil {
		return "", err
	}
	return result, w.await(ctx, server)
}

// await connects to a server that is still starting.
func (w *work) await(ctx context.Context, server Server) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		_, err := w.on(ctx, server)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("mysqlrepl: wait for %q to answer: %w", server.Name, ctx.Err()), err)
		case <-ticker.C:
		}
	}
}

// comeBack makes an old source fit to follow. It may still hold transactions that nobody acknowledged: in sessions that wait,
// which a kill ends, and in its log, which a MariaDB server takes back when it is started to follow.
func (w *work) comeBack(ctx context.Context, server, source Server) (string, error) {
	s, err := w.on(ctx, server)
	if err != nil {
		return w.startServer(ctx, server, true)
	}
	status, err := s.status(ctx)
	if err != nil {
		return "", err
	}
	var diverged *DivergedError
	err = w.same(ctx, s, source)
	if err != nil && !errors.As(err, &diverged) {
		return "", err
	}
	follows := status.Replica != nil && status.Replica.Receiver.State == ThreadRunning
	if follows || diverged == nil && !status.Writable && status.SemiSync.Waiting == 0 {
		return "answers", nil
	}
	if server.Process == nil || !s.d.rewinds() {
		return "answers", nil // follow closes it, and refuses what it has of its own
	}
	if err := server.Process.Kill(ctx); err != nil {
		return "", err
	}
	result, err := w.startUp(ctx, server, true)
	return "killed, and " + result, err
}
