package s3backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// asker runs one statement in one session and gives its whole answer as text. The session of a dump program that has
// said goodbye is one, a connection of ours another.
type asker interface {
	query(ctx context.Context, statement string) ([][]string, error)
}

// measurement is what databases hold: what is taken in the snapshot, and again after a restore.
type measurement struct {
	tables   []Table
	objects  []Objects
	warnings []string
}

var (
	autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)
	// MySQL names a column's character set only from the second time on that it makes the table by its own words.
	columnCharset = regexp.MustCompile(` CHARACTER SET \w+( COLLATE \w+)`)
)

// comparable makes a session write values and definitions as every other does. A dump program works in UTC, too.
const comparable = "SET SESSION time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1"

// scope is what to measure, and how.
type scope struct {
	databases []string
	at        map[string]string // names that the databases have for now; nil: their own
	unsafe    bool              // only tables that no transaction covers
	plain     bool              // not the tables with a history
	// release, unless empty, follows each table: within a snapshot it lets go of the table, for which an ALTER TABLE of
	// somebody else, and all who come after that, may be waiting.
	release string
}

// measure looks at every table of databases under their own names.
func measure(ctx context.Context, a asker, databases []string) (measurement, error) {
	return scope{databases: databases}.measure(ctx, a)
}

func (s scope) measure(ctx context.Context, a asker) (measurement, error) {
	var m measurement
	if _, err := a.query(ctx, comparable); err != nil {
		return m, fmt.Errorf("s3backup: measure: %w", err)
	}
	for _, database := range s.databases {
		if err := m.addTables(ctx, a, database, s); err != nil {
			return m, err
		}
		objects, err := countObjects(ctx, a, database)
		if err != nil {
			return m, err
		}
		m.objects = append(m.objects, objects)
	}
	return m, nil
}

func (m *measurement) addTables(ctx context.Context, a asker, database string, s scope) error {
	present := database
	if s.at != nil {
		present = s.at[database]
	}
	rows, err := a.query(ctx, "SELECT TABLE_NAME, ENGINE, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+quoteText(present)+
		" AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME")
	if err != nil {
		return fmt.Errorf("s3backup: list tables of %q: %w", present, err)
	}
	floats, err := floatTables(ctx, a, present)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := Table{Database: present, Name: row[0], Engine: row[1], History: row[2] == "SYSTEM VERSIONED"}
		if s.unsafe && safe(t.Engine) || s.plain && t.History {
			continue
		}
		err := measureTable(ctx, a, &t, floats[t.Name], s.at)
		t.Database = database
		switch {
		case newerThanSnapshot(err):
			m.warnings = append(m.warnings, fmt.Sprintf("table %s.%s was changed after the snapshot: there is no checksum of it", database, t.Name))
		case err != nil:
			return fmt.Errorf("s3backup: measure table %q of %q: %w", t.Name, database, err)
		default:
			m.tables = append(m.tables, t)
		}
		if s.release == "" {
			continue
		}
		if _, err := a.query(ctx, s.release); err != nil {
			return fmt.Errorf("s3backup: measure table %q of %q: %w", t.Name, database, err)
		}
	}
	return nil
}

// newerThanSnapshot reports a table that was made, changed or dropped after the snapshot. The dump may hold it as it
// was before, if it had read it by then.
func newerThanSnapshot(err error) bool {
	var refused *mysql.MySQLError
	return errors.As(err, &refused) && (refused.Number == 1412 || refused.Number == 1146)
}

// floatTable is a table with a column of type FLOAT.
type floatTable struct {
	columns  []string // that hold values of their own
	computed bool     // others are computed from these
}

// floatTables are those whose values no SQL dump keeps to the last bit. What is computed from such a value differs then in
// digits that the value itself does not show, so that it is no part of the checksum.
func floatTables(ctx context.Context, a asker, database string) (map[string]*floatTable, error) {
	rows, err := a.query(ctx, "SELECT TABLE_NAME, COLUMN_NAME, COALESCE(GENERATION_EXPRESSION, '') IN ('', 'ROW START', 'ROW END') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "+quoteText(database)+
		" AND TABLE_NAME IN (SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "+quoteText(database)+
		" AND DATA_TYPE = 'float') ORDER BY TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return nil, fmt.Errorf("s3backup: list columns of %q: %w", database, err)
	}
	all := map[string]*floatTable{}
	for _, row := range rows {
		t := all[row[0]]
		if t == nil {
			t = &floatTable{}
			all[row[0]] = t
		}
		if row[2] == "1" {
			t.columns = append(t.columns, quoteName(row[1]))
		} else {
			t.computed = true
		}
	}
	return all, nil
}

// safe reports an engine whose tables a transaction covers.
func safe(engine string) bool { return engine == "InnoDB" || engine == "ROCKSDB" }

