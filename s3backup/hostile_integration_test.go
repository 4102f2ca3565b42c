//go:build integration

package s3backup_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

func TestServerApplicationStaysItself(t *testing.T) { applicationStaysItself(t) }
func TestMySQLApplicationStaysItself(t *testing.T)  { applicationStaysItself(t) }

// applicationStaysItself: what the application may make in its own database, restore and verify never run as anything else.
func applicationStaysItself(t *testing.T) {
	p := onServer(t)
	views := "SELECT COUNT(*) FROM information_schema.VIEWS WHERE DEFINER = 'app@localhost' AND TABLE_SCHEMA = '" + p.database + "'"
	p.exec(t, "DROP USER IF EXISTS app@localhost", "CREATE USER app@localhost IDENTIFIED BY 'Aa1-secret'", "GRANT ALL PRIVILEGES ON `"+p.database+"`.* TO app@localhost",
		"USE `"+p.database+"`; CREATE TABLE t (x INT) COMMENT '; GRANT ALL PRIVILEGES ON *.* TO app@localhost;'", "INSERT INTO `"+p.database+"`.t VALUES (1)",
		"CREATE DEFINER=root@localhost PROCEDURE `"+p.database+"`.roots() SELECT COUNT(*) FROM mysql.user",
		"USE `"+p.database+"`; CREATE DEFINER=app@localhost VIEW w1 AS SELECT x FROM t; CREATE DEFINER=app@localhost VIEW w2 AS SELECT x FROM w1")
	defer p.exec(t, "DROP USER app@localhost")
	for name, body := range map[string]string{
		"zz": "SET @a = 1 # ;;\n--1 + '\nCREATE USER IF NOT EXISTS `app`@`localhost` ;;\nGRANT ALL PRIVILEGES ON *.* TO `app`@`localhost` WITH GRANT OPTION ;;\n--'\n",
		"za": "SELECT 1 /* ;;\nDELIMITER ;\nGRANT ALL PRIVILEGES ON *.* TO `app`@`localhost`;\nDELIMITER ;;\n*/",
		"zb": "SELECT ' ;;\nDELIMITER ;\nGRANT ALL PRIVILEGES ON *.* TO `app`@`localhost`;\n'",
		"zc": "BEGIN SELECT 1; -- ;;\nSELECT 2; END",
	} {
		p.exec(t, "CREATE DEFINER=app@localhost PROCEDURE `"+p.database+"`."+name+"()\n"+body)
	}
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	before := routines(t, p)
	verdict, err := p.store.Verify(t.Context(), s3backup.Select{}, s3backup.Scratch{Dir: "/var/tmp"})
	require.NoError(t, err)
	require.True(t, verdict.OK, verdict.Problems)
	for range 2 { // over what is there, and into a server that has nothing of it
		_, err = p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true})
		require.NoError(t, err)
		require.Equal(t, before, routines(t, p))
		require.EqualValues(t, 2, p.number(t, views))
		p.exec(t, "DROP DATABASE `"+p.database+"`")
	}
	p.exec(t, "CREATE DATABASE `"+p.database+"`")
	p.applicationIsHarmless(t)

	p.refusesHandwritten(t, m.Server)
}

// refusesHandwritten: a script that another hand wrote restores nothing that the application could not have made.
func (p *place) refusesHandwritten(t *testing.T, from s3backup.Origin) {
	head := "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `" + p.database + "` /*!40100 DEFAULT CHARACTER SET latin1 */;\nUSE `" + p.database + "`;\nCREATE TABLE `t` (\n  `x` int\n) ENGINE=InnoDB;\n"
	body := func(text string) string { return head + "DELIMITER ;;\n" + text + " ;;\nDELIMITER ;\n" }
	for _, hand := range []struct {
		text string
		want error
	}{
		{head + "GRANT ALL PRIVILEGES ON *.* TO `app`@`localhost`;\n", s3backup.ErrScript},
		{head + "INSERT INTO `mysql`.`user` VALUES (1);\n", s3backup.ErrScript},
		{head + "USE `mysql`;\n", s3backup.ErrCorrupt},
		{head + "SET GLOBAL event_scheduler = 1;\n", s3backup.ErrScript},
		{body("/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ /*!50106 EVENT `evil` ON SCHEDULE EVERY 1 DAY DO GRANT ALL PRIVILEGES ON *.* TO app@localhost */"), s3backup.ErrDefiner},
		{body("/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `evil` BEFORE INSERT ON `t` FOR EACH ROW SET NEW.x = 1 */"), s3backup.ErrDefiner},
		{head + "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n/*!50001 VIEW `evil` AS select `mysql`.`user`.`User` from `mysql`.`user` */;\n", s3backup.ErrDefiner},
		{body("CREATE DEFINER=`root`@`localhost` PROCEDURE `evil`() SELECT COUNT(*) FROM mysql.user"), s3backup.ErrDefiner},
	} {
		_, err := p.store.Backup(t.Context(), handwritten{hand.text + "-- Dump completed\n", p.database, from}, s3backup.Options{Shrink: true})
		require.NoError(t, err)
		_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
		require.ErrorIs(t, err, hand.want, hand.text)
	}
	p.applicationIsHarmless(t)
	// The last of them is a procedure of root's, which somebody has looked at.
	_, err := p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true, TrustDefiners: true})
	require.NoError(t, err)
	p.applicationIsHarmless(t)
}

