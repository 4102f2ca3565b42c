//go:build integration

package s3backup_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

// dataCase is data that a restore must bring back as it was, into the server it came from and into one that has nothing
// of it. In its statements A and B are two databases of the backup and OUT one that is not in it, each in backquotes.
type dataCase struct {
	name    string
	mariaDB bool     // only there
	nothing bool     // restored onto nothing, too; at full size all are
	make    []string // before the backup
	said    []string // in the manifest's warnings
	told    []string // by each restore
	globals []string // settings of the server while it is backed up and restored; those that it knows
	kept    []string // queries whose answers are the same after a restore over what is there
	damage  []string // after it
	works   []string // afterwards
	undo    []string // what works has left outside of the backup
	apart   bool     // verified by itself
	fails   bool     // also restored in vain: what was there is put back after the exchange
	refused []string
	counts  map[string]int64 // what queries give afterwards
}

var dataCases = []dataCase{
	{
		name: "keys between databases", nothing: true,
		make:    []string{"CREATE TABLE `A`.parent (id INT PRIMARY KEY)", "CREATE TABLE `B`.child (p INT, CONSTRAINT leads FOREIGN KEY (p) REFERENCES `A`.parent (id) ON DELETE CASCADE ON UPDATE SET NULL)", "INSERT INTO `A`.parent VALUES (1), (2)", "INSERT INTO `B`.child VALUES (1)"},
		damage:  []string{"DELETE FROM `A`.parent WHERE id = 2"},
		works:   []string{"INSERT INTO `B`.child VALUES (2)"},
		refused: []string{"INSERT INTO `B`.child VALUES (99)"},
		counts: map[string]int64{
			"SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'B' AND DELETE_RULE = 'CASCADE' AND UPDATE_RULE = 'SET NULL' AND UNIQUE_CONSTRAINT_SCHEMA = 'A'": 1,
		},
	},
	{
		name: "keys in chains, cycles, of two columns and to their own table",
		make: []string{
			"CREATE TABLE `A`.one (a INT, b VARCHAR(20) COMMENT 'REFERENCES `A`.`x`; it''s', up INT, PRIMARY KEY (a, b), KEY (up))",
			"CREATE TABLE `B`.two (a INT, b VARCHAR(20), id INT PRIMARY KEY, FOREIGN KEY (a, b) REFERENCES `A`.one (a, b))",
			"CREATE TABLE `A`.three (id INT PRIMARY KEY, two INT, FOREIGN KEY (two) REFERENCES `B`.two (id), self INT, FOREIGN KEY (self) REFERENCES three (id))",
			"ALTER TABLE `A`.one ADD CONSTRAINT round FOREIGN KEY (up) REFERENCES `B`.two (id)",
			"INSERT INTO `A`.one VALUES (1, 'x', NULL)", "INSERT INTO `B`.two VALUES (1, 'x', 7)", "UPDATE `A`.one SET up = 7",
			"INSERT INTO `A`.three VALUES (1, 7, NULL), (2, 7, 1)",
		},
		works:   []string{"INSERT INTO `B`.two VALUES (1, 'x', 8)", "INSERT INTO `A`.one VALUES (1, 'y', 8)", "INSERT INTO `A`.three VALUES (3, 8, 2)"},
		refused: []string{"INSERT INTO `B`.two VALUES (1, 'z', 9)", "INSERT INTO `A`.one VALUES (2, 'y', 99)", "INSERT INTO `A`.three VALUES (4, 99, 1)", "INSERT INTO `A`.three VALUES (5, 7, 99)"},
	},
	{
		name: "keys out of the backup and into it",
		make: []string{
			"CREATE TABLE `OUT`.parent (id INT PRIMARY KEY)", "CREATE TABLE `A`.middle (id INT PRIMARY KEY, p INT, CONSTRAINT goes_out FOREIGN KEY (p) REFERENCES `OUT`.parent (id))",
			"CREATE TABLE `OUT`.child (m INT, CONSTRAINT comes_in FOREIGN KEY (m) REFERENCES `A`.middle (id) ON DELETE CASCADE)",
			"INSERT INTO `OUT`.parent VALUES (1)", "INSERT INTO `A`.middle VALUES (5, 1)", "INSERT INTO `OUT`.child VALUES (5)",
		},
		said:    []string{"goes_out", "comes_in"},
		works:   []string{"INSERT INTO `A`.middle VALUES (6, 1)", "INSERT INTO `OUT`.child VALUES (6)"},
		undo:    []string{"DELETE FROM `OUT`.child WHERE m = 6"},
		refused: []string{"INSERT INTO `A`.middle VALUES (7, 99)", "INSERT INTO `OUT`.child VALUES (99)"},
		counts: map[string]int64{
			"SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'OUT' AND CONSTRAINT_NAME = 'comes_in' AND DELETE_RULE = 'CASCADE' AND UNIQUE_CONSTRAINT_SCHEMA = 'A'": 1,
		},
	},
	{
		name: "keys to tables that are not there", nothing: true,
		make: []string{
			"SET SESSION foreign_key_checks = 0", "CREATE TABLE `A`.o_fk (id INT, CONSTRAINT nofk FOREIGN KEY (id) REFERENCES `A`.nowhere (id))",
			"CREATE TABLE `B`.o_fk (id INT, CONSTRAINT nofk FOREIGN KEY (id) REFERENCES `A`.nowhere (id) ON DELETE CASCADE)", "INSERT INTO `A`.o_fk VALUES (1)", "SET SESSION foreign_key_checks = 1",
		},
		told:    []string{`foreign key "nofk" of table `, "o_fk to ", "leads to a table that the backup does not have: until there is one it refuses new rows"},
		refused: []string{"INSERT INTO `A`.o_fk VALUES (2)", "INSERT INTO `B`.o_fk VALUES (2)"},
		counts: map[string]int64{
			"SELECT COUNT(*) FROM `A`.o_fk": 1,
			"SELECT COUNT(*) FROM information_schema.KEY_COLUMN_USAGE WHERE CONSTRAINT_NAME = 'nofk' AND CONSTRAINT_SCHEMA IN ('A', 'B') AND REFERENCED_TABLE_SCHEMA = 'A' AND REFERENCED_TABLE_NAME = 'nowhere'": 2,
		},
	},
	{
		name: "values that take more than max_allowed_packet",
		make: []string{
			"CREATE TABLE `A`.big (id INT PRIMARY KEY, b LONGBLOB, c LONGTEXT)", "INSERT INTO `A`.big VALUES (1, REPEAT(CHAR(0), 1900000), REPEAT('\\'', 1900000))",
		},
		counts: map[string]int64{"SELECT LENGTH(b) + LENGTH(c) FROM `A`.big": 3800000, "SELECT @@GLOBAL.max_allowed_packet": 2 << 20},
	},
	{
		name: "events that pass",
		make: []string{
			"CREATE EVENT `A`.once ON SCHEDULE AT '2020-01-01 00:00:00' + INTERVAL 1 SECOND ON COMPLETION PRESERVE DISABLE DO SELECT 1",
			"CREATE EVENT `A`.ends ON SCHEDULE EVERY 1 DAY ENDS '2037-01-01' DO SELECT 1", "CREATE EVENT `A`.stays ON SCHEDULE EVERY 1 DAY DO SELECT 1",
			"CREATE EVENT `A`.soon ON SCHEDULE AT NOW() + INTERVAL 2 SECOND DISABLE DO SELECT 1", "CREATE TABLE `A`.t (id INT)",
		},
		said:   []string{"soon", "ends"},
		damage: []string{"DO SLEEP(3)"},
		counts: map[string]int64{"SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'A' AND EVENT_NAME IN ('once', 'ends', 'stays')": 3},
	},
	{
		name: "a history", mariaDB: true, nothing: true,
		make: []string{
			"CREATE TABLE `A`.v (x INT, f FLOAT) WITH SYSTEM VERSIONING", "INSERT INTO `A`.v VALUES (1, 1.5)", "UPDATE `A`.v SET x = 2", "UPDATE `A`.v SET x = 3", "DELETE FROM `A`.v", "INSERT INTO `A`.v VALUES (4, 0.1)",
			"CREATE TABLE `A`.w (x INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
			"INSERT INTO `A`.w (x) VALUES (1)", "UPDATE `A`.w SET x = 2",
		},
		counts: map[string]int64{
			"SELECT SUM(x) FROM `A`.v FOR SYSTEM_TIME ALL": 10, "SELECT SUM(x) FROM `A`.v": 4,
			"SELECT SUM(x) FROM `A`.w FOR SYSTEM_TIME ALL": 3, "SELECT SUM(x) FROM `A`.w": 2,
		},
	},
	{
		name: "a history dated by transactions", mariaDB: true, nothing: true, apart: true, // for it takes the others' histories away
		make: []string{
			"CREATE TABLE `A`.t (x INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
			"INSERT INTO `A`.t (x) VALUES (1)", "UPDATE `A`.t SET x = 2", "CREATE TABLE `B`.v (x INT) WITH SYSTEM VERSIONING", "INSERT INTO `B`.v VALUES (3)",
		},
		said:   []string{"a.t is versioned by the server, and mariadb-dump dumps no earlier rows together with table", "b.v is versioned by the server"},
		works:  []string{"UPDATE `A`.t SET x = x + 3"},
		counts: map[string]int64{"SELECT SUM(x) FROM `A`.t": 5, "SELECT SUM(x) FROM `A`.t FOR SYSTEM_TIME ALL": 7, "SELECT SUM(x) FROM `B`.v": 3},
	},
	{
		name: "columns computed from FLOAT", nothing: true,
		make: []string{
			"CREATE TABLE `A`.t (f FLOAT, g DOUBLE AS (f * 1000) STORED, v DOUBLE AS (f * 1000) VIRTUAL)", "INSERT INTO `A`.t (f) VALUES (0.123456789), (16777217), (1e30 / 3)",
			"CREATE TABLE `A`.plain (f FLOAT, d DOUBLE)", "INSERT INTO `A`.plain VALUES (0.123456789, 0.123456789)",
		},
		said:   []string{"of whose values a backup keeps six digits, as the server prints them; DOUBLE keeps all: plain.f, t.f"},
		counts: map[string]int64{"SELECT COUNT(*) FROM `A`.t WHERE g IS NOT NULL": 3, "SELECT COUNT(*) FROM `A`.plain WHERE d = 0.123456789": 1},
	},
	{
		name: "statements longer than max_allowed_packet", fails: true,
		make: append([]string{
			"CREATE TABLE `B`.wide (id INT, " + columnsWithComments(40) + ")",
			"CREATE PROCEDURE `B`.talks() BEGIN" + strings.Repeat("\n SELECT 'a line of a body that goes over many lines';", 800) + " END",
			"CREATE FUNCTION `B`.talks() RETURNS INT DETERMINISTIC BEGIN" + strings.Repeat("\n SET @a = 'a line of a body that goes over many lines';", 800) + " RETURN 7; END",
		}, manyTables(45)...),
		globals: []string{"max_allowed_packet = 16384"},
		counts: map[string]int64{
			"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'A'": 45, "SELECT `B`.talks()": 7, "SELECT @@GLOBAL.max_allowed_packet": 16 << 10,
			"SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'B'": 2, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'B'": 41,
		},
	},
	{
		name:    "a server that begins sessions with a statement",
		make:    []string{"CREATE TABLE `OUT`.audit (who TEXT)", "CREATE TABLE `A`.t (id INT)", "INSERT INTO `A`.t VALUES (4)", "CREATE VIEW `A`.v AS SELECT id FROM `A`.t"},
		said:    []string{"init_connect"},
		globals: []string{"init_connect = 'INSERT INTO `OUT`.audit VALUES (CURRENT_USER())'"},
		counts:  map[string]int64{"SELECT id FROM `A`.v": 4, "SELECT COUNT(*) FROM `OUT`.audit": 0},
	},
	{
		name: "sequences and defaults from them", mariaDB: true, nothing: true,
		make: []string{
			"CREATE SEQUENCE `A`.s START WITH 100 NOCACHE", "CREATE TABLE `A`.t (id INT DEFAULT NEXTVAL(`A`.s), x INT, note TEXT DEFAULT 'nextval(`A`.`s`)')", "INSERT INTO `A`.t (x) VALUES (1), (2)",
			"CREATE TABLE `B`.t (id INT DEFAULT NEXTVAL(`A`.s), x INT)", "INSERT INTO `B`.t (x) VALUES (3)",
		},
		damage: []string{"ALTER SEQUENCE `A`.s RESTART 500"},
		works:  []string{"INSERT INTO `A`.t (x) VALUES (9)"},
		counts: map[string]int64{"SELECT id FROM `A`.t WHERE x = 9": 103, "SELECT COUNT(*) FROM `A`.t WHERE note = 'nextval(`A`.`s`)'": 3},
	},
	{
		name: "broken views and definers that are gone",
		make: []string{
			"CREATE TABLE `A`.t (id INT)", "CREATE TABLE `A`.gone (id INT)", "CREATE VIEW `A`.good AS SELECT * FROM `A`.t", "CREATE VIEW `A`.bad AS SELECT * FROM `A`.gone",
			"CREATE VIEW `A`.worse AS SELECT * FROM `A`.bad", "CREATE USER nobody", "CREATE DEFINER = nobody PROCEDURE `A`.p() SELECT 1", "CREATE DEFINER = nobody VIEW `A`.orphan AS SELECT id FROM `A`.t",
			"CREATE DEFINER = nobody TRIGGER `A`.g BEFORE INSERT ON `A`.t FOR EACH ROW SET NEW.id = 1", "CREATE DEFINER = nobody EVENT `A`.e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
			"DROP TABLE `A`.gone", "DROP USER nobody",
		},
		counts: map[string]int64{
			"SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'A' AND TABLE_NAME IN ('good')": 1,
			"SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'A'":                       1,
			"SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'A'":                       1,
			"SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'A'":                           1,
		},
	},
	{
		name: "a server that is strict and short of time",
		make: []string{
			"SET SESSION sql_mode = ''", "CREATE TABLE `A`.t (id INT PRIMARY KEY, at TIMESTAMP NOT NULL, d DATE, CHECK (id < 100))",
			"INSERT INTO `A`.t VALUES (1, '0000-00-00', '0000-00-00'), (2, NOW(), '2026-02-00'), (3, NOW(), NULL)", "CREATE TABLE `A`.nokey (x INT)",
			"CREATE TABLE `A`.odd (b BIT(3), e ENUM('a', 'b'), s SET('a'), y YEAR, t TIME, v VARCHAR(10) CHARACTER SET latin1, j TEXT)",
			"INSERT INTO `A`.odd VALUES (5, 'x', '', 0, '-838:59:59', 'ü', 'it''s \"\\\\'), (1, NULL, NULL, NULL, NULL, NULL, NULL), (2, '', 'a', 2026, '1:2', '', '')",
			"CREATE TABLE `A`.made (p INT, g INT AS (p + 1) STORED, KEY (g))", "INSERT INTO `A`.made (p) VALUES (1), (2), (3)", "SET SESSION sql_mode = DEFAULT",
		},
		globals: []string{
			"max_statement_time = 0.2", "max_execution_time = 200", "wait_timeout = 1", "net_read_timeout = 1", "net_write_timeout = 1", "lock_wait_timeout = 1",
			"idle_transaction_timeout = 1", "idle_readonly_transaction_timeout = 1", "tx_read_only = 1", "transaction_read_only = 1", "autocommit = 0",
			"innodb_strict_mode = 1", "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,PIPES_AS_CONCAT'",
			"sql_select_limit = 1", "sql_safe_updates = 1", "max_join_size = 1", "sql_big_selects = 0", "sql_auto_is_null = 1", "sql_require_primary_key = 1",
			"sql_generate_invisible_primary_key = 1", "explicit_defaults_for_timestamp = 0", "default_storage_engine = MyISAM",
			"sql_quote_show_create = 0", "time_zone = '-05:00'", "character_set_client = latin1", "character_set_server = latin1", "check_constraint_checks = 1",
		},
		refused: []string{"INSERT INTO `A`.t VALUES (100, NOW(), NOW())"},
		counts: map[string]int64{
			"SELECT COUNT(*) FROM `A`.t": 3, "SELECT COUNT(*) FROM `A`.odd": 3, "SELECT SUM(g) FROM `A`.made": 9,
			"SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'A' AND TABLE_NAME = 'nokey'": 1,
		},
	},
	{
		name: "tables that no transaction covers",
		make: []string{
			"CREATE TABLE `A`.m (x INT) ENGINE = MyISAM", "CREATE TABLE `A`.h (x INT) ENGINE = MEMORY", "INSERT INTO `A`.m VALUES (1), (2)", "INSERT INTO `A`.h VALUES (3)",
		},
		said:   []string{"a.m is MyISAM", "a.h is MEMORY"},
		damage: []string{"DELETE FROM `A`.m"},
		counts: map[string]int64{"SELECT SUM(x) FROM `A`.m": 3, "SELECT SUM(x) FROM `A`.h": 3},
	},
	{
		name: "rights on tables, columns and routines",
		make: []string{
			"CREATE TABLE `A`.t (id INT, x INT)", "CREATE VIEW `A`.v AS SELECT id FROM `A`.t", "CREATE PROCEDURE `A`.p() SELECT 1", "CREATE FUNCTION `A`.f() RETURNS INT DETERMINISTIC RETURN 1",
			"CREATE USER IF NOT EXISTS visitor@localhost", "GRANT SELECT (id), UPDATE (x) ON `A`.t TO visitor@localhost", "GRANT DELETE ON `A`.v TO visitor@localhost",
			"GRANT EXECUTE ON PROCEDURE `A`.p TO visitor@localhost WITH GRANT OPTION", "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION `A`.f TO visitor@localhost",
		},
		kept: []string{
			"SELECT COALESCE(GROUP_CONCAT(Table_name, Table_priv, Column_priv ORDER BY Table_name), '') FROM mysql.tables_priv WHERE Db = 'A'",
			"SELECT COALESCE(GROUP_CONCAT(Table_name, Column_name, Column_priv ORDER BY Column_name), '') FROM mysql.columns_priv WHERE Db = 'A'",
			"SELECT COALESCE(GROUP_CONCAT(User, Host, Routine_name, Routine_type, Proc_priv ORDER BY Routine_name), '') FROM mysql.procs_priv WHERE Db = 'A'",
		},
	},
}

