package s3backup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

func ExampleSchedule() {
	backup := s3backup.Schedule{Name: "shop-backup", Command: []string{"/usr/local/bin/shop", "backup", "100%"}}
	fmt.Println(backup.Crontab())
	fmt.Println(backup.Timer())
	fmt.Println(backup.Service())
	// Output:
	// 0-59/10 * * * * root /usr/local/bin/shop backup 100\%
	//
	// [Unit]
	// Description=shop-backup
	//
	// [Timer]
	// OnCalendar=*-*-* *:00/10:00
	// AccuracySec=1s
	// Persistent=true
	//
	// [Install]
	// WantedBy=timers.target
	//
	// [Unit]
	// Description=shop-backup
	// Wants=network-online.target
	// After=network-online.target
	//
	// [Service]
	// Type=oneshot
	// ExecStart="/usr/local/bin/shop" "backup" "100%%"
	// TimeoutStartSec=600
	// Nice=15
	// IOSchedulingClass=idle
	// CPUWeight=20
	// NoNewPrivileges=yes
	// ProtectSystem=full
	// ProtectHome=yes
	// # What a run that is killed leaves in temporary directories goes with it.
	// PrivateTmp=yes
}

var slots = []struct {
	every, at time.Duration
	calendar  string
	cron      string
}{
	{0, 0, "*-*-* *:00/10:00", "0-59/10 * * * *"},
	{15 * time.Minute, 5 * time.Minute, "*-*-* *:05/15:00", "5-59/15 * * * *"},
	{time.Hour, 7 * time.Minute, "*-*-* 00/1:07:00", "7 0-23/1 * * *"},
	{6 * time.Hour, 80 * time.Minute, "*-*-* 01/6:20:00", "20 1-23/6 * * *"},
	{24 * time.Hour, 200 * time.Minute, "*-*-* 03:20:00", "20 3 * * *"},
}

func TestScheduleSlots(t *testing.T) {
	for _, slot := range slots {
		s := s3backup.Schedule{Name: "backup", Command: []string{"/bin/true"}, Every: slot.every, At: slot.at}
		require.NoError(t, s.Validate())
		require.Contains(t, s.Timer(), "OnCalendar="+slot.calendar+"\n")
		require.Equal(t, slot.cron+" root /bin/true\n", s.Crontab())
	}
}

func TestScheduleReportsEveryMistake(t *testing.T) {
	err := s3backup.Schedule{Name: "a b", Command: []string{"shop", "x\ny"}, Every: 7 * time.Minute, At: 8 * time.Minute, Timeout: -1}.Validate()
	require.EqualError(t, err, `s3backup: schedule: name "a b" is not [A-Za-z0-9][A-Za-z0-9_.@-]*
s3backup: schedule: command ["shop" "x\ny"] is not a program by its absolute path
s3backup: schedule: ["" "shop" "x\ny"] has a control character
s3backup: schedule: every 7m0s does not divide an hour in minutes or a day in hours
s3backup: schedule: at 8m0s is not whole minutes within 7m0s
s3backup: schedule: timeout -1ns is negative`)
	require.Error(t, s3backup.Schedule{Name: "a", Command: []string{"/a"}, Every: -time.Minute}.Validate())
}
