//go:build integration

package s3backup_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

// family makes two databases with keys between them, a third with a key into the first, and backs the two up.
func (p *place) family(t *testing.T) (run func(...string), m s3backup.Manifest) {
	t.Helper()
	a, b, out := p.database+"_a", p.database+"_b", p.database+"_out"
	names := strings.NewReplacer("`A`", "`"+a+"`", "`B`", "`"+b+"`", "`OUT`", "`"+out+"`", "`A_sb", "`"+a+"_sb")
	run = func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			p.exec(t, names.Replace(s))
		}
	}
	p.db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		run("SET SESSION foreign_key_checks = 0", "DROP DATABASE IF EXISTS `A`", "DROP DATABASE IF EXISTS `B`", "DROP DATABASE IF EXISTS `OUT`")
	})
	t.Cleanup(p.global(t, "max_allowed_packet = 2097152"))
	run("CREATE DATABASE `A`", "CREATE DATABASE `B`", "CREATE DATABASE `OUT`",
		"CREATE TABLE `A`.parent (id INT PRIMARY KEY)", "CREATE TABLE `B`.child (p INT, CONSTRAINT leads FOREIGN KEY (p) REFERENCES `A`.parent (id))",
		"CREATE TABLE `OUT`.child (p INT, CONSTRAINT comes_in FOREIGN KEY (p) REFERENCES `A`.parent (id) ON UPDATE CASCADE)",
		"CREATE TABLE `A`.big (b LONGBLOB)", "INSERT INTO `A`.big VALUES (REPEAT('x', 1900000))",
		"INSERT INTO `A`.parent VALUES (1), (2), (3)", "INSERT INTO `B`.child VALUES (1)", "INSERT INTO `OUT`.child VALUES (2)")
	m, err := p.store.Backup(t.Context(), s3backup.Dump{Databases: []string{a, b}}, s3backup.Options{Shrink: true})
	require.NoError(t, err)
	return run, m
}

// whole: the keys lead where they led, and nothing else is left.
func (p *place) whole(t *testing.T, label string) {
	t.Helper()
	var shown [2]string
	for _, name := range []string{"_b`.child", "_out`.child"} {
		require.NoError(t, p.db.QueryRow("SHOW CREATE TABLE `"+p.database+name).Scan(&shown[0], &shown[1]), label)
		require.Contains(t, shown[1], "REFERENCES `"+p.database+"_a`.`parent` (`id`)", label)
		require.NotRegexp(t, "_sb|sb(old|new)-", shown[1], label)
		_, err := p.db.Exec("INSERT INTO `" + p.database + name + " VALUES (99)")
		require.Error(t, err, label)
		p.exec(t, "INSERT INTO `"+p.database+name+" VALUES (3)", "DELETE FROM `"+p.database+name+" WHERE p = 3")
	}
	require.Zero(t, p.leftovers(t), label)
	require.EqualValues(t, 2<<20, p.number(t, "SELECT @@GLOBAL.max_allowed_packet"), label)
}

// TestServerKilledRestoreOfTwo: wherever a restore dies, the next one begins with the keys as they were.
func TestServerKilledRestoreOfTwo(t *testing.T) { killedRestoreOfTwo(t) }

func TestMySQLKilledRestoreOfTwo(t *testing.T) { killedRestoreOfTwo(t) }

func killedRestoreOfTwo(t *testing.T) {
	p := onServer(t)
	run, m := p.family(t)
	moments := []suicide{
		{SQL: "SET GLOBAL max_allowed_packet = 1073741824", After: true}, {SQL: "RENAME TABLE `db_", After: true},
		{SQL: "DROP FOREIGN KEY `comes_in_sbkey"}, {SQL: "DROP TABLE `sbold-", After: true},
	}
	if os.Getenv(envFull) != "" {
		moments = append(moments, []suicide{
			{SQL: "RENAME TABLE `db_"}, {SQL: "DROP FOREIGN KEY `comes_in`", After: true}, {SQL: "DROP FOREIGN KEY `comes_in_sbkey", After: true},
			{SQL: "DROP TABLE `sbold-"}, {SQL: "DROP DATABASE `sb", After: true},
		}...)
	}
	for i, moment := range moments {
		label := fmt.Sprintf("%d: %+v", i, moment)
		moment.Verb = "restore"
		p.kill(t, moment)
		// One that comes to nothing shows that what was begun is undone.
		brief := p.through(gone(0, isChunk))
		_, err := brief.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
		require.ErrorIs(t, err, s3backup.ErrStoreDown, label)
		p.whole(t, label)
	}
	_, err := p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	p.whole(t, "restored")

	// What a version before this one has left: keys that lead to the old tables, which cannot be dropped.
	run("CREATE DATABASE `A_sbold_123456`", "CREATE TABLE `A_sbold_123456`.parent (id INT PRIMARY KEY)", "INSERT INTO `A_sbold_123456`.parent VALUES (1), (2)",
		"ALTER TABLE `B`.child DROP FOREIGN KEY leads", "ALTER TABLE `B`.child ADD CONSTRAINT leads FOREIGN KEY (p) REFERENCES `A_sbold_123456`.parent (id)")
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	p.whole(t, "mended")

	// A row outside that would be left without what it refers to.
	run("INSERT INTO `A`.parent VALUES (50)", "INSERT INTO `OUT`.child VALUES (50)")
	_, err = p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true})
	require.ErrorContains(t, err, `foreign key "comes_in" of table `+p.database+"_out.child")
	require.ErrorContains(t, err, "the databases are as they were")
	p.whole(t, "refused")
	require.EqualValues(t, 4, p.number(t, "SELECT COUNT(*) FROM `"+p.database+"_a`.parent"))

	// What is kept is another's business, and keys do not lead there.
	run("DELETE FROM `OUT`.child WHERE p = 50")
	restored, err := p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true, KeepOld: true})
	require.NoError(t, err)
	old := restored.Old[p.database+"_a"]
	require.EqualValues(t, 4, p.number(t, "SELECT COUNT(*) FROM `"+old+"`.parent"))
	run("SET SESSION foreign_key_checks = 0", "DROP DATABASE `"+old+"`", "DROP DATABASE `"+restored.Old[p.database+"_b"]+"`", "SET SESSION foreign_key_checks = 1")
	p.whole(t, "kept")
}

