//go:build integration

package s3backup_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

// Tests whose names begin with TestServer run as root on a database server: TestOnServer takes this binary there.
const (
	envEndpoint = "S3BACKUP_TEST_ENDPOINT"
	envBucket   = "S3BACKUP_TEST_BUCKET"
	envAccess   = "S3BACKUP_TEST_ACCESS"
	envSecret   = "S3BACKUP_TEST_SECRET"
	envFull     = "SITEBLOCKS_FULL" // not empty: at full size
)

// place is one test's own corner: a prefix of the bucket, a database, a key.
type place struct {
	client   *s3.Client
	store    s3backup.Store
	db       *sql.DB
	database string
	identity *age.X25519Identity
	source   s3backup.Dump
}

func bucketClient(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv(envAccess), os.Getenv(envSecret), ""),
	})
}

func onServer(t *testing.T) *place {
	t.Helper()
	if os.Getenv(envEndpoint) == "" {
		t.Skip("runs on a database server, where TestOnServer takes it")
	}
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	p := &place{client: bucketClient(os.Getenv(envEndpoint)), identity: identity, database: "db_" + strings.ToLower(strings.NewReplacer("/", "_", "Server", "").Replace(t.Name()))}
	p.database = p.database[:min(len(p.database), 40)]
	p.store = s3backup.Store{
		S3: p.client, Bucket: os.Getenv(envBucket), Prefix: strings.ReplaceAll(t.Name(), "/", "-") + "/", Site: "shop",
		Recipients: []age.Recipient{identity.Recipient()}, Identities: []age.Identity{identity}, LockFile: t.TempDir() + "/lock",
		Events: func(e s3backup.Event) { t.Log(e) },
	}
	p.source = s3backup.Dump{Databases: []string{p.database}}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.MultiStatements = "unix", "/run/mysqld/mysqld.sock", "root", true
	connector, err := mysql.NewConnector(c)
	require.NoError(t, err)
	p.db = sql.OpenDB(connector)
	p.exec(t, "DROP DATABASE IF EXISTS `"+p.database+"`", "CREATE DATABASE `"+p.database+"` CHARACTER SET latin1 COLLATE latin1_german2_ci")
	t.Cleanup(func() {
		p.exec(t, "DROP DATABASE IF EXISTS `"+p.database+"`")
		require.Zero(t, p.leftovers(t), "databases of an unfinished restore are left")
		require.NoError(t, p.db.Close())
	})
	return p
}

// leftovers counts the databases of restores that did not end.
func (p *place) leftovers(t *testing.T) (n int64) {
	t.Helper()
	require.NoError(t, p.db.QueryRow("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME REGEXP '_sb(new|old|kept)_|^sb(new|old|kept)-'").Scan(&n))
	return n
}

func (p *place) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := p.db.Exec(s)
		require.NoError(t, err, s)
	}
}

func (p *place) number(t *testing.T, query string) (n int64) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(strings.ReplaceAll(query, "DB", "`"+p.database+"`")).Scan(&n), query)
	return n
}

func (p *place) text(t *testing.T, query string) (text string) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(query).Scan(&text), query)
	return text
}

// guestBook makes the database of a small application, with everything that a dump has to carry.
func (p *place) guestBook(t *testing.T, rows int) {
	t.Helper()
	db := "`" + p.database + "`"
	use := "USE " + db + "; SET SESSION sql_mode = 'STRICT_TRANS_TABLES'; "
	p.exec(t,
		use+"CREATE TABLE authors (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL, UNIQUE (name)) COMMENT 'it''s; a \"test\"\n;'",
		use+"CREATE TABLE entries (id BIGINT PRIMARY KEY AUTO_INCREMENT, author INT NOT NULL, body TEXT, score DOUBLE, rating FLOAT, raw VARBINARY(40), at DATETIME(6), KEY (author), CONSTRAINT written FOREIGN KEY (author) REFERENCES authors (id))",
		use+"CREATE TABLE nokey (a VARCHAR(20) CHARACTER SET utf8mb4, b INT)",
		use+"CREATE TABLE `we``ird; name` (`co``l` INT, d JSON)",
		use+"INSERT INTO authors (name) SELECT CONCAT('author ', seq) FROM seq_1_to_50",
		use+fmt.Sprintf("INSERT INTO entries (author, body, score, rating, raw, at) SELECT 1 + seq %% 50, CONCAT('Entry ', seq, ' ', SHA2(seq, 512), '\n''quoted\\\\'), RAND(seq), RAND(seq), UNHEX(SHA1(seq)), '2026-01-01' + INTERVAL seq MICROSECOND FROM seq_1_to_%d", rows),
		use+"INSERT INTO nokey SELECT IF(seq % 3, NULL, 'ü€𝄞'), seq % 5 FROM seq_1_to_100",
		use+"INSERT INTO `we``ird; name` VALUES (1, '{\"a\": [1, 2]}'), (NULL, NULL)",
		use+"CREATE TABLE log (what VARCHAR(200))",
		use+"CREATE TRIGGER noted AFTER INSERT ON entries FOR EACH ROW BEGIN INSERT INTO log VALUES (CONCAT('new ', NEW.id)); /* USE `x`; */ END",
		use+"CREATE VIEW latest AS SELECT e.id, a.name FROM entries e JOIN authors a ON a.id = e.author",
		use+"CREATE VIEW a_view_on_a_view AS SELECT COUNT(*) AS n FROM latest",
		use+"CREATE PROCEDURE tidy() BEGIN DELETE FROM log; SELECT ';'; END",
		use+"CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n",
		use+"CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM log",
	)
}

