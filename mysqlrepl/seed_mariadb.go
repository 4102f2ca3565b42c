package mysqlrepl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// MariaDBBackup seeds by mariadb-backup, streamed from host to host through this program: nothing is stored on the way, and
// memory is bounded. Both hosts have the package mariadb-backup.
type MariaDBBackup struct {
	From, To sshx.Host // the hosts of the source and of the server that is seeded
	Software Software  // what SoftwareFor says of both hosts
}

// The copy is unpacked inside of the data directory, which is emptied first: there is never a second copy on the disk, and no
// moment at which a server could start on half of one. The system tables go to their place last.
const (
	mariaDBBackupSend = `d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
mariadb-backup --backup --stream=mbstream --user=root --socket="$socket" --target-dir="$d"`

	// The distribution's start-up upgrades the system tables in the background where this file does not say that they are
	// of this version, and would do so while the server is told its position.
	mariaDBBackupUpgrade = `cd "$data"; for f in mariadb_upgrade_info mysql_upgrade_info; do [ ! -e "$f" ] || cat "$f"; done`

	mariaDBBackupReceive = `systemctl stop "$unit"
find "$data" -mindepth 1 -delete
install -d -m 700 "$data/.seed"
mbstream -x -C "$data/.seed"`

	mariaDBBackupPrepare = `cd "$data/.seed"
mariadb-backup --prepare --target-dir="$data/.seed" >&2
for f in mariadb_backup_binlog_info xtrabackup_binlog_info; do [ ! -e "$f" ] || cat "$f"; done`

	mariaDBBackupPlace = `cd "$data/.seed"
cat >mariadb_upgrade_info; cp mariadb_upgrade_info mysql_upgrade_info
chown -R "$user:" .
for f in * .[!.]*; do [ ! -e "$f" ] || [ "$f" = mysql ] || mv "$f" ..; done
mv mysql ..
cd ..; rmdir .seed
systemctl reset-failed "$unit" || :
systemctl start "$unit"
i=0
until mariadb --user=root --socket="$socket" -e "SET GLOBAL gtid_slave_pos = '$position'"; do
	i=$((i+1)); [ $i -lt 8 ] || exit 1
	systemctl restart "$unit"
done`
)

// Seed implements Seeder.
func (b MariaDBBackup) Seed(ctx context.Context, from, to Server, progress func(SeedProgress)) (string, error) {
	if err := b.copy(ctx, from, to, progress); err != nil {
		return "", err
	}
	progress(SeedProgress{Phase: "prepare"})
	var info bytes.Buffer
	if err := b.run(ctx, b.To, mariaDBBackupPrepare, nil, &info); err != nil {
		return "", fmt.Errorf("mysqlrepl: prepare the copy on %q: %w", to.Name, err)
	}
	words := strings.Fields(info.String())
	if len(words) < 3 {
		return "", fmt.Errorf("mysqlrepl: prepare the copy on %q: it does not say its GTID position: %q", to.Name, info.String())
	}
	progress(SeedProgress{Phase: "start"})
	var upgraded bytes.Buffer
	if err := b.run(ctx, b.From, mariaDBBackupUpgrade, nil, &upgraded); err != nil {
		return "", fmt.Errorf("mysqlrepl: ask %q for the version of its tables: %w", from.Name, err)
	}
	position, err := parseMariaDB(words[2])
	if err != nil {
		return "", err
	}
	if err := b.run(ctx, b.To, "position="+sshx.Quote(position.String())+"\n"+mariaDBBackupPlace, &upgraded, nil); err != nil {
		return "", fmt.Errorf("mysqlrepl: start %q on its copy: %w", to.Name, err)
	}
	return position.String(), nil
}

func (b MariaDBBackup) copy(ctx context.Context, from, to Server, progress func(SeedProgress)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := b.run(ctx, b.From, mariaDBBackupSend, nil, &counter{to: w, progress: progress})
		w.CloseWithError(err) // nil is the end of the stream
		sent <- err
	}()
	received := b.run(ctx, b.To, mariaDBBackupReceive, r, nil)
	if received != nil {
		cancel()
		received = fmt.Errorf("mysqlrepl: copy to %q: %w", to.Name, received)
	}
	r.CloseWithError(io.ErrClosedPipe)
	if err := <-sent; err != nil {
		return errors.Join(fmt.Errorf("mysqlrepl: copy from %q: %w", from.Name, err), received)
	}
	return received
}

func (b MariaDBBackup) run(ctx context.Context, host sshx.Host, script string, in io.Reader, out io.Writer) error {
	head := "set -e\n"
	for name, value := range map[string]string{"unit": b.Software.Service, "data": b.Software.DataDir, "socket": b.Software.Socket, "user": b.Software.User} {
		head += name + "=" + sshx.Quote(value) + "\n"
	}
	return host.Run(ctx, sshx.Script{Text: head + script, Root: true, Stdin: in, Stdout: out})
}

// counter tells how much has passed.
type counter struct {
	to       io.Writer
	progress func(SeedProgress)
	bytes    atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.progress(SeedProgress{Phase: "copy", Bytes: c.bytes.Add(int64(n))})
	return n, err
}
