package s3backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// findCaveats names what a restore would not bring back as it is.
func (p *dumpPlan) findCaveats(ctx context.Context, s *session, facts *Facts) (err error) {
	for _, database := range p.names {
		left, err := s.brokenViews(ctx, database)
		if err != nil {
			return err
		}
		p.left = append(p.left, left...)
	}
	facts.Left = p.left
	for _, find := range []func(context.Context, []string) ([]string, error){s.unsafeTables, s.crossings, s.passingEvents, s.enforcedEngine, s.shortFloats, s.beginnings} {
		warnings, err := find(ctx, p.names)
		if err != nil {
			return err
		}
		facts.Warnings = append(facts.Warnings, warnings...)
	}
	return nil
}

// brokenViews are those that the server refuses to show the columns of, where a dump program stops.
func (s *session) brokenViews(ctx context.Context, database string) ([]Left, error) {
	rows, err := s.query(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'VIEW' AND TABLE_SCHEMA = "+quoteText(database)+" ORDER BY 1")
	if err != nil {
		return nil, fmt.Errorf("s3backup: list views of %q: %w", database, err)
	}
	var left []Left
	for _, row := range rows {
		name := quoteName(database) + "." + quoteName(row[0])
		_, err := s.query(ctx, "SHOW FIELDS FROM "+name)
		var refused *mysql.MySQLError
		switch {
		case errors.As(err, &refused):
			l := Left{Kind: "view", Database: database, Name: row[0], Why: refused.Error()}
			l.Create, _ = one(ctx, s, "SHOW CREATE VIEW "+name, 1)
			left = append(left, l)
		case err != nil:
			return nil, fmt.Errorf("s3backup: look at view %s: %w", name, err)
		}
	}
	return left, nil
}

// enforcedEngine warns of a server that makes every table one of its own engine. Only an account with SUPER could tell it
// otherwise, which is not what loads a backup.
func (s *session) enforcedEngine(ctx context.Context, _ []string) ([]string, error) {
	rows, err := s.query(ctx, "SHOW GLOBAL VARIABLES LIKE 'enforce_storage_engine'")
	if err != nil {
		return nil, fmt.Errorf("s3backup: ask for enforce_storage_engine: %w", err)
	}
	if len(rows) == 0 || rows[0][1] == "" {
		return nil, nil
	}
	return []string{fmt.Sprintf("the server makes every table %s: enforce_storage_engine; no backup is restored into it before SET GLOBAL enforce_storage_engine = NULL", rows[0][1])}, nil
}

// unsafeTables warns of tables that no transaction covers.
func (s *session) unsafeTables(ctx context.Context, databases []string) ([]string, error) {
	var warnings []string
	for _, database := range databases {
		rows, err := s.query(ctx, "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+quoteText(database)+
			" AND TABLE_TYPE = 'BASE TABLE' AND ENGINE IS NOT NULL ORDER BY TABLE_NAME")
		if err != nil {
			return nil, fmt.Errorf("s3backup: list tables of %q: %w", database, err)
		}
		for _, row := range rows {
			if safe(row[1]) {
				continue
			}
			warnings = append(warnings, fmt.Sprintf("table %s.%s is %s: it is not part of the snapshot, and was dumped without a lock; convert it to InnoDB", database, row[0], row[1]))
		}
	}
	return warnings, nil
}

// passingEvents warns of events that a later restore does not make.
func (s *session) passingEvents(ctx context.Context, databases []string) ([]string, error) {
	rows, err := s.query(ctx, "SELECT EVENT_SCHEMA, EVENT_NAME, COALESCE(EXECUTE_AT, ENDS) FROM information_schema.EVENTS WHERE "+passing+
		" AND EVENT_SCHEMA IN ("+quoteList(databases)+") ORDER BY 1, 2")
	if err != nil {
		return nil, fmt.Errorf("s3backup: list events: %w", err)
	}
	var warnings []string
	for _, row := range rows {
		warnings = append(warnings, fmt.Sprintf("event %s.%s ends at %s: a restore after that does not bring it back, nor does it do what the event did since the backup",
			row[0], row[1], row[2]))
	}
	return warnings, nil
}

// shortFloats warns of columns whose values a dump rounds, since the server prints them so.
func (s *session) shortFloats(ctx context.Context, databases []string) ([]string, error) {
	var warnings []string
	for _, database := range databases {
		rows, err := s.query(ctx, "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE DATA_TYPE = 'float' AND TABLE_SCHEMA = "+quoteText(database)+
			" AND TABLE_NAME IN (SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE <> 'VIEW' AND TABLE_SCHEMA = "+quoteText(database)+
			") ORDER BY TABLE_NAME, ORDINAL_POSITION")
		if err != nil {
			return nil, fmt.Errorf("s3backup: list columns of %q: %w", database, err)
		}
		var names []string
		for _, row := range rows {
			names = append(names, row[0]+"."+row[1])
		}
		if len(names) > 0 {
			warnings = append(warnings, fmt.Sprintf("database %s has columns of type FLOAT, of whose values a backup keeps six digits, as the server prints them; DOUBLE keeps all: %s",
				database, strings.Join(names, ", ")))
		}
	}
	return warnings, nil
}

// beginnings warns of a server that begins sessions with statements of its own.
func (s *session) beginnings(ctx context.Context, _ []string) ([]string, error) {
	begins, err := s.initConnect(ctx)
	if err != nil {
		return nil, fmt.Errorf("s3backup: ask for init_connect: %w", err)
	}
	if !begins {
		return nil, nil
	}
	return []string{"the server begins sessions with its init_connect; a restore into it loads with an account that has " + connectionAdmin[s.origin.Flavor] + ", whose sessions begin without"}, nil
}

// askHistory finds out whether tables keep their earlier rows, and whether the dump program can dump these. It dumps the
// history of all tables or of none, and of none where the rows of one are dated by transactions.
func (p *dumpPlan) askHistory(ctx context.Context, s *session, facts *Facts) error {
	rows, err := s.query(ctx, "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, (SELECT COUNT(*) FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND"+
		" c.TABLE_NAME = t.TABLE_NAME AND c.DATA_TYPE = 'bigint' AND c.GENERATION_EXPRESSION = 'ROW START') FROM information_schema.TABLES t"+
		" WHERE t.TABLE_TYPE = 'SYSTEM VERSIONED' AND t.TABLE_SCHEMA IN ("+quoteList(p.names)+") ORDER BY 1, 2")
	if err != nil {
		return fmt.Errorf("s3backup: list tables with a history: %w", err)
	}
	if len(rows) == 0 {
		return nil
	}
	help, err := exec.CommandContext(ctx, p.program, "--help").Output()
	if err != nil {
		return fmt.Errorf("s3backup: dump: %s --help: %w", p.program, err)
	}
	why := ""
	if !bytes.Contains(help, []byte("--dump-history")) {
		why = p.program + " does not dump its earlier rows"
	}
	for _, row := range rows {
		if why == "" && row[2] != "0" {
			why = fmt.Sprintf("%s dumps no earlier rows together with table %s.%s, whose rows are dated by transactions", p.program, row[0], row[1])
		}
	}
	p.lossy, p.history = why != "", why == ""
	for _, row := range rows {
		if p.lossy {
			facts.Warnings = append(facts.Warnings, fmt.Sprintf("table %s.%s is versioned by the server, and %s: they are not in the backup", row[0], row[1], why))
		}
	}
	return nil
}
