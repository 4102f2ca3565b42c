//go:build integration

package s3backup

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
)

// how many random texts the tests against the real servers and clients use.
func howMany() int {
	if localtest.Full() {
		return 2000
	}
	return 200
}

func pick(random *rand.Rand, from []string) string { return from[random.IntN(len(from))] }

// scriptParts are what quotes, comments, delimiters and lines can be confused with.
var scriptParts = []string{
	"'", "''", "\"", "`", "\\'", "'a'", "\"b\"", "`c`", "'\n'", " ", "\n", "\r\n", "\t", "-- ", "--", "-", "#", "/*", "*/", "/* x */", "*", "/", ";", ";;", "//", "$", "|",
	"SELECT 1", "SELECT 'x'", "1", "+", "é", "\\N", "-- it's\n", "# it's ;;\n", "/* ' ; // */", "--1", "DELIMITER ;;\n", "END", "'a;\n//'", "`$$`",
}

func TestServerScriptAsTheClientReadsIt(t *testing.T) { scriptAsTheClientReadsIt(t, "mariadb") }
func TestMySQLScriptAsTheClientReadsIt(t *testing.T)  { scriptAsTheClientReadsIt(t, "mysql") }

// scriptAsTheClientReadsIt gives random scripts to the real client and compares what its server received.
func scriptAsTheClientReadsIt(t *testing.T, client string) {
	session := onThisServer(t)
	settings := []string{"DROP USER IF EXISTS reader@localhost", "CREATE USER reader@localhost", "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = 1"}
	if client == "mysql" {
		settings = append(settings, "SET GLOBAL log_raw = 1") // what cannot be parsed is logged too
	}
	for _, text := range settings {
		require.NoError(t, session.exec(t.Context(), text))
	}
	defer func() {
		require.NoError(t, session.exec(context.WithoutCancel(t.Context()), "SET GLOBAL general_log = 0"))
		require.NoError(t, session.exec(context.WithoutCancel(t.Context()), "DROP USER reader@localhost"))
	}()
	require.NoError(t, session.exec(t.Context(), "TRUNCATE TABLE mysql.general_log"))
	var scripts []string
	var ours [][]string
	for seed := range howMany() {
		text, statements := randomScript(rand.New(rand.NewPCG(uint64(seed), 3)), client)
		if len(statements) == 0 {
			continue // it is refused at once
		}
		command := exec.CommandContext(t.Context(), client, "--no-defaults", "--comments", "--force", "--default-character-set=utf8mb4", "--socket=/run/mysqld/mysqld.sock", "--user=reader")
		command.Stdin = strings.NewReader(text)
		_ = command.Run() // its statements are nonsense
		scripts, ours = append(scripts, text), append(ours, statements)
	}
	theirs := received(t, session)
	require.Len(t, theirs, len(scripts))
	compared := 0
	for i, text := range scripts {
		require.GreaterOrEqual(t, len(theirs[i]), len(ours[i]), "%q: %q", text, theirs[i])
		require.Equal(t, ours[i], theirs[i][:len(ours[i])], "%q", text)
		compared += len(ours[i])
	}
	t.Logf("%d statements of %d scripts compared", compared, len(scripts))
	require.Greater(t, compared, howMany()/3)
}

// randomScript gives a script and, as far as it is not refused, its statements.
func randomScript(random *rand.Rand, client string) (text string, statements []string) {
	delimiter := pick(random, []string{";", ";;", "//", "$$", "|", "END", "a;b"})
	text = "DELIMITER " + delimiter + "\n"
	for range 1 + random.IntN(6) {
		for range 1 + random.IntN(8) {
			text += pick(random, scriptParts)
		}
		text += delimiter + "\n"
	}
	s := newScript(strings.NewReader(text), Origin{Flavor: client})
	for {
		one, err := s.split()
		if err != nil {
			return text, statements // what was before counts
		}
		if plain := normal(string(one)); plain != "" {
			statements = append(statements, plain)
		}
	}
}

// received gives the statements that reached the server, one list for each connection that was made meanwhile.
func received(t *testing.T, session *session) (all [][]string) {
	t.Helper()
	rows, err := session.query(t.Context(), "SELECT thread_id, command_type, CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE user_host LIKE '%reader%' ORDER BY thread_id, event_time")
	require.NoError(t, err)
	last := ""
	for _, row := range rows {
		if row[0] != last {
			all, last = append(all, nil), row[0]
		}
		text := normal(row[2])
		if row[1] == "Query" && text != "" && !strings.HasPrefix(text, "select@@") && !strings.HasPrefix(text, "select$$") { // which the client asks by itself
			all[len(all)-1] = append(all[len(all)-1], text)
		}
	}
	return all
}

