//go:build integration

package operate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// lose takes a server away as a burnt data centre does.
func lose(t *testing.T, o operate.Operator, server string) {
	t.Helper()
	docker, err := client.New(client.FromEnv)
	require.NoError(t, err)
	defer docker.Close()
	_, err = docker.ContainerRemove(t.Context(), "siteblocks_"+o.Site.Name+"_"+server, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	require.NoError(t, err)
}

// TestDataSurvivesItsServer: written to, backups while it is written to, a backup, written to again, the server gone:
// everything up to the backup is back.
func TestDataSurvivesItsServer(t *testing.T) {
	t.Parallel()
	o, j := guestBook(t, func(s *site.Site) { s.Web.MaxBody = 1 << 20 })
	up, err := o.Up(t.Context())
	require.NoError(t, err)
	require.Empty(t, up.Restored)
	v := newVisitor(t, up.URL)
	t.Run("backups under load", func(t *testing.T) { underLoad(t, o, up.URL) })
	for i := range 5 {
		v.sign(t, "Ada", fmt.Sprintf("before %d.", i))
	}
	deployed, err := o.Deploy(t.Context())
	require.NoError(t, err)
	m, err := o.BackupNow(t.Context(), operate.BackupOptions{})
	require.NoError(t, err)
	for i := range 10 {
		v.sign(t, "Bob", fmt.Sprintf("after %d.", i))
	}
	lose(t, o, "web-1")

	begun := time.Now()
	r, err := o.Restore(t.Context(), s3backup.Select{ID: m.ID}, operate.RestoreOptions{})
	require.NoError(t, err)
	t.Logf("launch, provision, data, code: %s, of which data %s", time.Since(begun).Round(time.Second/10), r.Took.Round(time.Second/100))
	require.Equal(t, m.ID, r.Backup)
	require.Equal(t, up.URL, r.URL)
	require.Equal(t, deployed.Release, r.Release)
	restored(t, v, r.Release)

	t.Run("verify", func(t *testing.T) { verify(t, o, m.ID) })
	t.Run("timers", func(t *testing.T) { timers(t, o) })
	t.Run("command line", func(t *testing.T) { commandLine(t, o, m.ID) })
	t.Run("into a site that runs", func(t *testing.T) { replace(t, o, v, m.ID) })
	if localtest.Full() {
		t.Run("up brings it back too", func(t *testing.T) { upAfterLoss(t, o, v, deployed.Release) })
		t.Run("down and up", func(t *testing.T) { downAndUp(t, o, v) })
	}
	require.NotContains(t, j.text(t), "AGE-SECRET-KEY")
}

// downAndUp: what is written is there again after the servers were given back and the bucket was kept.
func downAndUp(t *testing.T, o operate.Operator, v *visitor) {
	v.sign(t, "Zoe", "just before the end.")
	require.NoError(t, o.Down(t.Context(), operate.DownOptions{}))
	again, err := o.Up(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, again.Restored)
	require.Contains(t, newVisitor(t, again.URL).get(t, "/").body, "just before the end.")
}

func upAfterLoss(t *testing.T, o operate.Operator, v *visitor, release string) {
	_, err := o.BackupNow(t.Context(), operate.BackupOptions{})
	require.NoError(t, err)
	lose(t, o, "web-1")
	again, err := o.Up(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, again.Restored)
	require.Equal(t, release, again.Release)
	restored(t, v, again.Release)
}

// restored: what was written before the backup is there, what was written after it is not, and all processes serve it.
func restored(t *testing.T, v *visitor, release string) {
	t.Helper()
	page := v.get(t, "/").body
	require.Equal(t, 5, strings.Count(page, "before "))
	require.NotContains(t, page, "after ")
	ports := map[string]bool{}
	for n := 0; len(ports) < 4; n++ { // Apache looks every two seconds which of them are well
		require.Less(t, n, 10_000, "only %v answer", ports)
		who := v.whoami(t)
		require.Equal(t, release, who["release"])
		ports[who["port"]] = true
	}
}

func verify(t *testing.T, o operate.Operator, id string) {
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	require.True(t, st.Backups.Verified.IsZero())
	verdict, err := o.VerifyBackup(t.Context(), id)
	require.NoError(t, err)
	require.True(t, verdict.OK)
	require.Positive(t, verdict.Rows)
	t.Log(verdict)
	st, err = o.Status(t.Context())
	require.NoError(t, err)
	require.False(t, st.Backups.Verified.IsZero())
	require.Less(t, st.Backups.AgeSeconds, int64(600))
	require.Empty(t, st.Backups.Warnings)
}

// timers: systemd runs the backups, and a slot that passed while the server was off is made up for.
func timers(t *testing.T, o operate.Operator) {
	require.Equal(t, "active\nactive", onServer(t, o, "systemctl is-active siteblocks-backup.timer siteblocks-verify.timer"))
	before, err := o.Backups(t.Context())
	require.NoError(t, err)
	onServer(t, o, `systemctl stop siteblocks-backup.timer
		touch -d '1 hour ago' /var/lib/systemd/timers/stamp-siteblocks-backup.timer
		systemctl start siteblocks-backup.timer
		for i in $(seq 300); do [ "$(systemctl show -p Result -p ExecMainExitTimestampMonotonic --value siteblocks-backup.service | tail -n1)" != 0 ] && break; sleep 0.1; done
		[ "$(systemctl show -p Result --value siteblocks-backup.service)" = success ]`)
	after, err := o.Backups(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(after), len(before))
	require.Contains(t, onServer(t, o, "journalctl -q -o cat -u siteblocks-backup.service"), "backup of the database done")
	onServer(t, o, "systemctl start siteblocks-verify.service")
	all, err := o.Backups(t.Context())
	require.NoError(t, err)
	// A slot of the real timer may fall into the test, so it is one of those since, not always the very newest.
	require.True(t, slices.ContainsFunc(all[len(after)-1:], s3backup.Entry.Verified))
}

// commandLine: the verbs as a person types them.
func commandLine(t *testing.T, o operate.Operator, id string) {
	say := func(code int, words ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), o.Program, words...)
		var out, progress bytes.Buffer
		command.Stdout, command.Stderr = &out, &progress
		_ = command.Run()
		require.Equal(t, code, command.ProcessState.ExitCode(), "%v: %s%s", words, &out, &progress)
		if code != 0 {
			return progress.String()
		}
		return out.String()
	}
	require.Contains(t, say(0, "backup", "now"), " tables, ")
	require.Regexp(t, id+` .* good +-`, say(0, "backup", "list"))
	var listed []struct{ ID, Verified string }
	require.NoError(t, json.Unmarshal([]byte(say(0, "backup", "list", "-json")), &listed))
	require.Greater(t, len(listed), 1)
	require.Contains(t, say(0, "backup", "verify", id), "is good")
	require.Contains(t, say(0, "backup", "prune"), "keep backup "+id)
	require.Contains(t, say(0, "backup", "prune", "-delete"), "keep backup "+id)
	require.Equal(t, "-n\n", say(0, "ssh", "web-1", "printf", "%s\\n", "-n"))
	say(3, "ssh", "web-1", "sh", "-c", "exit 3")
	say(143, "ssh", "web-1", "sh", "-c", "sh -c 'kill $$'; exit $?")
	var status struct {
		Backups struct {
			Last, Verified time.Time
			Age            *int64 `json:"age_seconds"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(say(0, "status", "-json")), &status))
	require.False(t, status.Backups.Last.IsZero())
	require.False(t, status.Backups.Verified.IsZero())
	require.NotNil(t, status.Backups.Age)
	require.Regexp(t, `^`+o.Site.Name+`  http://\S+  well\n`, say(0, "status"))
	require.Regexp(t, `(?m)^backups: \d+, .* verified that of `, say(0, "status"))
	require.Contains(t, say(1, "backup", "restore"), "-replace")
	require.Contains(t, say(1, "backup", "restore", "-before", "2020-01-01"), "no backup from before")
	for _, wrong := range [][]string{{"backup"}, {"backup", "eat"}, {"backup", "list", "x"}, {"backup", "restore", "-before", "x"}, {"backup", "now", "-x"}} {
		say(2, wrong...)
	}
}

// replace: a restore over living data asks first, and takes a chosen backup.
func replace(t *testing.T, o operate.Operator, v *visitor, id string) {
	v.sign(t, "Eve", "after all.")
	_, err := o.Restore(t.Context(), s3backup.Select{}, operate.RestoreOptions{})
	require.ErrorIs(t, err, s3backup.ErrNotEmpty)
	_, err = o.Restore(t.Context(), s3backup.Select{ID: "20260101T000000.000Z-000000"}, operate.RestoreOptions{Replace: true})
	require.ErrorIs(t, err, s3backup.ErrNoBackup)
	require.Contains(t, v.get(t, "/").body, "after all.")
	r, err := o.Restore(t.Context(), s3backup.Select{ID: id}, operate.RestoreOptions{Replace: true})
	require.NoError(t, err)
	restored(t, v, r.Release)
}
