package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMoment(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 25, 9, 30, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"2026-11-25T08:00:00Z": time.Date(2026, 11, 25, 9, 0, 0, 0, zone),
		"2026-11-24 17:05:06":  time.Date(2026, 11, 24, 17, 5, 6, 0, zone),
		"2026-11-24 17:05":     time.Date(2026, 11, 24, 17, 5, 0, 0, zone),
		"2026-11-24":           time.Date(2026, 11, 24, 0, 0, 0, 0, zone),
		"9:15":                 time.Date(2026, 11, 25, 9, 15, 0, 0, zone),
		"17:05":                time.Date(2026, 11, 24, 17, 5, 0, 0, zone),
	} {
		at, err := moment(text, now)
		require.NoError(t, err)
		require.True(t, want.Equal(at), "%s is %s", text, at)
	}
	_, err := moment("yesterday", now)
	require.Error(t, err)
}
