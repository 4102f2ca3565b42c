package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
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

func TestListSaysWhatABackupLeavesOut(t *testing.T) {
	l := newListed(s3backup.Entry{ID: "b", Manifest: s3backup.Manifest{
		Left:     []s3backup.Left{{Kind: "view", Database: "shop", Name: "w", Why: "its table is gone"}},
		Warnings: []string{"table shop.old is MyISAM"},
	}})
	data, err := json.Marshal(l)
	require.NoError(t, err)
	require.Contains(t, string(data), "its table is gone")
	var out strings.Builder
	printLeft(&out, l.Left, l.Warnings)
	require.Equal(t, "warning: view shop.w is left out of the backup: its table is gone; mend or drop it\nwarning: table shop.old is MyISAM\n", out.String())
}