// TestServerStalledStore: a store that answers late stops the dump program, and the server waits for both.
func TestServerStalledStore(t *testing.T) {
	p := onServer(t)
	p.exec(t, "USE `"+p.database+"`; CREATE TABLE big AS SELECT seq AS id, RANDOM_BYTES(1000) AS bytes FROM seq_1_to_30000")
	for _, setting := range []string{"net_write_timeout = 1", "wait_timeout = 1", "max_statement_time = 1"} {
		defer p.global(t, setting)()
	}
	var parts atomic.Int64
	store := p.through(faulty{before: func(r *http.Request) (*http.Response, error) {
		if isPart(r) && parts.Add(1) == 1 {
			<-time.After(4 * time.Second) // the fault: four times what the server would wait
		}
		return nil, nil
	}})
	m, err := store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	require.EqualValues(t, 30000, m.Rows())
}

// TestServerWrittenMeanwhile: of a table that no transaction covers, and that is written while it is dumped, there is no
// checksum, and so the backup is not refused.
func TestServerWrittenMeanwhile(t *testing.T) {
	p := onServer(t)
	p.exec(t, "USE `"+p.database+"`; CREATE TABLE big AS SELECT seq AS id, RANDOM_BYTES(1000) AS bytes FROM seq_1_to_1000",
		"CREATE TABLE `"+p.database+"`.calm (x INT) ENGINE = Aria", "CREATE TABLE `"+p.database+"`.m (x INT) ENGINE = MyISAM")
	p.source.Program = program(t, "| { head -c 100000; mariadb -e 'INSERT INTO `"+p.database+"`.m VALUES (1)'; cat; }")
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	require.Contains(t, strings.Join(m.Warnings, "\n"), ".m is MyISAM and was written while it was dumped")
	require.Len(t, m.Tables, 2)
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	p.number(t, "SELECT COUNT(*) FROM DB.m")
}

// TestServerWritesOver: what somebody with the server's credentials has written over is not good any more.
func TestServerWritesOver(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 10)
	first, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	p.put(t, p.key(first, "verdict.json"), []byte(`{"backup": "`+first.ID+`", "ok": true}`))
	second, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	var said []string
	store := p.store
	store.Events = func(e s3backup.Event) { said = append(said, e.String()) }
	entry, err := store.Find(t.Context(), s3backup.Select{})
	require.NoError(t, err)
	require.Equal(t, second.ID, entry.ID)
	require.Equal(t, []string{"warning: backup " + second.ID + " was never verified; the newest that was is " + first.ID}, said)
	p.put(t, p.key(second, second.Object.Name), nil) // as the zero value of Retain allows
	entries, err := p.store.List(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, entries[1].Problem, s3backup.ErrCorrupt)
	require.ErrorContains(t, entries[1].Problem, "somebody wrote over it")
	entry, err = p.store.Find(t.Context(), s3backup.Select{})
	require.NoError(t, err)
	require.Equal(t, first.ID, entry.ID)

	// The store's own lock keeps that from being done, until Prune goes past it.
	p.store.Retain = time.Hour
	third, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	for _, name := range []string{third.Object.Name, "manifest.json"} {
		key := p.key(third, name)
		_, err = p.store.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.store.Bucket, Key: &key, Body: strings.NewReader("")})
		require.ErrorContains(t, err, "AccessDenied", name)
		_, err = p.store.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &p.store.Bucket, Key: &key})
		require.ErrorContains(t, err, "AccessDenied", name)
	}
	_, err = p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	p.store.Keep = s3backup.Retention{Last: 1, Unverified: true}
	_, err = p.store.Prune(t.Context())
	require.NoError(t, err)
	entries, err = p.store.List(t.Context())
	require.NoError(t, err)
	require.False(t, slices.ContainsFunc(entries, func(e s3backup.Entry) bool { return e.ID == third.ID }))
}
