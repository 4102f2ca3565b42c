//go:build integration

package mysqlrepl_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/mysqlrepl"
)

// server is a real database server, reached as its root through a relay that runs as root.
type server struct {
	*localtest.Machine
	db   *sql.DB
	dial mysqlrepl.Dial
}

const (
	socket       = "/run/mysqld/mysqld.sock"
	installMySQL = `mirror=$(grep -rhv '^#' /etc/apt/sources.list* | grep -oE 'https?://[^ ]+' | grep -v security | head -n 1)
echo "deb $mirror sid main" >/etc/apt/sources.list.d/sid.list
apt-get -q -o Acquire::Check-Valid-Until=false update
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends mysql-server`
	startRelay = "systemd-run -q --unit relay socat TCP-LISTEN:3300,bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:" + socket
)

func startServer(t *testing.T, flavor mysqlrepl.Flavor) *server {
	t.Helper()
	packages := []string{"socat", "mariadb-server"}
	if flavor == mysqlrepl.MySQL {
		if os.Getenv("SITEBLOCKS_FULL") == "" {
			t.Skip("installs MySQL 9 from Debian's unstable distribution each time: SITEBLOCKS_FULL=1 runs it")
		}
		packages = packages[:1]
	}
	s := &server{Machine: localtest.Server(t, localtest.Options{Name: "db-1", Packages: packages})}
	if flavor == mysqlrepl.MySQL {
		s.Root(t, installMySQL)
	}
	s.Root(t, "systemctl start "+unit(flavor)+"\n"+startRelay)
	s.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if network != "unix" || address != socket {
			return nil, fmt.Errorf("dialled %s %s", network, address)
		}
		return s.Host.Dial(ctx, "tcp", "127.0.0.1:3300")
	}
	s.db = s.wait(t)
	return s
}

func unit(flavor mysqlrepl.Flavor) string {
	sw, _ := mysqlrepl.SoftwareFor(mysqlrepl.Debian13, flavor)
	return sw.Service
}

// wait returns the database as root once it answers.
func (s *server) wait(t *testing.T) *sql.DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, err := mysqlrepl.Wait(ctx, s.dial, mysqlrepl.Address{Socket: socket}, mysqlrepl.Login{User: "root"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// run runs a script as root.
func (s *server) run(t *testing.T, script string) (status int, output string) {
	t.Helper()
	var out bytes.Buffer
	err := s.Host.Run(t.Context(), sshx.Script{Text: script, Root: true, Stdout: &out, Stderr: &out})
	var exit *sshx.ExitError
	if errors.As(err, &exit) {
		return exit.Status, out.String()
	}
	require.NoError(t, err)
	return 0, out.String()
}

func flavors(t *testing.T, test func(*testing.T, *server, mysqlrepl.Flavor)) {
	for _, flavor := range []mysqlrepl.Flavor{mysqlrepl.MariaDB, mysqlrepl.MySQL} {
		t.Run(string(flavor), func(t *testing.T) { test(t, startServer(t, flavor), flavor) })
	}
}

func TestServerAcceptsGoldens(t *testing.T) {
	flavors(t, func(t *testing.T, s *server, flavor mysqlrepl.Flavor) {
		version, err := mysqlrepl.Detect(t.Context(), s.db)
		require.NoError(t, err)
		require.Equal(t, flavor, version.Flavor)
		check := "mariadbd --defaults-file=/tmp/check.cnf --help --verbose"
		if flavor == mysqlrepl.MySQL {
			check = "mysqld --defaults-file=/tmp/check.cnf --user=mysql --validate-config"
		}
		seen := 0
		for name, config := range goldens {
			own := config.Version.Flavor
			if own == "" {
				own = mysqlrepl.MariaDB
			}
			if own != flavor || config.Version.Major == 8 {
				continue
			}
			seen++
			text, err := config.Render()
			require.NoError(t, err)
			s.Put(t, "/tmp/check.cnf", 0o644, []byte(text))
			code, output := s.run(t, check)
			require.Zero(t, code, "%s: %s", name, tail(output))
			require.NotContains(t, output, "[ERROR]", name)
		}
		require.NotZero(t, seen)
		// The check itself is able to refuse.
		s.Put(t, "/tmp/check.cnf", 0o644, []byte("[mysqld]\nbinlog_fromat = ROW\n"))
		code, _ := s.run(t, check)
		require.NotZero(t, code)
	})
}

// TestServerRunsWithTheFile starts the server anew with the file and asks it what it took from it.
func TestServerRunsWithTheFile(t *testing.T) {
	flavors(t, func(t *testing.T, s *server, flavor mysqlrepl.Flavor) {
		version, err := mysqlrepl.Detect(t.Context(), s.db)
		require.NoError(t, err)
		config := mysqlrepl.Config{Version: version, ServerID: 7, Memory: 1 << 30, BinlogRetention: 36 * time.Hour}
		text, err := config.Render()
		require.NoError(t, err)
		software, _ := mysqlrepl.SoftwareFor(mysqlrepl.Debian13, flavor)
		s.Put(t, software.Config, 0o644, []byte(text))
		s.Root(t, "systemctl restart "+software.Service)
		db := s.wait(t)
		for name, want := range map[string]string{
			"server_id": "7", "log_bin": "1", "binlog_expire_logs_seconds": "129600", "innodb_buffer_pool_size": "268435456",
			"character_set_server": "utf8mb4", "sync_binlog": "1", "local_infile": "0", "bind_address": "127.0.0.1", "binlog_row_image": "FULL",
		} {
			var got string
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT @@"+name).Scan(&got))
			require.Equal(t, want, got, name)
		}
	})
}

func tail(text string) string { return text[max(0, len(text)-2000):] }
