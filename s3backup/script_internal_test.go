package s3backup

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// whole reads a script to its end, or to its first mistake.
func whole(text, flavor string) (all []statement, err error) {
	return readAs(text, Origin{Flavor: flavor})
}

func readAs(text string, server Origin) (all []statement, err error) {
	s := newScript(strings.NewReader(text), server)
	for {
		st, err := s.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		st.text = bytes.Clone(st.text)
		all = append(all, st)
	}
}

func statements(t *testing.T, text string) (all []string, kinds []kind, made []object, err error) {
	t.Helper()
	read, err := whole(text, "mariadb")
	for _, st := range read {
		all, kinds = append(all, string(st.text)), append(kinds, st.kind)
		if st.kind == body {
			made = append(made, st.made)
		}
	}
	return all, kinds, made, err
}

func TestScript(t *testing.T) {
	all, kinds, made, err := statements(t, "/*M!999999\\- enable the sandbox mode */ \n-- comment; \n\n/* SET @@GLOBAL.GTID_PURGED='+a:1-5,\nb:1-3';*/\nUSE `a``b`;\n"+
		"CREATE TABLE `t` (\n  `x;\n` int COMMENT 'a;\n''b\\';',\n  `y` int -- ;\n);\nSET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;\n"+
		"INSERT INTO `t` VALUES\n(1,'it\\'s; (\\');'),\n(2,'\\n');\nINSERT INTO `t` (`a`, `b``c`) VALUES (-1.5e-7,NULL),(0x00FF,_binary '\\'');\n"+
		"/*!50003 SET sql_mode = '' */ ;\nDELIMITER ;;\nCREATE DEFINER=`a`@`%` PROCEDURE `x`()\nBEGIN\n SELECT 1;\n SELECT 2;\nEND ;;\nDELIMITER ;\n"+
		"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET latin1 */;\n/*!50001 DROP VIEW IF EXISTS `v`*/;\nDROP TABLE IF EXISTS `t`;\n"+
		"-- Dump completed on 2026-11-24\n")
	require.NoError(t, err)
	require.Equal(t, []string{
		"USE `a``b`", "CREATE TABLE `t` (\n  `x;\n` int COMMENT 'a;\n''b\\';',\n  `y` int -- ;\n)", "SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0",
		"INSERT INTO `t` VALUES\n(1,'it\\'s; (\\');'),\n(2,'\\n')", "INSERT INTO `t` (`a`, `b``c`) VALUES (-1.5e-7,NULL),(0x00FF,_binary '\\'')",
		"/*!50003 SET sql_mode = '' */", "CREATE DEFINER=`a`@`%` PROCEDURE `x`()\nBEGIN\n SELECT 1;\n SELECT 2;\nEND",
		"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET latin1 */", "/*!50001 DROP VIEW IF EXISTS `v`*/", "DROP TABLE IF EXISTS `t`",
	}, all)
	require.Equal(t, []kind{use, data, setting, data, data, setting, body, create, drop, data}, kinds)
	require.Equal(t, []object{{"PROCEDURE", "x", "a@%"}}, made)
}

func TestScriptRefusesWhatIsNotWhole(t *testing.T) {
	for _, text := range []string{
		"", "COMMIT;\n", "COMMIT;\n-- Dump completed\nCOMMIT", "INSERT INTO `t` VALUES\n(1),\n", "CREATE TABLE `x;\n", "-- Dump comp",
		"DELIMITER ;;\nCREATE DEFINER=`a`@`b` PROCEDURE `x`() SELECT 1\n-- Dump completed\n", "-- Dump completed\nCOMMIT;\n",
	} {
		_, _, _, err := statements(t, text)
		require.ErrorIs(t, err, ErrTruncated, "%q", text)
	}
}

// TestScriptOfDumps reads what the dump programs write of a database with everything in it.
func TestScriptOfDumps(t *testing.T) {
	for _, name := range []string{"mariadb-11.8", "mysql-9.7"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + name + ".sql")
			require.NoError(t, err)
			flavor, _, _ := strings.Cut(name, "-")
			read, err := whole(string(text), flavor)
			require.NoError(t, err)
			made := map[string]string{}
			for _, st := range read {
				if st.kind == body {
					made[st.made.kind+" "+st.made.name] = st.made.definer
				}
			}
			for _, want := range []string{
				"TRIGGER noted", "EVENT nightly", "FUNCTION twice", "PROCEDURE ansi", "PROCEDURE tidy", "PROCEDURE zz", "VIEW b_view", "VIEW latest",
			} {
				require.Equal(t, "root@localhost", made[want], want)
			}
		})
	}
}

// bodyScript is the script of one procedure.
func bodyScript(mode, client, text string) string {
	return "/*!50003 SET sql_mode = '" + mode + "' */ ;\n/*!50003 SET character_set_client = " + client + " */ ;\nDELIMITER ;;\n" +
		"CREATE DEFINER=`a`@`b` PROCEDURE `p`()\n" + text + " ;;\nDELIMITER ;\n-- Dump completed\n"
}

