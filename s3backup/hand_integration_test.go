//go:build integration

package s3backup_test

import (
	_ "embed"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

//go:embed doc.go
var documentation string

// shell runs a script in a folder as somebody would who has nothing of ours.
func shell(t *testing.T, dir, script string) {
	t.Helper()
	command := exec.Command("bash", "-euo", "pipefail", "-c", script)
	command.Dir = dir
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, output)
}

// TestServerRestoreByHand follows the package's documentation, word by word.
func TestServerRestoreByHand(t *testing.T) {
	var commands []string
	for line := range strings.Lines(documentation) {
		command := strings.TrimSpace(strings.TrimPrefix(line, "//"))
		if strings.HasPrefix(command, "jq ") || strings.HasPrefix(command, "age ") {
			commands = append(commands, command)
		}
	}
	require.Len(t, commands, 2)
	p := onServer(t)
	p.guestBook(t, 1000)
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	before := p.sum(t)
	p.exec(t, "DROP DATABASE `"+p.database+"`")
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"manifest.json": p.object(t, p.key(m, "manifest.json")), m.Object.Name: p.object(t, p.key(m, m.Object.Name)),
		"key.txt": []byte(p.identity.String() + "\n"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	for _, command := range commands {
		shell(t, dir, command)
	}
	require.Equal(t, before, p.sum(t))
	p.exec(t, "DROP DATABASE `"+p.database+"`")
	shell(t, dir, strings.Replace(commands[1], "| mariadb ", "| sed 1d | mariadb ", 1))
	require.Equal(t, before, p.sum(t), "without the first line")
}

// TestServerOpen: the content is the dump program's output, to the last byte.
func TestServerOpen(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 100)
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	content, opened, err := p.store.Open(t.Context(), s3backup.Select{})
	require.NoError(t, err)
	require.Equal(t, m, opened)
	text, err := io.ReadAll(content)
	require.NoError(t, err)
	require.NoError(t, content.Close())
	require.EqualValues(t, m.Content.Bytes, len(text))
	require.Contains(t, string(text[len(text)-200:]), "\n-- Dump completed")
}

// TestServerUnencrypted: without recipients the content is plain zstd.
func TestServerUnencrypted(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 100)
	p.store.Recipients, p.store.Identities = nil, nil
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	require.Equal(t, "dump.sql.zst", m.Object.Name)
	before := p.sum(t)
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.Equal(t, before, p.sum(t))
}

// TestServerSchedule: systemd takes the units, and cron the line.
func TestServerSchedule(t *testing.T) {
	if os.Getenv(envEndpoint) == "" {
		t.Skip("runs on a database server, where TestOnServer takes it")
	}
	for _, slot := range slots {
		s := s3backup.Schedule{Name: "shop-backup", About: "100% of the shop", Command: []string{"/bin/echo", "$HOME %i \"it's\""}, Every: slot.every, At: slot.at}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(dir+"/shop-backup.service", []byte(s.Service()), 0o600))
		require.NoError(t, os.WriteFile(dir+"/shop-backup.timer", []byte(s.Timer()), 0o600))
		shell(t, dir, "systemd-analyze verify --man=no ./shop-backup.service ./shop-backup.timer; systemd-analyze calendar '"+slot.calendar+"'")
	}
	s := s3backup.Schedule{Name: "shop-backup", Command: []string{"/bin/sh", "-c", `echo "$1" > /tmp/said`, "-", "$HOME %i \"it's\""}}
	require.NoError(t, os.WriteFile("/etc/systemd/system/shop-backup.service", []byte(strings.Replace(s.Service(), "PrivateTmp=yes", "", 1)), 0o600))
	shell(t, "/", "systemctl daemon-reload; systemctl start shop-backup.service; rm /etc/systemd/system/shop-backup.service; systemctl daemon-reload")
	said, err := os.ReadFile("/tmp/said")
	require.NoError(t, err)
	require.Equal(t, "$HOME %i \"it's\"\n", string(said))
}
