package mysqlrepl

import (
	"context"
	"fmt"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Process kills and starts a database server on its host.
type Process interface {
	// Kill ends the server at once, as SIGKILL does, and returns when its process is gone. A server that does not
	// run is no error. The server stays down until Start.
	Kill(ctx context.Context) error
	// Start starts the server where it does not run, and returns once it was started; it may not answer yet. With
	// rewind, a MariaDB server rolls back what nobody had acknowledged when it crashed; MySQL ignores it.
	Start(ctx context.Context, rewind bool) error
}

// Systemd is a Process that runs as a unit of systemd. The unit should neither be enabled nor restart by itself: a
// source that comes back before its role has moved keeps transactions that nobody acknowledged, and must be seeded
// anew if its replica takes over.
type Systemd struct {
	Host sshx.Host
	Unit string // "mariadb.service", see Software.Service
}

// Kill sends SIGKILL and waits until the unit has ended.
func (s Systemd) Kill(ctx context.Context) error {
	return s.run(ctx, "kill", `systemctl kill --signal=KILL --kill-whom=all "$u" 2>/dev/null || systemctl kill --signal=KILL --kill-who=all "$u" || :
systemctl stop "$u"`)
}

// Start passes the option through MYSQLD_OPTS, which the unit of Debian and Ubuntu reads; nothing of it stays on disk.
func (s Systemd) Start(ctx context.Context, rewind bool) error {
	options := "MYSQLD_OPTS="
	if rewind {
		options += "--init-rpl-role=SLAVE"
	}
	return s.run(ctx, "start", `systemctl set-environment `+sshx.Quote(options)+`
systemctl reset-failed "$u" || :
systemctl start --no-block "$u"
i=0
while ! systemctl --quiet is-active "$u"; do
	i=$((i+1)); if [ $i -gt 1200 ] || systemctl --quiet is-failed "$u"; then systemctl status --no-pager -n 20 "$u" >&2; exit 1; fi
	sleep 0.1
done
systemctl unset-environment MYSQLD_OPTS`)
}

func (s Systemd) run(ctx context.Context, verb, script string) error {
	err := s.Host.Run(ctx, sshx.Script{Root: true, Text: "set -e\nu=" + sshx.Quote(s.Unit) + "\n" + script})
	if err != nil {
		return fmt.Errorf("mysqlrepl: %s %q: %w", verb, s.Unit, err)
	}
	return nil
}