func columnsWithComments(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("c%d INT COMMENT '%s'", i, strings.Repeat("x", 1000)))
	}
	return strings.Join(all, ", ")
}

func manyTables(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("CREATE TABLE `A`.t%063d (id INT)", i))
	}
	return all
}

func TestServerData(t *testing.T) { data(t) }

func TestMySQLData(t *testing.T) { data(t) }

// data runs every case, and verifies them all at once.
func data(t *testing.T) {
	p := onServer(t)
	p.db.SetMaxOpenConns(1)
	t.Cleanup(p.global(t, "max_allowed_packet = 2097152"))
	mariaDB := strings.Contains(p.text(t, "SELECT VERSION()"), "MariaDB")
	var all []string
	for i, c := range dataCases {
		if c.mariaDB && !mariaDB {
			continue
		}
		names := strings.NewReplacer("`A`", "`"+p.name(i, "a")+"`", "`B`", "`"+p.name(i, "b")+"`", "`OUT`", "`"+p.name(i, "out")+"`",
			"'A'", "'"+p.name(i, "a")+"'", "'B'", "'"+p.name(i, "b")+"'", "'OUT'", "'"+p.name(i, "out")+"'")
		if !c.apart {
			all = append(all, p.name(i, "a"), p.name(i, "b"))
		}
		t.Cleanup(func() {
			p.exec(t, "SET SESSION foreign_key_checks = 0", names.Replace("DROP DATABASE IF EXISTS `A`"), names.Replace("DROP DATABASE IF EXISTS `B`"), names.Replace("DROP DATABASE IF EXISTS `OUT`"))
		})
		t.Run(c.name, func(t *testing.T) { c.run(t, p, names) })
	}
	_, err := p.store.Backup(t.Context(), s3backup.Dump{Databases: all}, s3backup.Options{Shrink: true})
	require.NoError(t, err)
	p.good(t)
}

