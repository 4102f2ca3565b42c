package mysqlrepl_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/mysqlrepl"
)

func TestFileEpochsLetsOneCallerWin(t *testing.T) {
	store := mysqlrepl.FileEpochs(filepath.Join(t.TempDir(), "epochs"))
	none, err := store.Read(t.Context())
	require.NoError(t, err)
	require.Zero(t, none)
	for n := uint64(1); n <= 12; n++ {
		var won atomic.Int32
		var group sync.WaitGroup
		for caller := range 8 {
			group.Go(func() {
				err := store.Swap(t.Context(), mysqlrepl.Epoch{Number: n, Source: "db-1", By: fmt.Sprint("caller ", caller)})
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, mysqlrepl.ErrEpochTaken) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 1, won.Load())
		current, err := store.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, n, current.Number)
	}
	require.ErrorIs(t, store.Swap(t.Context(), mysqlrepl.Epoch{Number: 40}), mysqlrepl.ErrEpochTaken)
	entries, err := os.ReadDir(string(store))
	require.NoError(t, err)
	require.Len(t, entries, 12, "nothing else is left behind")
}
