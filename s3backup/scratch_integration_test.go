//go:build integration

package s3backup

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServerScratchIsShutIn(t *testing.T) { scratchIsShutIn(t) }
func TestMySQLScratchIsShutIn(t *testing.T)  { scratchIsShutIn(t) }

// scratchIsShutIn asks a scratch server, as its root, for everything that would lead out of its directory.
func scratchIsShutIn(t *testing.T) {
	live := onThisServer(t)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	server, err := Scratch{Dir: dir}.start(t.Context(), 0, "scratch-", func(e Event) { require.NotContains(t, e.String(), "warning") })
	require.NoError(t, err)
	defer server.stop()
	session, err := server.session(t.Context())
	require.NoError(t, err)
	defer session.Close()
	for _, file := range []string{"/etc/passwd", "/etc/hostname", "/var/lib/mysql/ibdata1", "/proc/self/environ", "/usr/bin/env"} {
		got, err := one(t.Context(), session, "SELECT COALESCE(LENGTH(LOAD_FILE("+quoteText(file)+")), 'nothing')", 0)
		require.NoError(t, err)
		require.Equal(t, "nothing", got, file)
	}
	for _, text := range []string{"CREATE DATABASE d", "CREATE TABLE d.t (x TEXT)", "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'"} {
		require.NoError(t, session.exec(t.Context(), text))
	}
	for _, text := range []string{
		"SELECT 'x' INTO OUTFILE '/var/lib/mysql/oops'", "SELECT 'x' INTO OUTFILE '/tmp/oops'", "SELECT 'x' INTO DUMPFILE '/var/tmp/oops'", "SELECT 'x' INTO OUTFILE '" + dir + "/oops'",
		"LOAD DATA INFILE '/etc/passwd' INTO TABLE d.t", "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE d.t", "INSTALL PLUGIN x SONAME 'ha_federatedx.so'", "INSTALL SONAME 'ha_connect'",
		"CREATE FUNCTION f RETURNS STRING SONAME 'ha_connect.so'", "CREATE TABLE d.f (x INT) ENGINE=FEDERATED CONNECTION='mysql://root@127.0.0.1/mysql/user'",
		"CREATE TABLE d.c (x INT) ENGINE=CONNECT TABLE_TYPE=CSV FILE_NAME='/etc/passwd'",
	} {
		require.Error(t, session.exec(t.Context(), text), text)
	}
	// MariaDB refuses the directory, MySQL warns and takes its own.
	_ = session.exec(t.Context(), "CREATE TABLE d.d (x INT) ENGINE=InnoDB DATA DIRECTORY='/var/lib/mysql'")
	require.NoDirExists(t, "/var/lib/mysql/d")
	for _, path := range []string{"/var/lib/mysql/oops", "/tmp/oops", "/var/tmp/oops"} {
		require.NoFileExists(t, path)
	}
	// Its process is nobody's else, cannot become more, and sees neither the live data nor a network.
	pid := server.process.Process.Pid
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^NoNewPrivs:\t1$`, string(status))
	require.Regexp(t, `(?m)^CapBnd:\t0+$`, string(status))
	require.Regexp(t, `(?m)^Uid:\t6\d{4}\t`, string(status))
	network, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "net/dev"))
	require.NoError(t, err)
	require.NotContains(t, string(network), "eth0")
	server.stop()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = live.query(t.Context(), "SELECT 1")
	require.NoError(t, err)
}

// TestServerScratchSweep: what a killed verify left is removed by the next, its server as well.
func TestServerScratchSweep(t *testing.T) {
	onThisServer(t)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	left, err := Scratch{Dir: dir}.start(t.Context(), 0, "scratch-", func(Event) {})
	require.NoError(t, err)
	Scratch{Dir: dir}.sweep("scratch-", func(Event) {})
	<-left.exited
	require.NoDirExists(t, left.dir)
	require.Empty(t, runningIn(left.dir))
}
