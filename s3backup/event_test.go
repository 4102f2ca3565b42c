package s3backup_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

func TestSize(t *testing.T) {
	for n, want := range map[s3backup.Size]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 41_900_000: "41.9 MB", 2e12: "2.0 TB"} {
		require.Equal(t, want, n.String())
	}
}

func TestProgressSpeaksOfWhatIsKnown(t *testing.T) {
	p := s3backup.Progress{Phase: "dump", Done: 2e6, Rate: 1e6}
	require.Equal(t, "dump: 2.0 MB at 1.0 MB/s", p.String())
	p.Total, p.Left = 4e6, 2*time.Second
	require.Equal(t, "dump: 2.0 MB of 4.0 MB (50 %) at 1.0 MB/s, 2s left", p.String())
}
