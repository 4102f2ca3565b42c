//go:build integration

package s3backup_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/s3backup"
)

const installMySQL = `mirror=$(grep -rhv '^#' /etc/apt/sources.list* | grep -oE 'https?://[^ ]+' | grep -v security | head -n 1)
echo "deb $mirror sid main" > /etc/apt/sources.list.d/sid.list
apt-get -q -o Acquire::Check-Valid-Until=false update >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends mysql-server zstd >/dev/null
printf '[mysqld]\nlog_bin = binlog\nserver_id = 1\ngtid_mode = ON\nenforce_gtid_consistency = ON\n' > /etc/mysql/mysql.conf.d/90-test.cnf
systemctl restart mysql; mysql --version`

// TestOnMySQL runs what begins with TestMySQL on a server with MySQL 9 of Debian's unstable distribution.
func TestOnMySQL(t *testing.T) {
	if os.Getenv(envFull) == "" {
		t.Skip("takes minutes: " + envFull + "=1 runs it")
	}
	runOn(t, localtest.Options{}, installMySQL, "^TestMySQL")
}

func TestMySQL(t *testing.T) {
	p := onServer(t)
	db := "USE `" + p.database + "`; "
	p.exec(t,
		db+"CREATE TABLE authors (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL) CHARACTER SET utf8mb4",
		db+"CREATE TABLE entries (id BIGINT PRIMARY KEY AUTO_INCREMENT, author INT NOT NULL, body TEXT, score DOUBLE, rating FLOAT, raw VARBINARY(40), more JSON, at DATETIME(6), FOREIGN KEY (author) REFERENCES authors (id))",
		db+"CREATE VIEW latest AS SELECT e.id, a.name FROM entries e JOIN authors a ON a.id = e.author",
		db+"CREATE TABLE log (what VARCHAR(200))",
		db+"CREATE TRIGGER noted AFTER INSERT ON entries FOR EACH ROW BEGIN INSERT INTO log VALUES (CONCAT('new ', NEW.id)); END",
		db+"CREATE PROCEDURE tidy() BEGIN DELETE FROM log; SELECT ';'; END",
		db+"INSERT INTO authors (name) VALUES ('Ada'), ('Grace ü€𝄞')")
	for i := range 300 {
		p.exec(t, db+fmt.Sprintf("INSERT INTO entries (author, body, score, rating, raw, more, at) VALUES (%d, 'it''s\\n\\\\ %d', RAND(), RAND(), RANDOM_BYTES(40), '{\"a\": [1, 2]}', NOW(6))", 1+i%2, i))
	}
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	require.Equal(t, "mysql", m.Server.Flavor)
	require.EqualValues(t, 2+300+300, m.Rows())
	require.NotEmpty(t, m.Position.GTID)
	t.Logf("%s %+v", m.Server.Version, *m.Position)
	// MySQL's dump of the same data is another text: it states its transactions, and character sets the second time.
	content := func() [3]int64 {
		return [3]int64{
			p.number(t, "SELECT SUM(CRC32(CONCAT_WS(',', id, author, body, score, rating, HEX(raw), more, at))) FROM DB.entries"),
			p.number(t, "SELECT SUM(CRC32(what)) FROM DB.log"), p.number(t, "SELECT COUNT(*) FROM DB.latest"),
		}
	}
	before := content()
	p.exec(t, db+"DELETE FROM entries WHERE id > 200", db+"DROP VIEW latest")

	restored, err := p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.EqualValues(t, 602, restored.Rows)
	require.Equal(t, before, content())
	p.exec(t, db+"INSERT INTO entries (author) VALUES (1)")
	require.EqualValues(t, 301, p.number(t, "SELECT COUNT(*) FROM DB.log"), "the trigger works")

	verdict, err := p.store.Verify(t.Context(), s3backup.Select{}, s3backup.Scratch{Dir: "/var/tmp"})
	require.NoError(t, err)
	require.True(t, verdict.OK, strings.Join(verdict.Problems, "; "))
	t.Log(verdict)

	// A kill in the middle of the exchange, and a restore that comes to nothing.
	p.kill(t, suicide{Verb: "restore", SQL: "RENAME TABLE `db_", After: true})
	p.exec(t, db+"SELECT 1")
	_, err = p.through(gone(0, isChunk)).Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.ErrorIs(t, err, s3backup.ErrStoreDown)
	require.EqualValues(t, 301, p.number(t, "SELECT COUNT(*) FROM DB.entries"), "what was there before the kill is back")
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.Equal(t, before, content())
}