// good verifies the last backup.
func (p *place) good(t *testing.T) {
	t.Helper()
	verdict, err := p.store.Verify(t.Context(), s3backup.Select{}, s3backup.Scratch{Dir: "/var/tmp"})
	require.NoError(t, err)
	require.True(t, verdict.OK, strings.Join(verdict.Problems, "; "))
}

func TestServerLongNames(t *testing.T) { longNames(t) }

func TestMySQLLongNames(t *testing.T) { longNames(t) }

// longNames restores databases whose names leave no room for anything, not even for what a grant would escape.
func longNames(t *testing.T) {
	p := onServer(t)
	p.db.SetMaxOpenConns(1)
	all := []string{"wp_client_site_2026_prod_eu_west_1_a_b_c_d", "my_shop_production_database_of_customer_number_1_________________", "größe-läden.%ü"}
	all[1] = all[1][:64]
	like := strings.Replace(all[1], "_", "x", 1)
	t.Cleanup(func() {
		for _, name := range append(all, like) {
			p.exec(t, "DROP DATABASE IF EXISTS `"+name+"`")
		}
	})
	for _, name := range all {
		p.exec(t, "CREATE DATABASE `"+name+"`", "CREATE TABLE `"+name+"`.t (id INT)", "INSERT INTO `"+name+"`.t VALUES (1)", "CREATE VIEW `"+name+"`.v AS SELECT id FROM `"+name+"`.t",
			"CREATE TRIGGER `"+name+"`.g BEFORE INSERT ON `"+name+"`.t FOR EACH ROW SET NEW.id = NEW.id + 1")
	}
	m, err := p.store.Backup(t.Context(), s3backup.Dump{Databases: all}, s3backup.Options{Shrink: true})
	require.NoError(t, err)
	p.good(t)
	for round := range 2 { // over what is there, and into a server that has nothing of it
		restored, err := p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true, KeepOld: round == 0})
		require.NoError(t, err)
		for _, name := range all {
			p.exec(t, "INSERT INTO `"+name+"`.t VALUES (1)")
			require.EqualValues(t, 3, p.number(t, "SELECT SUM(id) FROM `"+name+"`.v"), name)
			if round == 0 {
				require.EqualValues(t, 1, p.number(t, "SELECT SUM(id) FROM `"+restored.Old[name]+"`.t"), name)
				p.exec(t, "DROP DATABASE `"+restored.Old[name]+"`", "DROP DATABASE `"+name+"`")
			}
		}
	}
	p.exec(t, "CREATE DATABASE `"+like+"`")
	_, err = p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true})
	require.ErrorContains(t, err, "would be rights on \""+like+"\", too")
	require.ErrorContains(t, err, "the databases are as they were")
}

