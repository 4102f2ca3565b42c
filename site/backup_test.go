package site_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
)

func TestBackupTimers(t *testing.T) {
	s := shop(t)
	s.Backup.Every = time.Hour
	files, err := s.Render("web-1")
	require.NoError(t, err)
	content := map[string]string{}
	for _, f := range files {
		content[f.Path] = f.Content
	}
	require.Contains(t, content["/etc/systemd/system/siteblocks-backup.timer"], "OnCalendar=*-*-* 00/1:00:00\n")
	require.Contains(t, content["/etc/systemd/system/siteblocks-backup.timer"], "Persistent=true\n")
	require.Contains(t, content["/etc/systemd/system/siteblocks-verify.timer"], "OnCalendar=*-*-* 03:20:00\n")
	require.Contains(t, content["/etc/systemd/system/siteblocks-backup.service"], `ExecStart="/usr/local/lib/siteblocks/agent" "agent" "-log" "backup"`)
}

func TestBackupMistakes(t *testing.T) {
	s := shop(t)
	s.Backup = site.Backup{Every: 7 * time.Minute, Keep: s3backup.Retention{Daily: -1}}
	require.EqualError(t, s.Validate(), `site: Backup.Every: "7m0s" does not divide an hour in minutes or a day in hours
site: Backup.Keep: s3backup: retention: daily -1 is negative`)
}