func TestScriptReadsBodies(t *testing.T) {
	for _, test := range []struct{ mode, text string }{
		{"", "BEGIN\n/* it's done ;;\n*/ SELECT 1; -- it's ;;\nEND"},
		{"", "SET @a = 1 # ;;\n--1 + '\nCREATE USER `app` ;;\nGRANT ALL ON *.* TO `app` ;;\n--'\n"},
		{"", "SELECT 1 --1"}, {"", "SELECT 1 ---1"}, {"", "BEGIN SELECT ';;', \";;\", `;;`; END"},
		{"", "SELECT 'it''s \\' ;;' /* ;; ' */"}, {"", "SELECT /*!50000 ';;' */ 1"}, {"", "SELECT /*!50000 1 /* ;; */ + */ 1"},
		{"", "SELECT /*! 1 */ + /*!32302 '*/' */"}, {"", "SELECT 1 /*!50701 nothing ;; ' to MariaDB */"}, {"", "SELECT \\N"}, {"", "SELECT /*!100000 '*/ 1 /*' */"},
		{"", "SELECT 1 -- \n"}, {"", "SELECT 1 --\t;;\n"}, {"", "SELECT 1 --\x01;;\n"}, {"", "SELECT 'a\r\nb', '\xff\xfe'"}, {"", "SELECT 1;;2"[:8]},
		{"NO_BACKSLASH_ESCAPES", "SELECT '\\', ' ;;'"}, {"ANSI_QUOTES", "SELECT \"\\\" FROM \" ;;\""}, {"ORACLE", "SELECT \"\\\" FROM \" ;;\""},
		{"", "BEGIN\nSELECT '\nDELIMITER ;\n';\n/*\nDELIMITER ;\n*/\nEND"},
	} {
		all, kinds, _, err := statements(t, bodyScript(test.mode, "utf8mb4", test.text))
		require.NoError(t, err, test.text)
		require.Equal(t, []kind{setting, setting, body}, kinds, test.text)
		require.Equal(t, strings.TrimSpace("CREATE DEFINER=`a`@`b` PROCEDURE `p`()\n"+test.text), all[2])
	}
}

// TestScriptReadsHints: a server that has no hints takes them for comments. In one that has, quotes may be quotes or not.
func TestScriptReadsHints(t *testing.T) {
	old, recent, mysql := Origin{Flavor: "mariadb", Version: "11.8.9-MariaDB"}, Origin{Flavor: "mariadb", Version: "12.1.2-MariaDB"}, Origin{Flavor: "mysql", Version: "9.7.0"}
	for text, readers := range map[string][]Origin{
		"SELECT /*+ it's \"x\" ` */ 1":                         {old},
		"SELECT /*+ it's */ 1 /* ' */":                         {old},
		"SELECT /*+ 'a */ ;;\n' */ 1":                          nil,
		"SELECT /*+ \\ */ 1":                                   {old},
		"SELECT /*+ SET_VAR(sql_mode='') QB_NAME(`a`) */ ';;'": {old, recent, mysql},
		"SELECT /*+ \"it's\" 'x' */ 1":                         {old},
		"SELECT /*+ BKA(t)\n */ 1":                             {old, recent, mysql},
	} {
		for _, server := range []Origin{old, recent, mysql} {
			all, err := readAs(bodyScript("", "utf8mb4", text), server)
			if slices.Contains(readers, server) {
				require.NoError(t, err, "%s: %s", server.Version, text)
				require.Contains(t, string(all[2].text), text)
				continue
			}
			require.Error(t, err, "%s: %s", server.Version, text)
		}
	}
}

