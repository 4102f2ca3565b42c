//go:build integration

package s3backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

// suicide is a verb run by a process of its own, and the moment at which that process kills itself.
type suicide struct {
	Verb     string // "backup", "restore", "prune"
	Prefix   string
	Database string
	Identity string
	Lock     string
	Request  int64  // before this request to the store, counted from 1; 0 is never
	SQL      string // before this text goes to the database
	After    bool   // after it, not before

	Unmeasured bool // backup: see s3backup.Dump
}

const envSuicide = "S3BACKUP_TEST_SUICIDE"

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// TestServerSuicide is that process.
func TestServerSuicide(t *testing.T) {
	text := os.Getenv(envSuicide)
	if text == "" {
		t.Skip("run by the tests that kill it")
	}
	var s suicide
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	identity, err := age.ParseX25519Identity(s.Identity)
	require.NoError(t, err)
	p := &place{client: bucketClient(os.Getenv(envEndpoint))}
	var requests atomic.Int64
	p.store = s3backup.Store{
		Bucket: os.Getenv(envBucket), Prefix: s.Prefix, Site: "shop", LockFile: s.Lock,
		Recipients: []age.Recipient{identity.Recipient()}, Identities: []age.Identity{identity},
		Keep: s3backup.Retention{Last: 2, Unverified: true}, Events: func(e s3backup.Event) { t.Log(e) },
	}
	store := p.through(faulty{before: func(*http.Request) (*http.Response, error) {
		if requests.Add(1) == s.Request {
			die()
		}
		return nil, nil
	}})
	socket := deadlyRelay(t, s)
	switch s.Verb {
	case "backup":
		_, err = store.Backup(t.Context(), s3backup.Dump{Databases: []string{s.Database}, Unmeasured: s.Unmeasured}, s3backup.Options{})
	case "restore":
		_, err = store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Server: s3backup.Server{Socket: socket}, Replace: true})
	case "prune":
		_, err = store.Prune(t.Context())
	}
	require.NoError(t, err)
	var self, children syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &self))
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children))
	spent := func(r syscall.Rusage) int64 { return r.Utime.Nano() + r.Stime.Nano() }
	fmt.Printf("requests=%d\ncost=%d %d %d\n", requests.Load(), spent(self), spent(children), highWater(os.Getpid()))
}

// deadlyRelay leads to the database and kills the process at a statement.
func deadlyRelay(t *testing.T, s suicide) (socket string) {
	socket = filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", "/run/mysqld/mysqld.sock")
			if err != nil {
				die()
			}
			go func() { _, _ = io.Copy(client, server) }()
			go func() {
				defer server.Close()
				buffer := make([]byte, 1<<20)
				for {
					n, err := client.Read(buffer)
					if err != nil {
						return
					}
					hit := s.SQL != "" && bytes.Contains(buffer[:n], []byte(s.SQL))
					if hit && !s.After {
						die()
					}
					_, _ = server.Write(buffer[:n])
					if hit {
						die()
					}
				}
			}()
		}
	}()
	return socket
}

// kill runs a verb in a process that dies on the way, and gives what it printed where it was let live.
func (p *place) kill(t *testing.T, s suicide) string {
	t.Helper()
	s.Prefix, s.Database, s.Identity, s.Lock = p.store.Prefix, p.database, p.identity.String(), p.store.LockFile
	text, err := json.Marshal(s)
	require.NoError(t, err)
	command := exec.Command("/proc/self/exe", "-test.run=^TestServerSuicide$", "-test.v")
	command.Env = append(os.Environ(), envSuicide+"="+string(text))
	output, err := command.CombinedOutput()
	if s.Request == 0 && s.SQL == "" {
		require.NoError(t, err, string(output))
		return string(output)
	}
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%+v was not killed: %s", s, output)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%+v: %s", s, output)
	return ""
}

func requests(t *testing.T, output string) (n int64) {
	_, text, found := strings.Cut(output, "requests=")
	require.True(t, found, output)
	_, err := fmt.Sscan(text, &n)
	require.NoError(t, err)
	return n
}

// moments spreads ten numbers over 1 to n.
func moments(n int64) (all []int64) {
	for i := range int64(10) {
		if m := 1 + i*(n-1)/9; len(all) == 0 || all[len(all)-1] != m {
			all = append(all, m)
		}
	}
	return all
}

func TestServerKilledBackup(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 100)
	p.exec(t, "CREATE TABLE `"+p.database+"`.big AS SELECT seq AS id, RANDOM_BYTES(1000) AS bytes FROM seq_1_to_40000")
	n := requests(t, p.kill(t, suicide{Verb: "backup"}))
	require.GreaterOrEqual(t, n, int64(10))
	before := p.keys(t)
	require.Len(t, before, 2)
	for _, at := range moments(n) {
		p.kill(t, suicide{Verb: "backup", Request: at})
		entries, err := p.store.List(t.Context())
		require.NoError(t, err)
		require.Len(t, entries, 1, "killed at request %d of %d", at, n)
		require.NoError(t, entries[0].Problem)
	}
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err, "the next run is clean")
	require.Equal(t, append(before, p.key(m, m.Object.Name), p.key(m, "manifest.json")), p.keys(t), "nothing else is left")
	data := p.sum(t)
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.Equal(t, data, p.sum(t))
}