// normal is a statement without what the client changes and without comments before it, which it may send by themselves.
func normal(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	for {
		end := ""
		switch {
		case strings.HasPrefix(text, "#") || strings.HasPrefix(text, "--"):
			end = "\n"
		case strings.HasPrefix(text, "/* "):
			end = "*/"
		}
		if end == "" {
			break
		}
		_, text, _ = strings.Cut(text, end)
		text = strings.TrimSpace(text)
	}
	text = strings.TrimRight(text, "; \t\n\v\f\r") // the server takes them away itself
	return strings.ReplaceAll(text, " ", "")       // the client adds one after a comment
}

func onThisServer(t *testing.T) *session {
	t.Helper()
	if os.Getenv("S3BACKUP_TEST_ENDPOINT") == "" {
		t.Skip("runs on a database server, where TestOnServer takes it")
	}
	session, err := Server{}.session(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// bodyParts may stand between any two words of a body.
var bodyParts = []string{
	" ", "\n", "\r\n", "\t", " /* ;; */ ", " /* ' */ ", " /* \" ` */ ", " -- it's ;;\n", " --\t\";;\n", " --\n", " #' ;;\n", " # `;;\n", "/**/", " /*!50000 */ ", " /*! */ ", " /*!32302 /* ;; ' */ */ ",
	" --\x01';;\n", "\n/*\nDELIMITER ;\n*/\n", " -- /*\n", " # */\n", " /* -- */ ", " /* # */ ",
}

// bodyWords are expressions.
var bodyWords = []string{
	"';;'", "'it''s'", "';;\nDELIMITER ;\n'", "1--1", "1---1", "1 - -1", "NULL", "'-- '", "'# ;;'", "'/* ;; '", "' */'", "'ü€𝄞'", "1 /*!50000 +1 */", "1 /*!50000 + ';;' */",
	"CONCAT('a' 'b')", "_latin1'x'", "X'3b3b'", "(SELECT 1 AS `;;`)", "(SELECT 1 AS `it's`)",
}

func TestServerBodiesAsTheServerReadsThem(t *testing.T) { bodiesAsTheServerReadsThem(t) }
func TestMySQLBodiesAsTheServerReadsThem(t *testing.T)  { bodiesAsTheServerReadsThem(t) }

// bodiesAsTheServerReadsThem makes random routines, dumps them by the real program and reads its script: each is there as
// the one statement that the server itself states, and nothing else is.
func bodiesAsTheServerReadsThem(t *testing.T) {
	session := onThisServer(t)
	ctx := t.Context()
	run := func(text string) { require.NoError(t, session.exec(ctx, text), text) }
	run("CREATE DATABASE bodies CHARACTER SET utf8mb4")
	defer func() { require.NoError(t, session.exec(context.WithoutCancel(ctx), "DROP DATABASE bodies")) }()
	run("USE bodies")
	want := map[string]string{}
	for seed := range howMany() {
		random := rand.New(rand.NewPCG(uint64(seed), 4))
		mode := pick(random, []string{"", "", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"})
		run("SET sql_mode = '" + mode + "'")
		escaping := []string{`'\'`, `'\\' ' ;;'`}
		if !strings.Contains(mode, "BACKSLASH") {
			escaping = []string{`'\' ;;'`, `'\\'`, "'\\\n'"}
		}
		var text strings.Builder
		between := func() { text.WriteString(pick(random, bodyParts)) }
		name := fmt.Sprintf("p%d", seed)
		text.WriteString("CREATE PROCEDURE " + name + "() BEGIN")
		for range 1 + random.IntN(4) {
			between()
			text.WriteString("SELECT")
			for i := range 1 + random.IntN(3) {
				if i > 0 {
					text.WriteString(",")
				}
				between()
				text.WriteString(pick(random, append(escaping, bodyWords...)))
			}
			between()
			text.WriteString(";")
		}
		between()
		text.WriteString("END")
		if err := session.exec(ctx, text.String()); err != nil {
			t.Logf("seed %d: the server refuses %q: %s", seed, text.String(), err)
			continue
		}
		shown, err := one(ctx, session, "SHOW CREATE PROCEDURE "+name, 2)
		require.NoError(t, err)
		want[name] = shown
	}
	require.Greater(t, len(want), howMany()/2)
	var dumped bytes.Buffer
	_, err := Dump{Databases: []string{"bodies"}, Unmeasured: true}.Copy(ctx, &dumped)
	require.NoError(t, err)
	got := map[string]string{}
	read, err := whole(dumped.String(), session.origin.Flavor)
	require.NoError(t, err)
	for _, st := range read {
		if st.kind == body {
			got[st.made.name] = string(st.text)
		} else {
			require.Contains(t, []kind{setting, logging, use, create, drop}, st.kind, "%s", st.text)
		}
	}
	require.Equal(t, want, got)
}