// foreign is what no dump program writes, or what servers would read in different ways.
var foreign = []string{
	"SET GLOBAL general_log = 1;\n", "SET @@GLOBAL.general_log = 1;\n", "SET PERSIST x = 1;\n", "SET PASSWORD = 'x';\n", "SET sql_mode = (SELECT 1);\n",
	"SET sql_mode = 4;\n", "SET character_set_client = 28;\n", "SET @x = LOAD_FILE('/etc/passwd');\n", "SET ROLE admin;\n", "SET STATEMENT sql_mode='' FOR GRANT ALL ON *.* TO a;\n",
	"/*!50003 SET sql_mode = '' */ /*!50003 , GLOBAL x = 1 */;\n", "/*!80000 SET sql_mode = 'ANSI' */;\n", "/*M!999999 SET character_set_client = gbk */;\n",
	"CREATE USER a;\n", "GRANT ALL ON *.* TO a;\n", "create user a;\n", "DROP DATABASE `shop`;\n", "USE mysql;\n", "USE `a`; \n\\! id\n", "FLUSH PRIVILEGES;\n",
	"INSERT INTO mysql.user VALUES (1);\n", "INSERT INTO `mysql`.`user` VALUES (1);\n", "INSERT INTO `t` SELECT * FROM x;\n", "INSERT INTO `t` VALUES (1), (SELECT 1);\n",
	"INSERT INTO `t` VALUES (USER());\n", "INSERT INTO `t` VALUES (1) ON DUPLICATE KEY UPDATE x = 1;\n", "INSERT INTO `t` VALUES (1); GRANT ALL ON *.* TO a;\n", "INSERT INTO `t` VALUES ('a' 'b');\n",
	"INSERT INTO `t` VALUES ('a\nb');\n", "INSERT INTO `t` VALUES ();\n", "INSERT INTO `t` VALUES (1,);\n", "INSERT INTO `t` VALUES (1\n", "REPLACE INTO `t` VALUES (1);\n",
	"CREATE TABLE `other`.`t` (\n x int);\n", "CREATE TABLE other.t (\n x int);\n", "CREATE TABLE `t` LIKE mysql.user;\n", "CREATE TABLE `t` (\n `x` int) AS SELECT 1;\n",
	"CREATE TABLE `t` (\n `x` int) ENGINE=FEDERATED CONNECTION='mysql://';\n", "CREATE TABLE `t` (\n `x` int) ENGINE=CONNECT;\n", "CREATE TABLE `t` (\n `x` int) ENGINE=InnoDB DATA DIRECTORY='/tmp';\n",
	"CREATE TABLE `t` (\n `x` int) /*!50100 ENGINE = spider */;\n", "CREATE TEMPORARY TABLE `t` (\n `x` int);\n", "CREATE OR REPLACE TABLE `t` (\n `x` int);\n",
	"CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x');\n", "INSTALL PLUGIN x SONAME 'x.so';\n", "CREATE FUNCTION f RETURNS STRING SONAME 'x.so';\n",
	"LOAD DATA INFILE '/etc/passwd' INTO TABLE `t`;\n", "SELECT 1 INTO OUTFILE '/tmp/x';\n", "CALL evil();\n", "DO evil();\n", "DO SETVAL(`s`, evil(), 0);\n", "SELECT SETVAL(`s`, 1, 0), evil();\n",
	"SET TIME_ZONE='+00:00'; GRANT ALL ON *.* TO a;\n", "COMMIT; COMMIT;\n", "COMMIT; -- x\n", "COMMIT\\g\n", "\\. /etc/passwd\n", "source /etc/passwd\n", "system id\n", "--1\n", "# x\nCOMMIT;\n",
	"delimiter //\n", "DELIMITER\n", "DELIMITER ' '\n", "DELIMITER // x\n", "DELIMITER \\\n", "DELIMITER --\n", "COMMIT\x00;\n", "ALTER TABLE `t` ADD x int;\n", "/*!40000 ALTER TABLE `o`.`t` DISABLE KEYS */;\n",
	"LOCK TABLES `mysql`.`user` WRITE;\n", "CREATE VIEW `v` AS SELECT 1;\n", "/*!50001 CREATE VIEW `v` AS SELECT evil() AS `x` */;\n", "/*!50001 DROP VIEW IF EXISTS `a`.`v`*/;\n", "DROP USER a;\n",
	"CREATE PROCEDURE `p`()\nSELECT 1;\n", "CREATE DATABASE `x` DEFAULT ENCRYPTION='N'; USE `x`;\n",
	"/* x */ GRANT ALL ON *.* TO a /* */;\n", "/*+ ' */ GRANT ALL ON *.* TO a;\n", "/*!50000 GRANT ALL ON *.* TO a */;\n", "/*M!100100 GRANT ALL ON *.* TO a */;\n",
}

func TestScriptRefusesWhatNoDumpProgramWrites(t *testing.T) {
	for _, text := range foreign {
		all, _, _, err := statements(t, text+"-- Dump completed\n")
		if !errors.Is(err, ErrScript) {
			require.ErrorIs(t, err, ErrTruncated, "%q: %q", text, all)
		}
		require.LessOrEqual(t, len(all), 1, "%q: %q", text, all)
	}
	for _, test := range []struct{ mode, client, text string }{
		{"", "utf8mb4", "SELECT 1 ;;\nDELIMITER ;\nGRANT ALL ON *.* TO a;\nDELIMITER ;;\nSELECT 1"}, // the body holds its delimiter
		{"", "utf8mb4", "SELECT /*!100000 ;; */ 1"}, {"", "utf8mb4", "SELECT /*!50000 ;;\n */ 1"},
		{"", "utf8mb4", "SELECT 1 -- hides the end"}, {"", "utf8mb4", "SELECT 1 # hides the end"}, {"", "utf8mb4", "SELECT /*+ ' */ 1"}, {"", "utf8mb4", "SELECT 1 --\xa0;;\n"},
		{"", "sjis", "SELECT '\x83\\', ' ;;\nGRANT ALL ON *.* TO a ;;\n '"}, {"", "gbk", "SELECT `\x83``;;`"}, {"", "utf8mb4", "SELECT 1 \\g"}, {"", "utf8mb4", "SELECT '\x00'"},
		{"", "utf8mb4", "SELECT 1 */ ;;"}, {"", "utf8mb4", "SELECT 'not closed"}, {"", "utf8mb4", "SELECT 1 /* not closed"},
	} {
		_, _, made, err := statements(t, bodyScript(test.mode, test.client, test.text))
		if !errors.Is(err, ErrScript) {
			require.ErrorIs(t, err, ErrTruncated, test.text)
		}
		require.LessOrEqual(t, len(made), 1, test.text)
	}
}
