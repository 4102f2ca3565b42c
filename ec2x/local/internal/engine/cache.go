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
// the process ends.
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
	f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		<-turn
		return nil, err
	}
	for {
		ok, err := tryLock(f)
		if ok {
			return func() { _ = f.Close(); <-turn }, nil
		}
		if err == nil {
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		_ = f.Close()
		<-turn
		return nil, fmt.Errorf("lock %q: %w", name, err)
	}
}
