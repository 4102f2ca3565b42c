package s3backup

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSameSum(t *testing.T) {
	require.True(t, sameSum("text:1", "text:1"))
	require.True(t, sameSum("text:1", "own-text:2"), "an older version took the first, over other columns")
	require.False(t, sameSum("text:1", "text:2"))
	require.False(t, sameSum("own-text:1", "own-text:2"))
	require.False(t, sameSum("own-text:1", "text:1"))
	require.False(t, sameSum("checksum:1", "own-text:1"))
}