func measureTable(ctx context.Context, a asker, t *Table, floats *floatTable, at map[string]string) error {
	name := quoteName(t.Database) + "." + quoteName(t.Name)
	definition, err := one(ctx, a, "SHOW CREATE TABLE "+name, 1)
	if err != nil {
		return err
	}
	if at != nil {
		definition = requalify(definition, inverse(at))
	}
	definition = columnCharset.ReplaceAllString(autoIncrement.ReplaceAllString(definition, ""), "$1")
	sum := sha256.Sum256([]byte(definition))
	t.Definition = hex.EncodeToString(sum[:])
	all := name
	if t.History {
		all += " FOR SYSTEM_TIME ALL"
	}
	rows, err := one(ctx, a, "SELECT COUNT(*) FROM "+all, 0)
	if err != nil {
		return err
	}
	if t.Rows, err = strconv.ParseInt(rows, 10, 64); err != nil {
		return err
	}
	if floats == nil || len(floats.columns) == 0 {
		checksum, err := one(ctx, a, "CHECKSUM TABLE "+name+" EXTENDED", 1)
		if err == nil && checksum == "" {
			err = errors.New("the server gives no checksum")
		}
		t.Checksum = "checksum:" + checksum
		return err
	}
	nulls := "CONCAT(ISNULL(" + strings.Join(floats.columns, "), ISNULL(") + "))"
	checksum, err := one(ctx, a, "SELECT COALESCE(SUM(CRC32(CONCAT_WS('#', "+strings.Join(floats.columns, ", ")+", "+nulls+"))), 0) FROM "+all, 0)
	t.Checksum = textSum + checksum
	if floats.computed {
		t.Checksum = ownTextSum + checksum
	}
	return err
}

// How a table's checksum was taken: over all columns as text, or over those that are not computed. Versions before this one
// took the first for both.
const (
	textSum    = "text:"
	ownTextSum = "own-text:"
)

// sameSum reports two checksums that agree, or that cannot be compared since an older version took the first.
func sameSum(want, got string) bool {
	return want == got || strings.HasPrefix(want, textSum) && strings.HasPrefix(got, ownTextSum)
}

// passing is true of an event that goes once its time has passed.
const passing = "ON_COMPLETION = 'NOT PRESERVE' AND (EVENT_TYPE = 'ONE TIME' OR ENDS IS NOT NULL)"

func countObjects(ctx context.Context, a asker, database string) (Objects, error) {
	o := Objects{Database: database}
	for _, count := range []struct {
		from string
		to   *int64
	}{
		{"VIEWS WHERE TABLE_SCHEMA", &o.Views}, {"TRIGGERS WHERE TRIGGER_SCHEMA", &o.Triggers},
		{"ROUTINES WHERE ROUTINE_SCHEMA", &o.Routines},
		{"EVENTS WHERE EVENT_SCHEMA", &o.Events}, {"EVENTS WHERE " + passing + " AND EVENT_SCHEMA", &o.Passing},
	} {
		text, err := one(ctx, a, "SELECT COUNT(*) FROM information_schema."+count.from+" = "+quoteText(database), 0)
		if err != nil {
			return o, fmt.Errorf("s3backup: count objects of %q: %w", database, err)
		}
		if *count.to, err = strconv.ParseInt(text, 10, 64); err != nil {
			return o, err
		}
	}
	return o, nil
}

func one(ctx context.Context, a asker, statement string, column int) (string, error) {
	rows, err := a.query(ctx, statement)
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) <= column {
		return "", fmt.Errorf("%d rows where one was asked for", len(rows))
	}
	return rows[0][column], nil
}

// differences says where restored data is not what the backup measured. A table without checksum was changed while
// the backup was made, of which the manifest warns; that every byte is as it was dumped the chunks' hashes say. Definitions are compared only between
// servers of the same version, which state them in the same words.
func differences(want, got measurement, sameVersion bool) []string {
	var all []string
	note := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	found := map[[2]string]Table{}
	for _, t := range got.tables {
		found[[2]string{t.Database, t.Name}] = t
	}
	for _, w := range want.tables {
		g, there := found[[2]string{w.Database, w.Name}]
		switch {
		case !there:
			note("table %s.%s is missing", w.Database, w.Name)
		case w.Rows != g.Rows:
			note("table %s.%s: %d rows, the backup has %d", w.Database, w.Name, g.Rows, w.Rows)
		case !sameSum(w.Checksum, g.Checksum):
			note("table %s.%s: %s, the backup has %s", w.Database, w.Name, g.Checksum, w.Checksum)
		case sameVersion && w.Definition != g.Definition:
			note("table %s.%s: its definition differs", w.Database, w.Name)
		}
	}
	counted := map[string]Objects{}
	for _, o := range got.objects {
		counted[o.Database] = o
	}
	for _, o := range want.objects {
		if !o.fits(counted[o.Database]) {
			note("database %s: views, triggers, routines, events %v, the backup has %v", o.Database, counted[o.Database].counts(), o.counts())
		}
	}
	return all
}

// fits reports that a restored database has what the backup has. An event whose time has passed is not made any more.
func (o Objects) fits(got Objects) bool {
	events := got.Events
	got.Events, got.Passing = o.Events, o.Passing
	return o == got && o.Events-o.Passing <= events && events <= o.Events
}

func (o Objects) counts() [4]int64 { return [4]int64{o.Views, o.Triggers, o.Routines, o.Events} }