// TestServerAsksForPasswords: the account that loads has a password that a strict server takes.
func TestServerAsksForPasswords(t *testing.T) {
	p := onServer(t)
	p.exec(t, "CREATE TABLE `"+p.database+"`.t (id INT)", "INSTALL SONAME 'simple_password_check'")
	defer p.exec(t, "UNINSTALL SONAME 'simple_password_check'")
	for _, name := range []string{"minimal_length = 20", "digits = 3", "letters_same_case = 3", "other_characters = 3"} {
		p.exec(t, "SET GLOBAL simple_password_check_"+name)
	}
	_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	_, err = p.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Replace: true})
	require.NoError(t, err)
}

// TestServerEnforcedEngine names at backup time what a restore would change, and refuses to.
func TestServerEnforcedEngine(t *testing.T) {
	p := onServer(t)
	name := p.name(0, "engine")
	t.Cleanup(func() { p.exec(t, "DROP DATABASE "+name) })
	p.exec(t, "CREATE DATABASE "+name, "CREATE TABLE "+name+".t (x INT) ENGINE=InnoDB")
	back := p.global(t, "enforce_storage_engine = MyISAM")
	m, err := p.store.Backup(t.Context(), s3backup.Dump{Databases: []string{name}}, s3backup.Options{Shrink: true})
	require.NoError(t, err)
	require.Contains(t, strings.Join(m.Warnings, "\n"), "enforce_storage_engine")
	_, err = p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true})
	require.ErrorContains(t, err, "SET GLOBAL enforce_storage_engine = NULL")
	back()
	_, err = p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true})
	require.NoError(t, err)
}

