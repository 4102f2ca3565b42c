//go:build integration

package s3backup_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

func TestServerVerify(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 3000)
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	scratch := s3backup.Scratch{Dir: "/var/tmp"}
	verdict, err := p.store.Verify(t.Context(), s3backup.Select{}, scratch)
	require.NoError(t, err)
	require.True(t, verdict.OK, verdict.Problems)
	require.Equal(t, 5, verdict.Tables)
	left, err := filepath.Glob("/var/tmp/s3backup-scratch-*")
	require.NoError(t, err)
	require.Empty(t, left)
	status, err := p.store.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, m.ID, status.Verified.ID)
	require.Empty(t, status.Warnings)

	// The check can fail: the manifest says one row more, and another checksum.
	text := p.object(t, p.key(m, "manifest.json"))
	var wrong s3backup.Manifest
	require.NoError(t, json.Unmarshal(text, &wrong))
	wrong.Tables[1].Rows++
	wrong.Tables[2].Checksum = "checksum:1"
	changed, err := json.Marshal(wrong)
	require.NoError(t, err)
	p.put(t, p.key(m, "manifest.json"), changed)
	verdict, err = p.store.Verify(t.Context(), s3backup.Select{ID: m.ID}, scratch)
	require.NoError(t, err)
	require.False(t, verdict.OK)
	require.Len(t, verdict.Problems, 2, verdict.Problems)
	_, err = p.store.Find(t.Context(), s3backup.Select{})
	require.ErrorIs(t, err, s3backup.ErrNoBackup, "a refuted backup is not taken for the latest")
	_, err = p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true})
	require.ErrorIs(t, err, s3backup.ErrMismatch)
	require.EqualValues(t, 3000, p.number(t, "SELECT COUNT(*) FROM DB.entries"), "the old data is still there")
}

func TestServerVerifyOnAFullDisk(t *testing.T) {
	p := onServer(t)
	if _, err := os.Stat("/mnt/small"); err != nil {
		t.Skip("no small disk here")
	}
	p.guestBook(t, 500)
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("/mnt/small/fill", make([]byte, 180<<20), 0o600))
	defer os.Remove("/mnt/small/fill")
	_, err = p.store.Verify(t.Context(), s3backup.Select{}, s3backup.Scratch{Dir: "/mnt/small"})
	require.ErrorIs(t, err, s3backup.ErrDiskFull)
	entry, err := p.store.Find(t.Context(), s3backup.Select{})
	require.NoError(t, err)
	require.Equal(t, m.ID, entry.ID)
	require.Nil(t, entry.Verdict, "nothing was found out")
}

// TestServerVerifyTellsDamageFromTrouble: a damaged backup is a verdict; a store that goes away says nothing of it.
func TestServerVerifyTellsDamageFromTrouble(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 500)
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	scratch := s3backup.Scratch{Dir: "/var/tmp"}
	_, err = p.through(gone(0, isChunk)).Verify(t.Context(), s3backup.Select{}, scratch)
	require.ErrorIs(t, err, s3backup.ErrStoreDown)
	entry, err := p.store.Find(t.Context(), s3backup.Select{})
	require.NoError(t, err)
	require.Nil(t, entry.Verdict)

	key := p.key(m, m.Object.Name)
	content := p.object(t, key)
	content[len(content)/2] ^= 1
	p.put(t, key, content)
	verdict, err := p.store.Verify(t.Context(), s3backup.Select{}, scratch)
	require.NoError(t, err)
	require.False(t, verdict.OK)
	require.Contains(t, verdict.Problems[0], s3backup.ErrCorrupt.Error())
	status, err := p.store.Status(t.Context())
	require.NoError(t, err)
	require.Nil(t, status.Last)
	require.Contains(t, status.Warnings[0], "could not be restored")
}
