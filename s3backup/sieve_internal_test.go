package s3backup

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// sift lets a text through.
func sift(t *testing.T, text string, server Origin, known ...definition) (string, *sieve) {
	t.Helper()
	var out bytes.Buffer
	v := newSieve(server, &out, func(string) ([]definition, error) { return known, nil })
	_, err := io.Copy(v, iotest.OneByteReader(strings.NewReader(text)))
	require.NoError(t, err)
	require.NoError(t, v.finish())
	return out.String(), v
}

func procedure(name, body string) (definition, string) {
	tail := "PROCEDURE `" + name + "`()\n" + body
	create := "CREATE DEFINER=`a`@`b` " + tail
	return definition{"PROCEDURE", name, create, tail}, "/*!50003 SET sql_mode = '' */ ;\nDELIMITER ;;\n" + create + " ;;\nDELIMITER ;\n"
}

func TestSieveLetsDumpsPass(t *testing.T) {
	for _, name := range []string{"mariadb-11.8", "mysql-9.7"} {
		text, err := os.ReadFile("testdata/" + name + ".sql")
		require.NoError(t, err)
		flavor, _, _ := strings.Cut(name, "-")
		out, v := sift(t, string(text), Origin{Flavor: flavor})
		require.Equal(t, string(text), out)
		require.Empty(t, v.left)
		require.NoError(t, v.refused)
	}
	for _, text := range []string{"", "COMMIT", "COMMIT;\n", "INSERT INTO `t` VALUES\n(1),\n", "CREATE TABLE `x;\n"} { // others say what it is worth
		out, v := sift(t, text, Origin{})
		require.Equal(t, text, out)
		require.NoError(t, v.refused)
	}
}

// TestSieveLeavesOut what Restore would refuse of what the application may make, and nothing else.
func TestSieveLeavesOut(t *testing.T) {
	for _, body := range []string{
		"SELECT /*+ it's \"x\" ` */ 1", "SELECT 1--\u00e9", "SELECT 1 AS\nDELIMITER\n", "SELECT 1 -- hides the end", "SELECT 1 /* not closed",
		"SELECT /*!100000 ;; */ 1", "SELECT 1 --\xa0", "BEGIN\nSELECT 1\n\n\n\\x;\nEND",
	} {
		good, before := procedure("good", "SELECT 1")
		bad, text := procedure("bad", body)
		other, after := procedure("other", "SELECT ';;'")
		head, tail := "USE `shop`;\n", "-- Dump completed\n"
		out, v := sift(t, head+before+text+after+tail, Origin{}, good, definition{"PROCEDURE", "longer", "", bad.tail + " or not"}, bad, other)
		require.NoError(t, v.refused, body)
		require.Equal(t, head+before+"/*!50003 SET sql_mode = '' */ ;\nDELIMITER ;;\nDELIMITER ;\n"+after+tail, out)
		_, err := whole(out, "mariadb")
		require.NoError(t, err)
		require.Len(t, v.left, 1)
		require.Contains(t, v.left[0].Why, "a restore would refuse it: ")
		v.left[0].Why = ""
		require.Equal(t, Left{Kind: "procedure", Database: "shop", Name: "bad", Create: bad.create}, v.left[0])
		facts := Facts{Left: []Left{{Kind: "view"}}, Objects: []Objects{{Database: "other", Routines: 3}, {Database: "shop", Routines: 3}}}
		v.state(&facts)
		require.Len(t, facts.Left, 2)
		require.EqualValues(t, []int64{3, 2}, []int64{facts.Objects[0].Routines, facts.Objects[1].Routines})

		// What the server does not state with that text passes, and the backup says so.
		out, v = sift(t, head+before+text+after+tail, Origin{}, good, other)
		require.Equal(t, head+before+text+after+tail, out, body)
		if _, err = whole(out, "mariadb"); errors.Is(err, ErrScript) {
			v.state(&facts)
			require.ErrorIs(t, v.refused, ErrScript, body)
			require.Contains(t, facts.Warnings[0], "a restore refuses this backup: ")
		}
	}
}

// TestSieveLeavesOutTriggers: the dump programs write their own words around the text of these.
func TestSieveLeavesOutTriggers(t *testing.T) {
	acct := "DEFINER=`a`@`b`"
	for _, test := range []struct{ kind, tail, script string }{
		{"TRIGGER", "TRIGGER /* ' */ x BEFORE INSERT ON t FOR EACH ROW SET @a = 1--\u00e9", "DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 " + acct + "*/ /*!50003 TAIL */;;\nDELIMITER ;\n"},
		{"EVENT", "EVENT `x` ON SCHEDULE EVERY 1 DAY DO SELECT 1--\u00e9", "DELIMITER ;;\n/*!50106 CREATE*/ /*!50117 " + acct + "*/ /*!50106 TAIL \n*/ ;;\nDELIMITER ;\n"},
		{"VIEW", "VIEW `x` AS select 1--\u00e9 AS `x`", "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 " + acct + " SQL SECURITY DEFINER */\n/*!50001 TAIL */;\n"},
	} {
		text := "USE `shop`;\n" + strings.ReplaceAll(test.script, "TAIL", test.tail) + "COMMIT;\n-- Dump completed\n"
		out, v := sift(t, text, Origin{}, definition{test.kind, "x", "", test.tail})
		require.Len(t, v.left, 1, test.kind)
		require.NotContains(t, out, "\u00e9")
		_, err := whole(out, "mariadb")
		require.NoError(t, err)
	}
	table := "CREATE TABLE `t` (\n  `x` int\n) ENGINE=CONNECT;\nCOMMIT;\n-- Dump completed\n"
	out, v := sift(t, table, Origin{})
	require.Equal(t, table, out)
	require.ErrorContains(t, v.refused, `a table of the engine "CONNECT"`)
}

// TestScriptPoursLongRows: rows of any length pass in bounded memory.
func TestScriptPoursLongRows(t *testing.T) {
	long := "'" + strings.Repeat("x", 3<<20) + "'"
	for _, rows := range []string{"(1," + long + "),(2,'a');\n", "\n(1," + long + "),\n(2,'a');\n", "\n(1,'a'),\n(2," + long + "),\n(3," + long + ");\n", "\n(1," + long + ");\n"} {
		text := "INSERT INTO `t` VALUES " + rows + "COMMIT;\n-- Dump completed\n"
		var out bytes.Buffer
		s := newScript(strings.NewReader(text), Origin{})
		s.bound = 1 << 20
		most := 0
		s.pass = func(p []byte) error {
			most = max(most, len(p))
			_, err := out.Write(p)
			return err
		}
		_, err := s.split()
		require.NoError(t, err)
		next, err := s.split()
		require.NoError(t, err)
		require.Equal(t, "COMMIT", string(next))
		_, err = s.split()
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, text, out.String())
		require.LessOrEqual(t, most, 3<<20)
	}
}