// before does what some cases do before the first restore.
func (c dataCase) before(t *testing.T, p *place, m s3backup.Manifest) {
	if c.apart {
		p.good(t)
	}
	if c.fails {
		c.comesBack(t, p, m)
	}
}

// comesBack restores a backup whose manifest counts a view more than there is, which shows only after the exchange.
func (c dataCase) comesBack(t *testing.T, p *place, m s3backup.Manifest) {
	key := p.key(m, "manifest.json")
	defer p.put(t, key, p.object(t, key))
	m.Objects = slices.Clone(m.Objects)
	m.Objects[0].Views++
	text, err := json.Marshal(m)
	require.NoError(t, err)
	p.put(t, key, text)
	before := p.text(t, "SELECT SUM(LENGTH(ROUTINE_DEFINITION)) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '"+m.Databases[1]+"'")
	_, err = p.store.Restore(t.Context(), s3backup.Select{ID: m.ID}, s3backup.Target{Replace: true})
	require.ErrorIs(t, err, s3backup.ErrMismatch)
	require.ErrorContains(t, err, "the databases are as they were")
	require.Equal(t, before, p.text(t, "SELECT SUM(LENGTH(ROUTINE_DEFINITION)) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '"+m.Databases[1]+"'"))
	require.Zero(t, p.leftovers(t))
}