func TestServerKilledPrune(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 20)
	p.store.Keep = s3backup.Retention{Last: 2, Unverified: true}
	fill := func() (kept []string) {
		for range 5 {
			_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
			require.NoError(t, err)
		}
		entries, err := p.store.List(t.Context())
		require.NoError(t, err)
		for _, e := range entries[len(entries)-2:] {
			kept = append(kept, e.ID)
		}
		return kept
	}
	fill()
	for _, at := range moments(requests(t, p.kill(t, suicide{Verb: "prune"}))) {
		kept := fill()
		p.kill(t, suicide{Verb: "prune", Request: at})
		_, err := p.store.Prune(t.Context())
		require.NoError(t, err)
		entries, err := p.store.List(t.Context())
		require.NoError(t, err)
		require.Len(t, entries, 2, "killed at request %d", at)
		for i, e := range entries {
			require.Equal(t, kept[i], e.ID)
			require.NoError(t, e.Problem)
		}
		require.Len(t, p.keys(t), 4, "no object is left without its manifest")
	}
}

// restoreMoments are where a restore is killed: while it loads, and around each step of the exchange.
var restoreMoments = []struct {
	suicide
	done bool // the exchange had come to its end
}{
	{suicide: suicide{Request: 2}},
	{suicide: suicide{SQL: "INSERT INTO `entries`"}},
	{suicide: suicide{SQL: "CHECKSUM TABLE"}},
	{suicide: suicide{SQL: "INSERT INTO `", After: true}},
	{suicide: suicide{SQL: "s3backup unfinished draft` TO"}},
	{suicide: suicide{SQL: "DROP TRIGGER"}},
	{suicide: suicide{SQL: "DROP VIEW IF EXISTS"}},
	{suicide: suicide{SQL: "RENAME TABLE `db_"}},
	{suicide: suicide{SQL: "RENAME TABLE `db_", After: true}},
	{suicide: suicide{SQL: "ALTER DATABASE", After: true}},
	{suicide: suicide{SQL: "TRIGGER noted"}},
	{suicide: suicide{SQL: "TRIGGER noted", After: true}},
	{suicide: suicide{SQL: "DROP TABLE `sbold-"}},
	{suicide: suicide{SQL: "DROP TABLE `sbold-", After: true}, done: true},
	{suicide: suicide{SQL: "DROP DATABASE"}, done: true},
	{suicide: suicide{SQL: "DROP DATABASE", After: true}, done: true},
}

func TestServerKilledRestore(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 500)
	bad, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	bad.Tables[0].Rows++
	text, err := json.Marshal(bad)
	require.NoError(t, err)
	p.put(t, p.key(bad, "manifest.json"), text)
	_, err = p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	backup := p.sum(t)
	for i, moment := range restoreMoments {
		label := fmt.Sprintf("%d: %+v", i, moment)
		p.exec(t, "INSERT INTO `"+p.database+"`.entries (author, body) VALUES (1, 'late')", "CREATE VIEW `"+p.database+"`.lateview AS SELECT 1 AS a",
			"CREATE TABLE `"+p.database+"`.late (id INT)", "ALTER DATABASE `"+p.database+"` CHARACTER SET utf8mb4")
		before := p.sum(t)
		moment.Verb = "restore"
		p.kill(t, moment.suicide)
		// A restore that comes to nothing shows that what the killed one had begun is undone.
		_, err := p.store.Restore(t.Context(), s3backup.Select{ID: bad.ID}, s3backup.Target{Replace: true})
		require.ErrorIs(t, err, s3backup.ErrMismatch, label)
		if moment.done {
			require.Equal(t, backup, p.sum(t), label)
		} else {
			require.Equal(t, before, p.sum(t), label)
		}
		require.Zero(t, p.leftovers(t), label)
		_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
		require.NoError(t, err, label)
		require.Equal(t, backup, p.sum(t), label)
	}
}

// TestServerUnfinishedRestoreIsNotBackedUp: a half exchanged database must not become the newest backup.
func TestServerUnfinishedRestoreIsNotBackedUp(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 50)
	_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	p.kill(t, suicide{Verb: "restore", SQL: "TRIGGER noted"})
	_, err = p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.ErrorContains(t, err, "did not end")
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	_, err = p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
}

// TestServerRestoresOneAtATime: the lock is the database server's, since restores may come from several machines, and
// since the last statement of one that was killed goes on there.
func TestServerRestoresOneAtATime(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 50)
	_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	other, err := p.db.Conn(t.Context())
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "DO GET_LOCK('s3backup restore', 0)")
	require.NoError(t, err)
	before := p.sum(t)
	brief, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = p.store.Restore(brief, s3backup.Select{}, s3backup.Target{Replace: true})
	require.ErrorContains(t, err, "another restore")
	require.Equal(t, before, p.sum(t))
	_, err = other.ExecContext(t.Context(), "DO RELEASE_LOCK('s3backup restore')")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
}

func TestServerKeepOld(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 50)
	_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	p.exec(t, "INSERT INTO `"+p.database+"`.entries (author, body) VALUES (1, 'late')")
	restored, err := p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true, KeepOld: true})
	require.NoError(t, err)
	old := restored.Old[p.database]
	require.NotEmpty(t, old)
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.EqualValues(t, 51, p.number(t, "SELECT COUNT(*) FROM `"+old+"`.entries"), "another restore does not touch what was kept")
	m, err := p.store.Backup(t.Context(), s3backup.Dump{}, s3backup.Options{})
	require.NoError(t, err)
	require.NotContains(t, m.Databases, old)
	p.exec(t, "DROP DATABASE `"+old+"`")
}
