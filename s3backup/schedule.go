package s3backup

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Schedule runs a program on a machine again and again: by a systemd service with its timer, or by a line of cron.
// All of it is text; somebody else puts it into its place. No slot begins while the one before is at work.
type Schedule struct {
	Name    string        // of the units, such as "shop-backup"
	About   string        // in a few words, for people; zero is Name
	Command []string      // program by its absolute path, and arguments; it runs as root
	Every   time.Duration // a whole number of minutes that divides an hour, or of hours that divides a day; zero is 10 minutes
	At      time.Duration // into each period, in whole minutes, such as 3h20m of a day
	Timeout time.Duration // after which it is stopped; zero is Every
}

var unitName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]{0,200}$`)

// Validate reports every mistake at once.
func (s Schedule) Validate() error {
	var errs []error
	refuse := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("s3backup: schedule: "+format, args...))
		}
	}
	refuse(unitName.MatchString(s.Name), "name %q is not [A-Za-z0-9][A-Za-z0-9_.@-]*", s.Name)
	refuse(len(s.Command) > 0 && path.IsAbs(s.Command[0]), "command %q is not a program by its absolute path", s.Command)
	refuse(!strings.ContainsFunc(s.About+strings.Join(s.Command, ""), func(r rune) bool { return r < ' ' || r == 0x7f }),
		"%q has a control character", append([]string{s.About}, s.Command...))
	every := s.every()
	minutes, hours := every%time.Minute == 0 && time.Hour%every == 0, every%time.Hour == 0 && 24*time.Hour%every == 0
	refuse(every > 0 && (minutes || hours), "every %s does not divide an hour in minutes or a day in hours", every)
	refuse(s.At >= 0 && s.At < every && s.At%time.Minute == 0, "at %s is not whole minutes within %s", s.At, every)
	refuse(s.Timeout >= 0, "timeout %s is negative", s.Timeout)
	return errors.Join(errs...)
}

func (s Schedule) every() time.Duration {
	if s.Every == 0 {
		return 10 * time.Minute
	}
	return max(s.Every, time.Nanosecond) // Validate refuses it
}

// slots gives the first hour and minute and the steps from there: a step of zero is none, an hour of -1 is every one.
func (s Schedule) slots() (hour, hourStep, minute, minuteStep int) {
	hour, minute = int(s.At/time.Hour), int(s.At%time.Hour/time.Minute)
	every := s.every()
	if every < time.Hour {
		return -1, 0, minute, int(every / time.Minute)
	}
	return hour, int(every/time.Hour) % 24, minute, 0
}

func (s Schedule) about() string {
	if s.About == "" {
		return s.Name
	}
	return s.About
}

// Service is the unit Name.service. The service has the lowest claim on processor and disk, and sees no more of the
// machine than it needs.
func (s Schedule) Service() string {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = s.every()
	}
	words := make([]string, len(s.Command))
	for i, w := range s.Command {
		words[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(w) + `"`
	}
	return fmt.Sprintf(`[Unit]
Description=%s
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=%s
TimeoutStartSec=%d
Nice=15
IOSchedulingClass=idle
CPUWeight=20
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes
# What a run that is killed leaves in temporary directories goes with it.
PrivateTmp=yes
`, strings.ReplaceAll(s.about(), "%", "%%"), strings.Join(words, " "), int(timeout/time.Second))
}

// Timer is the unit Name.timer. Persistent: a slot that passed while the machine was down is made up when it is back.
// Source: systemd.timer(5), systemd.time(7).
func (s Schedule) Timer() string {
	hour, hourStep, minute, minuteStep := s.slots()
	calendar := "*-*-* *:" + stepped("%02d", minute, minuteStep) + ":00"
	if hour >= 0 {
		calendar = fmt.Sprintf("*-*-* %s:%02d:00", stepped("%02d", hour, hourStep), minute)
	}
	return fmt.Sprintf(`[Unit]
Description=%s

[Timer]
OnCalendar=%s
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
`, strings.ReplaceAll(s.about(), "%", "%%"), calendar)
}

func stepped(format string, first, step int) string {
	text := fmt.Sprintf(format, first)
	if step > 0 {
		text += fmt.Sprintf("/%d", step)
	}
	return text
}

// Crontab is a line for /etc/cron.d, where there is no systemd. cron makes up nothing that it missed, and mails what
// the command prints. Source: crontab(5).
func (s Schedule) Crontab() string {
	hour, hourStep, minute, minuteStep := s.slots()
	hours, minutes := "*", fmt.Sprint(minute)
	if minuteStep > 0 {
		minutes = fmt.Sprintf("%d-59/%d", minute, minuteStep)
	}
	if hour >= 0 {
		hours = fmt.Sprint(hour)
		if hourStep > 0 {
			hours = fmt.Sprintf("%d-23/%d", hour, hourStep)
		}
	}
	words := make([]string, len(s.Command))
	for i, w := range s.Command {
		words[i] = strings.ReplaceAll(sshx.Quote(w), "%", `\%`)
	}
	return fmt.Sprintf("%s %s * * * root %s\n", minutes, hours, strings.Join(words, " "))
}