// TestServerLeavesOut: what the application may make, and what no reader of scripts can be sure of, is left out of a backup by
// name. The rest is verified good, and restores.
func TestServerLeavesOut(t *testing.T) {
	p := onServer(t)
	db := "USE `" + p.database + "`; SET SESSION character_set_client = utf8mb4; "
	p.exec(t, db+"CREATE TABLE t (x INT)", db+"INSERT INTO t VALUES (1)", db+"CREATE PROCEDURE p_hint() SELECT /*+ it's \"x\" ` */ 1",
		db+"CREATE PROCEDURE bad1() SELECT 1--é", db+"CREATE PROCEDURE bad2() BEGIN SELECT 1 AS\nDELIMITER\n; SELECT 2; END", db+"CREATE FUNCTION bad3(é INT) RETURNS INT DETERMINISTIC RETURN 1--é",
		db+"CREATE TRIGGER /* ' */ bad4 BEFORE INSERT ON t FOR EACH ROW BEGIN DECLARE é INT; SET @a = 1--é; END", db+"CREATE EVENT bad5 ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1--é",
		db+"SET NAMES latin1; CREATE PROCEDURE bad6() SELECT '\xe9', 1--\xe9; SET NAMES utf8mb4", db+"CREATE PROCEDURE z_good() SELECT ';;'")
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	var left []string
	for _, l := range m.Left {
		left = append(left, l.Kind+" "+l.Name)
		require.Contains(t, l.Why, "a restore would refuse it: ")
		require.Contains(t, l.Create, "CREATE DEFINER=")
	}
	require.ElementsMatch(t, []string{"procedure bad1", "procedure bad2", "function bad3", "trigger bad4", "event bad5", "procedure bad6"}, left)
	require.NotContains(t, strings.Join(m.Warnings, "\n"), "refuses this backup")
	verdict, err := p.store.Verify(t.Context(), s3backup.Select{}, s3backup.Scratch{Dir: "/var/tmp"})
	require.NoError(t, err)
	require.True(t, verdict.OK, verdict.Problems)
	p.exec(t, "DROP DATABASE `"+p.database+"`")
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{})
	require.NoError(t, err)
	require.EqualValues(t, 2, p.number(t, "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_NAME IN ('p_hint', 'z_good') AND ROUTINE_SCHEMA = '"+p.database+"'"))
}

// handwritten is a Source whose script no dump program wrote.
type handwritten struct {
	text, database string
	from           s3backup.Origin
}

func (h handwritten) Copy(_ context.Context, w io.Writer) (s3backup.Facts, error) {
	_, err := io.WriteString(w, h.text)
	return s3backup.Facts{Kind: "sql", Tool: "a hand", Server: h.from, Databases: []string{h.database}}, err
}

// routines are the texts of a database's procedures.
func routines(t *testing.T, p *place) string {
	t.Helper()
	var text string
	require.NoError(t, p.db.QueryRow("SELECT GROUP_CONCAT(ROUTINE_NAME, DEFINER, ROUTINE_DEFINITION ORDER BY ROUTINE_NAME SEPARATOR '\n') FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '"+p.database+"'").Scan(&text))
	return text
}

// applicationIsHarmless: the account has its database alone, and no account of a restore is left.
func (p *place) applicationIsHarmless(t *testing.T) {
	t.Helper()
	rows, err := p.db.Query("SHOW GRANTS FOR app@localhost")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var grant string
		require.NoError(t, rows.Scan(&grant))
		if !strings.Contains(grant, "GRANT USAGE ON *.*") {
			require.Contains(t, strings.ReplaceAll(grant, `\_`, "_"), " ON `"+p.database+"`.* ")
		}
	}
	var left int
	require.NoError(t, p.db.QueryRow("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 's3backup%'").Scan(&left))
	require.Zero(t, left)
}

// TestServerLoginWithoutGrants: who may not give rights restores by itself.
func TestServerLoginWithoutGrants(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 10)
	p.exec(t, "CREATE USER plain@localhost IDENTIFIED BY 'Aa1-secret'", "GRANT ALL PRIVILEGES ON *.* TO plain@localhost")
	defer p.exec(t, "DROP USER plain@localhost")
	_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Server: s3backup.Server{User: "plain", Password: "Aa1-secret"}, Replace: true})
	require.NoError(t, err)
	require.Zero(t, p.number(t, "SELECT COUNT(*) FROM mysql.user WHERE User LIKE 's3backup%'"))
}

// TestServerAccountsOfKilledRestores: an account that a killed restore leaves goes with the next.
func TestServerAccountsOfKilledRestores(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 100)
	_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	accounts := func() int64 { return p.number(t, "SELECT COUNT(*) FROM mysql.user WHERE User LIKE 's3backup%'") }
	p.kill(t, suicide{Verb: "restore", SQL: "CREATE TABLE `entries`"})
	require.EqualValues(t, 1, accounts())
	// What the account may do is its own databases' tables.
	var name string
	require.NoError(t, p.db.QueryRow("SELECT User FROM mysql.user WHERE User LIKE 's3backup%'").Scan(&name))
	rows, err := p.db.Query("SHOW GRANTS FOR '" + name + "'@localhost")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var grant string
		require.NoError(t, rows.Scan(&grant))
		require.Regexp(t, "^GRANT REFERENCES ON \\*\\.\\*|^GRANT ALL PRIVILEGES ON `sbnew-[0-9a-f]{16}-[0-9a-f]{6}`", grant)
	}
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.Zero(t, accounts())
}
