package s3backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock keeps a second run on this machine out until release is called. The kernel frees it when the process dies,
// so that no lock is ever stale.
func (s Store) lock(ctx context.Context, which string) (release func(), err error) {
	deadline := time.Now().Add(s.LockWait)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		release, err = s.tryLock(which)
		if !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (s Store) tryLock(which string) (release func(), err error) {
	path := s.lockFile() + which
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("s3backup: lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = file.Close()
		return nil, fmt.Errorf("s3backup: site %q: %w: %s", s.Site, ErrLocked, path)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("s3backup: lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}
