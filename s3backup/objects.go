package s3backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// schemaObject is a view, trigger, routine or event, with what is needed to make it again.
type schemaObject struct {
	kind     string // as DROP and SHOW CREATE want it
	database string
	name     string
	sqlMode  string
	create   string

	client, connection string // character set and collation of the session that made it
	collation          string // of the database at that time; a view has none
}

type objectKind struct {
	kind, list   string
	column, mode int
}

// packageKinds are MariaDB's besides. A restore makes them as routines.
var packageKinds = []objectKind{
	{"PACKAGE", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'PACKAGE' AND ROUTINE_SCHEMA = ", 2, 1},
	{"PACKAGE BODY", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'PACKAGE BODY' AND ROUTINE_SCHEMA = ", 2, 1},
}

// objectKinds lists what a database has besides tables, in the order in which it may be dropped; the reverse is the
// order in which it may be made. column is where SHOW CREATE has the text, before character set and collations; mode is
// where it has the sql_mode (-1: nowhere).
var objectKinds = []objectKind{
	{"TRIGGER", "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ", 2, 1},
	{"EVENT", "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ", 3, 1},
	{"VIEW", "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ", 1, -1},
	{"PROCEDURE", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'PROCEDURE' AND ROUTINE_SCHEMA = ", 2, 1},
	{"FUNCTION", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA = ", 2, 1},
}

func (s *session) schemaObjects(ctx context.Context, database string) ([]schemaObject, error) {
	all, err := s.grants(ctx, database)
	if err != nil {
		return nil, err
	}
	for _, k := range objectKinds {
		rows, err := s.query(ctx, k.list+quoteText(database)+" ORDER BY 1")
		if err != nil {
			return nil, fmt.Errorf("s3backup: list objects of %q: %w", database, err)
		}
		for _, row := range rows {
			o := schemaObject{kind: k.kind, database: database, name: row[0]}
			shown, err := s.query(ctx, "SHOW CREATE "+k.kind+" "+quoteName(database)+"."+quoteName(o.name))
			if err == nil && (len(shown) != 1 || len(shown[0]) <= k.column+2) {
				err = fmt.Errorf("%d rows", len(shown))
			}
			if err != nil {
				return nil, fmt.Errorf("s3backup: show %s %q of %q: %w", k.kind, o.name, database, err)
			}
			o.create, o.client, o.connection = shown[0][k.column], shown[0][k.column+1], shown[0][k.column+2]
			if len(shown[0]) > k.column+3 && k.mode >= 0 {
				o.collation = shown[0][k.column+3]
			}
			if k.mode >= 0 {
				o.sqlMode = shown[0][k.mode]
			}
			all = append(all, o)
		}
	}
	return all, nil
}

func (s *session) dropObjects(ctx context.Context, objects []schemaObject) error {
	for _, o := range objects {
		if o.kind == grantKind {
			continue // it goes with its routine
		}
		if err := s.exec(ctx, "DROP "+o.kind+" IF EXISTS "+quoteName(o.database)+"."+quoteName(o.name)); err != nil {
			return fmt.Errorf("s3backup: drop %s %q: %w", o.kind, o.name, err)
		}
	}
	return nil
}

// createObjects makes again what dropObjects has dropped, as far as it is missing. A view may need another that comes
// later, so it goes over them again while that helps. Afterwards the database's own collation may be another.
func (s *session) createObjects(ctx context.Context, database string, objects []schemaObject, emit func(Event)) error {
	there, err := s.schemaObjects(ctx, database)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(objects), func(o schemaObject) bool { return contains(there, o) })
	slices.Reverse(missing)
	for len(missing) > 0 {
		var errs []error
		refused := slices.DeleteFunc(slices.Clone(missing), func(o schemaObject) bool {
			err := s.createObject(ctx, o)
			if err != nil {
				errs = append(errs, err)
			}
			return err == nil
		})
		if len(refused) == len(missing) {
			return s.giveUp(refused, errs, emit)
		}
		missing = refused
	}
	return nil
}

// giveUp names what could not be made again: a view that was broken before, or a grant to an account that is gone, is told
// with its text and stays away; anything else is an error.
func (s *session) giveUp(refused []schemaObject, errs []error, emit func(Event)) error {
	for _, o := range refused {
		if o.kind != grantKind && o.kind != "VIEW" {
			return errors.Join(errs...)
		}
	}
	for i, o := range refused {
		emit(Note{Warning: true, Text: errs[i].Error() + "; it is left out: " + o.create})
	}
	return nil
}

func (s *session) createObject(ctx context.Context, o schemaObject) error {
	statements := []string{"USE " + quoteName(o.database)}
	if o.collation != "" {
		statements = append(statements, "ALTER DATABASE "+quoteName(o.database)+" COLLATE "+o.collation)
	}
	// The text is UTF-8 here: said to be of another character set it would be garbled.
	if strings.HasPrefix(o.client, "utf8") {
		statements = append(statements, "SET SESSION character_set_client = "+o.client+", collation_connection = "+o.connection)
	}
	if err := s.execLong(ctx, append(statements, "SET SESSION sql_mode = "+quoteText(o.sqlMode), o.create)...); err != nil {
		return fmt.Errorf("s3backup: make %s %q again: %w", o.kind, o.name, err)
	}
	return nil
}

func contains(objects []schemaObject, want schemaObject) bool {
	return slices.ContainsFunc(objects, func(o schemaObject) bool {
		return o.kind == want.kind && o.database == want.database && o.name == want.name
	})
}