func (p *place) name(i int, which string) string {
	return p.database + "_" + string(rune('0'+i)) + which
}

// global changes one of the server's settings, if it knows it, until back is called.
func (p *place) global(t *testing.T, setting string) (back func()) {
	t.Helper()
	name, _, _ := strings.Cut(setting, " ")
	var value sql.NullString
	if p.db.QueryRow("SELECT @@GLOBAL."+name).Scan(&value) != nil {
		return func() {}
	}
	p.exec(t, "SET GLOBAL "+setting)
	return func() {
		text := "'" + value.String + "'"
		if _, err := strconv.ParseFloat(value.String, 64); err == nil {
			text = value.String
		}
		if !value.Valid {
			text = "NULL"
		}
		p.exec(t, "SET GLOBAL "+name+" = "+text)
	}
}

func (c dataCase) run(t *testing.T, p *place, names *strings.Replacer) {
	run := func(statements ...string) {
		for _, s := range statements {
			p.exec(t, names.Replace(s))
		}
	}
	run("CREATE DATABASE `A`", "CREATE DATABASE `B`", "CREATE DATABASE `OUT`")
	run(c.make...)
	before := map[string]string{}
	for _, query := range c.kept {
		before[query] = p.text(t, names.Replace(query))
		require.NotEmpty(t, before[query], query)
	}
	for _, setting := range c.globals {
		defer p.global(t, names.Replace(setting))()
	}
	m := c.backUp(t, p, names)
	restore := func(after string) { c.restore(t, p, names, m.ID, after) }
	run(c.damage...)
	c.before(t, p, m)
	restore("over changed data")
	for query, want := range before {
		require.Equal(t, want, p.text(t, names.Replace(query)), query)
	}
	if len(c.refused) > 0 {
		run(c.undo...)
		restore("a second time")
	}
	if !c.nothing && os.Getenv(envFull) == "" {
		return
	}
	run(append(slices.Clone(c.undo), "SET SESSION foreign_key_checks = 0", "DROP DATABASE `A`", "DROP DATABASE `B`", "SET SESSION foreign_key_checks = 1")...)
	restore("onto nothing")
}

