//go:build integration

package provision_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/site/provision"
)

// TestDatabase has a configuration that must be there before its package first starts the service, a file that
// belongs to a user whom the package makes, and a command that needs the running service.
func TestDatabase(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "db-1"})
	password := provision.Secret("correct-horse-battery")
	conf := provision.File{
		Path: "/etc/mysql/mariadb.conf.d/60-shop.cnf", Content: "[mariadbd]\nbind-address = 127.0.0.1\nserver-id = 4711\n",
		Check: "! command -v mariadbd || mariadbd --defaults-file={} --user=mysql --help --verbose >/dev/null",
	}
	unit := provision.Unit{Name: "mariadb.service", RestartOn: []string{"/etc/mysql/"}}
	rest := []provision.Step{
		provision.Packages{Names: []string{"no-mysql-server|mariadb-server"}},
		unit,
		provision.File{Path: "/etc/mysql/app.key", Owner: "mysql", Secret: password},
		provision.Command{
			Name: "create account app", Script: "mariadb",
			Stdin:  "CREATE USER app@localhost IDENTIFIED BY '" + password + "';",
			Unless: `test "$(mariadb -N -e "SELECT 1 FROM mysql.global_priv WHERE User = 'app'")" = 1`,
		},
	}
	state := steps(append([]provision.Step{conf}, rest...)...)
	settled(t, m.Host, state)
	require.Equal(t, "4711", output(t, m.Host, "mariadb -N -e 'SELECT @@server_id'"))
	require.Equal(t, "1", output(t, m.Host, "mariadb -u app -p"+string(password)+" -h localhost -N -e 'SELECT 1'"))
	require.Equal(t, "mysql mysql 600", output(t, m.Host, "stat -c '%U %G %a' /etc/mysql/app.key"))

	conf.Content = "[mariadbd]\nno_such_option = 1\n"
	_, err := up(t, m.Host, steps(append([]provision.Step{conf}, rest...)...))
	require.ErrorContains(t, err, "unknown variable 'no_such_option=1'")
	unchanged(t, m.Host, state)
}

// random is a blob of n bytes that do not compress.
func random(n int64) provision.Blob {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	sum := sha256.Sum256(content)
	return provision.Blob{SHA256: hex.EncodeToString(sum[:]), Size: n,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
}

func TestBlobAndManyFiles(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	blob := provision.File{Path: "/usr/local/bin/agent", Mode: 0o755, Blob: random(40_000_000)}
	begun := time.Now()
	settled(t, m.Host, steps(blob))
	t.Logf("a blob of 40 MB put in place, and compared: %v", time.Since(begun))
	output(t, m.Host, "chmod 700 /usr/local/bin/agent")
	result, err := up(t, m.Host, steps(blob))
	require.NoError(t, err)
	require.Equal(t, "update file /usr/local/bin/agent (mode 0700 → 0755)\n", result.Plan.String())
	output(t, m.Host, "echo >>/usr/local/bin/agent")
	result, err = up(t, m.Host, steps(blob))
	require.NoError(t, err)
	require.Equal(t, "update file /usr/local/bin/agent (40.0 MB → 40.0 MB)\n", result.Plan.String())

	state, _ := manyFiles(1000)
	begun = time.Now()
	_, err = up(t, m.Host, state)
	require.NoError(t, err)
	t.Logf("1000 files put in place: %v", time.Since(begun))
	begun = time.Now()
	unchanged(t, m.Host, state)
	t.Logf("1000 files compared: %v", time.Since(begun))
	output(t, m.Host, "for i in $(seq 0 999); do echo drift >>/etc/many/$i.conf; done")
	begun = time.Now()
	results, err := provision.Run(t.Context(), []provision.Target{{Name: "web-1", Host: m.Host, State: state}}, provision.Options{DryRun: true})
	require.NoError(t, err)
	require.Contains(t, results[0].Plan.String(), "-drift\n")
	require.Len(t, results[0].Plan.Changes(), 1000)
	t.Logf("1000 files that differ, planned with diffs: %v", time.Since(begun))
}