func TestServerBackupAndRestore(t *testing.T) {
	p := onServer(t)
	ctx := t.Context()
	p.guestBook(t, 2000)
	m, err := p.store.Backup(ctx, p.source, s3backup.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{p.database}, m.Databases)
	require.EqualValues(t, 50+2000+100+2, m.Rows())
	require.NotNil(t, m.Position)
	require.NotEmpty(t, m.Position.GTID)
	require.Equal(t, []string{p.identity.Recipient().String()}, m.Recipients)
	before := p.dump(t)

	// Ten more entries, and structures that the backup does not have.
	p.exec(t, "USE `"+p.database+"`; INSERT INTO entries (author, body) SELECT 1, 'late' FROM seq_1_to_10; ALTER DATABASE CHARACTER SET utf8mb4",
		"USE `"+p.database+"`; CREATE TABLE late (id INT); CREATE VIEW lateview AS SELECT * FROM late; CREATE TRIGGER latetrigger BEFORE INSERT ON late FOR EACH ROW SET NEW.id = 1; DROP VIEW a_view_on_a_view")
	require.NotEqual(t, before, p.dump(t))

	_, err = p.store.Restore(ctx, s3backup.Select{}, s3backup.Target{})
	require.ErrorIs(t, err, s3backup.ErrNotEmpty)
	restored, err := p.store.Restore(ctx, s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.Equal(t, m.ID, restored.Backup.ID)
	require.Equal(t, before, p.dump(t))
	require.EqualValues(t, 2000, p.number(t, "SELECT COUNT(*) FROM DB.entries"))
	require.EqualValues(t, 2000, p.number(t, "SELECT n FROM DB.a_view_on_a_view"))
	p.exec(t, "USE `"+p.database+"`; INSERT INTO entries (author, body) VALUES (1, 'after')")
	require.EqualValues(t, 1, p.number(t, "SELECT COUNT(*) FROM DB.log"), "the trigger works")
	_, err = p.db.Exec("INSERT INTO `" + p.database + "`.entries (author, body) VALUES (999, 'x')")
	require.Error(t, err, "the foreign key works")

	// Into a server that has nothing of it.
	p.exec(t, "DROP DATABASE `"+p.database+"`")
	_, err = p.store.Restore(ctx, s3backup.Select{ID: m.ID}, s3backup.Target{})
	require.NoError(t, err)
	require.Equal(t, before, p.dump(t))
}

// dump is the database as its own dump program writes it, without what differs by time.
func (p *place) dump(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	_, err := s3backup.Dump{Databases: []string{p.database}, Unmeasured: true}.Copy(t.Context(), &text)
	require.NoError(t, err)
	lines := strings.SplitAfter(text.String(), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "--") }), "")
}

func (p *place) object(t *testing.T, key string) []byte {
	t.Helper()
	out, err := p.store.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &p.store.Bucket, Key: &key})
	require.NoError(t, err)
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	require.NoError(t, err)
	return text
}

func (p *place) put(t *testing.T, key string, text []byte) {
	t.Helper()
	_, err := p.store.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.store.Bucket, Key: &key, Body: bytes.NewReader(text)})
	require.NoError(t, err)
}

func (p *place) key(m s3backup.Manifest, name string) string {
	return p.store.Prefix + p.store.Site + "/backups/" + m.ID + "/" + name
}
