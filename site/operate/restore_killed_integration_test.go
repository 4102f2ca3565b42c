//go:build integration

package operate_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// TestRestoreKilled kills the verb that restores over living data: up brings the site back with all of the old data or
// all of the backup's, and the next restore does its work.
func TestRestoreKilled(t *testing.T) {
	if !localtest.Full() {
		t.Skip("takes minutes: SITEBLOCKS_FULL=1 runs it")
	}
	o, _ := guestBook(t, func(s *site.Site) { s.App.BootTimeout = 3 * time.Minute })
	up, err := o.Up(t.Context())
	require.NoError(t, err)
	v := newVisitor(t, up.URL)
	for i := range 5 {
		v.sign(t, "Ada", fmt.Sprintf("before %d.", i))
	}
	m, err := o.BackupNow(t.Context(), operate.BackupOptions{})
	require.NoError(t, err)
	for _, step := range []string{"restore of backup", "restored backup", "migrate the database", "start 4 processes"} {
		v.sign(t, "Bob", "after it.")
		killRestore(t, o, m.ID, step)
		waiting := o
		waiting.LockWait = time.Minute // the killed one's lock expires by itself
		_, err := waiting.Up(t.Context())
		require.NoError(t, err, step)
		page := v.get(t, "/").body
		require.Equal(t, 5, strings.Count(page, "before "), step)
		t.Logf("killed at %q: %d entries of after the backup", step, strings.Count(page, "after it."))
	}
	v.sign(t, "Bob", "after it.")
	killRestore(t, o, m.ID, "restore of backup")
	o.LockWait = time.Minute
	r, err := o.Restore(t.Context(), s3backup.Select{ID: m.ID}, operate.RestoreOptions{})
	require.NoError(t, err, "the killed one was allowed to replace")
	restored(t, v, r.Release)
}

// killRestore runs the site's program and kills it when a step begins.
func killRestore(t *testing.T, o operate.Operator, id, step string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), o.Program, "backup", "restore", "-json", "-replace", id)
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	found := false
	for lines := bufio.NewScanner(said); !found && lines.Scan(); {
		var e site.Event
		found = json.Unmarshal(lines.Bytes(), &e) == nil && strings.HasPrefix(e.Step, step)
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.True(t, found, "it came to its end before %q", step)
}
