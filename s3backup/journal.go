package s3backup

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// journalName is a table in the database that takes the old tables. While it is there an exchange is under way, and
// it says how to go back: which tables the database had, and what else.
const journalName = "s3backup unfinished"

// tableKind marks a table in a journal, databaseKind its first line.
const (
	tableKind    = "TABLE"
	databaseKind = "DATABASE"
)

// writeJournal writes down what database has, into old. The journal gets its name only once it is complete.
func (s *session) writeJournal(ctx context.Context, database, old string) error {
	objects, err := s.schemaObjects(ctx, database)
	if err != nil {
		return err
	}
	tables, err := s.baseTables(ctx, database)
	if err != nil {
		return err
	}
	defaults, err := s.defaults(ctx, database, database)
	if err != nil {
		return err
	}
	lines := []schemaObject{{kind: databaseKind, name: database, create: defaults}}
	for _, table := range tables {
		lines = append(lines, schemaObject{kind: tableKind, name: table})
	}
	draft := quoteName(old) + "." + quoteName(journalName+" draft")
	statements := []string{"CREATE TABLE " + draft + " (line INT PRIMARY KEY, kind VARCHAR(20), name VARCHAR(64), sql_mode TEXT, create_text LONGTEXT," +
		" client VARCHAR(64), connection VARCHAR(64), collation_name VARCHAR(64))" +
		" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"}
	for i, o := range append(lines, objects...) {
		statements = append(statements, fmt.Sprintf("INSERT INTO %s VALUES (%d, %s, %s, %s, %s, %s, %s, %s)", draft, i,
			quoteText(o.kind), quoteText(o.name), quoteText(o.sqlMode), quoteText(o.create), quoteText(o.client), quoteText(o.connection), quoteText(o.collation)))
	}
	statements = append(statements, "RENAME TABLE "+draft+" TO "+journal(old))
	if err := s.execLong(ctx, statements...); err != nil {
		return fmt.Errorf("s3backup: restore: write down what database %q has: %w", database, err)
	}
	return nil
}

func journal(old string) string { return quoteName(old) + "." + quoteName(journalName) }

// before is what a database had before an exchange.
type before struct {
	defaults string // statement that gives it its character set again
	tables   []string
	objects  []schemaObject
}

// readJournal gives what database had, or nil where no exchange is under way.
func (s *session) readJournal(ctx context.Context, database, old string) (*before, error) {
	there, err := s.baseTables(ctx, old)
	if err != nil || !slices.Contains(there, journalName) {
		return nil, err
	}
	rows, err := s.query(ctx, "SELECT kind, name, sql_mode, create_text, client, connection, collation_name FROM "+journal(old)+" ORDER BY line")
	if err != nil {
		return nil, fmt.Errorf("s3backup: restore: read what database %q had: %w", database, err)
	}
	if len(rows) == 0 || rows[0][0] != databaseKind || rows[0][1] != database {
		return nil, fmt.Errorf("s3backup: restore: %s is no journal of database %q", journal(old), database)
	}
	b := &before{defaults: rows[0][3]}
	for _, row := range rows[1:] {
		if row[0] == tableKind {
			b.tables = append(b.tables, row[1])
			continue
		}
		b.objects = append(b.objects, schemaObject{
			kind: row[0], database: database, name: row[1], sqlMode: row[2], create: row[3], client: row[4], connection: row[5], collation: row[6],
		})
	}
	return b, nil
}

// defaults is the statement that gives a database the character set and collation of another.
func (s *session) defaults(ctx context.Context, database, of string) (string, error) {
	rows, err := s.query(ctx, "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "+quoteText(of))
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("it is not there")
	}
	if err != nil {
		return "", fmt.Errorf("s3backup: restore: look at database %q: %w", of, err)
	}
	return "ALTER DATABASE " + quoteName(database) + " CHARACTER SET " + rows[0][0] + " COLLATE " + rows[0][1], nil
}

// endJournals says that the new databases are what is there now.
func (s *session) endJournals(ctx context.Context, olds ...string) error {
	names := make([]string, len(olds))
	for i, old := range olds {
		names[i] = journal(old)
	}
	if err := s.exec(ctx, "DROP TABLE "+strings.Join(names, ", ")); err != nil {
		return fmt.Errorf("s3backup: restore: end the exchange: %w", err)
	}
	return nil
}

// putBack undoes an exchange that is under way: the tables and all else that database had are there again. It may be
// killed and run again. It reports false where no exchange was under way.
func (s *session) putBack(ctx context.Context, database, old string, emit func(Event)) (bool, error) {
	b, err := s.readJournal(ctx, database, old)
	if err != nil || b == nil {
		return false, err
	}
	emit(Note{Text: "put back what database " + database + " had before a restore that did not end"})
	moved, err := s.baseTables(ctx, old)
	if err != nil {
		return false, err
	}
	moved = slices.DeleteFunc(moved, func(name string) bool { return !slices.Contains(b.tables, name) })
	if len(moved) > 0 || len(b.tables) == 0 {
		if err := s.moveBack(ctx, database, old, moved); err != nil {
			return false, err
		}
	}
	if err := s.createObjects(ctx, database, b.objects, emit); err != nil {
		return false, err
	}
	if err := s.exec(ctx, b.defaults); err != nil {
		return false, fmt.Errorf("s3backup: restore: %w", err)
	}
	return true, s.endJournals(ctx, old)
}

// moveBack takes the new tables of database away, to be dropped, and puts the old ones in their place.
func (s *session) moveBack(ctx context.Context, database, old string, tables []string) error {
	objects, err := s.schemaObjects(ctx, database)
	if err == nil {
		err = s.dropObjects(ctx, objects)
	}
	if err != nil {
		return err
	}
	away := temporary("new", database, old[len(old)-6:])
	if err := s.exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(away)); err != nil {
		return fmt.Errorf("s3backup: restore: %w", err)
	}
	fresh, err := s.baseTables(ctx, database)
	if err != nil {
		return err
	}
	var moves []move
	for _, table := range fresh {
		moves = append(moves, move{[2]string{database, table}, [2]string{away, table}})
	}
	for _, table := range tables {
		moves = append(moves, move{[2]string{old, table}, [2]string{database, table}})
	}
	if len(moves) == 0 {
		return nil
	}
	return s.rename(ctx, moves)
}

// Unfinished reports that a restore of one of the databases was killed in the middle of its exchange. The next Restore
// of them puts that right, whatever else comes of it.
func (s Server) Unfinished(ctx context.Context, databases ...string) (bool, error) {
	session, err := s.session(ctx)
	if err != nil {
		return false, err
	}
	defer session.Close()
	unfinished, err := session.unfinished(ctx, databases)
	return unfinished != "", err
}

// unfinished names a database in the middle of an exchange.
func (s *session) unfinished(ctx context.Context, databases []string) (string, error) {
	marked, err := s.marked(ctx, journalName)
	for _, name := range marked {
		if database, kind := leftOf(name, databases); kind != "" {
			return database, err
		}
	}
	return "", err
}

// marked lists the databases, left of restores, that hold a certain table.
func (s *session) marked(ctx context.Context, table string) (names []string, err error) {
	rows, err := s.query(ctx, "SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_NAME = "+quoteText(table))
	if err != nil {
		return nil, fmt.Errorf("s3backup: look for an unfinished restore: %w", err)
	}
	for _, row := range rows {
		if leftover.MatchString(row[0]) {
			names = append(names, row[0])
		}
	}
	return names, nil
}