// restore restores a backup and looks at what there is then.
func (c dataCase) restore(t *testing.T, p *place, names *strings.Replacer, id, after string) {
	store, said := p.store, ""
	store.Events = func(e s3backup.Event) { t.Log(e); said += e.String() + "\n" }
	_, err := store.Restore(t.Context(), s3backup.Select{ID: id}, s3backup.Target{Replace: true})
	require.NoError(t, err, after)
	require.NotContains(t, said, "interrupted", after)
	for _, text := range c.told {
		require.Contains(t, said, names.Replace(text), after)
	}
	for _, s := range c.works {
		p.exec(t, names.Replace(s))
	}
	c.holds(t, p, names, after)
}

func (c dataCase) backUp(t *testing.T, p *place, names *strings.Replacer) s3backup.Manifest {
	databases := strings.Fields(strings.ReplaceAll(names.Replace("`A` `B`"), "`", ""))
	m, err := p.store.Backup(t.Context(), s3backup.Dump{Databases: databases}, s3backup.Options{Shrink: true})
	require.NoError(t, err)
	for _, text := range c.said {
		require.Contains(t, strings.Join(m.Warnings, "\n"), text)
	}
	return m
}

// holds looks at what is refused, and at what queries give.
func (c dataCase) holds(t *testing.T, p *place, names *strings.Replacer, after string) {
	for _, s := range c.refused {
		_, err := p.db.Exec(names.Replace(s))
		require.Error(t, err, "%s: %s", after, s)
	}
	for query, want := range c.counts {
		require.Equal(t, want, p.number(t, names.Replace(query)), "%s: %s", after, query)
	}
}
