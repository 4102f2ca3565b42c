package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// CacheDir is the user's cache folder for siteblocks, made at need.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), fmt.Sprintf("siteblocks-cache-%d", os.Getuid()))
	}
	dir := filepath.Join(base, "siteblocks")
	return dir, os.MkdirAll(dir, 0o700)
}

var inProcess sync.Map // lock name → chan struct{} with room for one

// Lock keeps other goroutines and, on this machine, other processes of the user out until unlock is called or
// the process ends. The file that it makes for that is removed again; one that a killed process left goes with the
// next lock of that name.
func Lock(ctx context.Context, name string) (unlock func(), err error) {
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	v, _ := inProcess.LoadOrStore(name, make(chan struct{}, 1))
	turn := v.(chan struct{})
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	path := filepath.Join(dir, name+".lock")
	for {
		f, err := lockFile(path)
		if f != nil {
			return func() { _ = os.Remove(path); _ = f.Close(); <-turn }, nil
		}
		if err == nil {
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		<-turn
		return nil, fmt.Errorf("lock %q: %w", name, err)
	}
}

// lockFile returns the file locked, or nil where somebody else has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ok, err := tryLock(f)
	if ok && err == nil {
		// Who had it before may have removed it in the meantime: then the lock holds nobody off.
		mine, mineErr := f.Stat()
		there, thereErr := os.Stat(path)
		if mineErr == nil && thereErr == nil && os.SameFile(mine, there) {
			return f, nil
		}
	}
	_ = f.Close()
	return nil, err
}
