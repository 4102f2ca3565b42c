package engine

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLocksLeaveNothing takes one lock many times at once, by the file alone as other processes do too.
func TestLocksLeaveNothing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := CacheDir()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one.lock"), nil, 0o600), "a killed program left it")
	inside, most := 0, 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				unlock, err := Lock(t.Context(), "one")
				if err != nil {
					t.Error(err)
					return
				}
				inside++
				most = max(most, inside)
				inside--
				unlock()
			}
		})
	}
	path := filepath.Join(dir, "two.lock")
	var held sync.Mutex
	for range 8 {
		all.Go(func() {
			for range 200 {
				f, err := lockFile(path)
				if err != nil {
					t.Error(err)
				}
				if f == nil {
					continue
				}
				if !held.TryLock() {
					t.Error("two have the lock")
				} else {
					held.Unlock()
				}
				_ = os.Remove(path)
				_ = f.Close()
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, most)
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, list)
}
