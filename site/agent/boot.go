package agent

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

const (
	deaths      = 3   // how often a process may die while it starts, until it is given up
	bootWorks   = 100 // a process that starts works if it is on a CPU for this part of the time
	bootAtMost  = 10  // times App.BootTimeout that a process may work until it is healthy
	clockTicks  = 100 // USER_HZ, the unit of /proc/PID/stat on every architecture of today. Source: proc_pid_stat(5)
	bootLogTail = 15
)

// healthy waits until a process that was started is healthy: see App.BootTimeout for how long.
func (a Agent) healthy(ctx context.Context, port uint16) error {
	app, t := a.Site.WithDefaults().App, a.target()
	waiting, end := context.WithCancelCause(ctx)
	defer end(nil)
	answered := make(chan struct{})
	t.Host = listener{t.Host, sync.OnceFunc(func() { close(answered) })}
	go func() { end(a.givesUp(waiting, port, answered)) }()
	err := t.HTTPHealthy(waiting, loopback(port), a.check(app.Health, bootAtMost*app.BootTimeout))
	if err == nil {
		return nil
	}
	var log bytes.Buffer // without the indented lines: where it happened matters less than what
	_ = sshx.Local{}.Run(ctx, sshx.Script{Text: fmt.Sprintf("journalctl -q -n 300 -o cat -u %s | grep -v '^[[:space:]]' | tail -n %d", layout.AppUnit(port), bootLogTail), Stdout: &log})
	return fmt.Errorf("site: process on port %d: %w\n%s", port, err, log.String())
}

// givesUp returns when there is no more hope that a process becomes healthy, or ctx ends.
func (a Agent) givesUp(ctx context.Context, port uint16, answered chan struct{}) error {
	b := boot{patience: a.Site.WithDefaults().App.BootTimeout}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-answered:
			b.answers(time.Now())
			answered = nil
			continue
		case <-tick.C:
		}
		if err := b.look(time.Now(), unitCPU("/proc", layout.AppUnit(port)), restarts(ctx, port)); err != nil {
			return err
		}
	}
}

// boot is what is known of a process that starts.
type boot struct {
	patience time.Duration // App.BootTimeout
	answered bool
	since    time.Time     // when it last did something that counts
	cpu      time.Duration // that it had used by then
}

// answers notes the first answer of any kind: from now on only a healthy one counts.
func (b *boot) answers(now time.Time) { b.answered, b.since = true, now }

// look tells by an error that the process is given up.
func (b *boot) look(now time.Time, cpu time.Duration, died int) error {
	b.cpu = min(b.cpu, cpu) // one of its processes may have ended
	if b.since.IsZero() || !b.answered && cpu-b.cpu >= b.patience/bootWorks {
		b.since, b.cpu = now, cpu
	}
	switch {
	case died >= deaths:
		return fmt.Errorf("it died %d times", died)
	case now.Sub(b.since) < b.patience:
		return nil
	case b.answered:
		return fmt.Errorf("it answers, but did not become healthy within %s (App.BootTimeout)", b.patience)
	}
	return fmt.Errorf("it neither worked nor answered for %s (App.BootTimeout)", b.patience)
}

// restarts is how often systemd has started a process again since it was told to start it.
func restarts(ctx context.Context, port uint16) int {
	var out bytes.Buffer
	_ = sshx.Local{}.Run(ctx, sshx.Script{Text: "systemctl show -p NRestarts --value " + layout.AppUnit(port), Stdout: &out})
	n, _ := strconv.Atoi(strings.TrimSpace(out.String()))
	return n
}

// unitCPU is the time that the processes of a unit, and those that they waited for, have been on a CPU. It does without
// systemd's accounting, which not every host has.
func unitCPU(proc, unit string) time.Duration {
	groups, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "cgroup"))
	ticks := 0
	for _, group := range groups {
		text, err := os.ReadFile(group)
		if err != nil || !strings.Contains(string(text)+"\n", "/"+unit+"\n") {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(group), "stat"))
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // what is before it may hold anything
		for i := 11; i < 15 && i < len(fields); i++ {                             // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(fields[i])
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / clockTicks
}

// listener tells of the first byte that anybody reads on a connection that it dials.
type listener struct {
	sshx.Host
	heard func()
}

func (l listener) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.Host.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return heardConn{conn, l.heard}, nil
}

type heardConn struct {
	net.Conn
	heard func()
}

func (c heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard()
	}
	return n, err
}
