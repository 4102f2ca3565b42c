package s3backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// swap exchanges the databases. Tables change places in one statement; what else a database has is taken out before
// and put in after. Whatever goes wrong, the journals say how to go back.
func (r *restore) swap(ctx context.Context, later []delayed) error {
	moves, err := r.moves(ctx)
	if err != nil {
		return err
	}
	// From here on the work is brought to an end even if somebody presses Ctrl-C.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	defer cancel()
	for _, name := range r.manifest.Databases {
		if err := r.session.writeJournal(ctx, name, r.old[name]); err != nil {
			return err
		}
	}
	if err := r.exchange(ctx, moves, later); err != nil {
		return err // and clearUp goes back
	}
	return r.session.endJournals(ctx, slices.Sorted(maps.Values(r.old))...)
}

func (r *restore) exchange(ctx context.Context, moves []move, later []delayed) error {
	var grants []schemaObject
	for _, name := range r.manifest.Databases {
		there, err := r.session.schemaObjects(ctx, name)
		if err == nil {
			err = r.session.dropObjects(ctx, there)
		}
		if err != nil {
			return err
		}
		grants = append(grants, slices.DeleteFunc(there, func(o schemaObject) bool { return o.kind != grantKind })...)
	}
	if err := r.session.rename(ctx, moves); err != nil {
		return err
	}
	if err := r.pointOutside(ctx); err != nil {
		return err
	}
	if err := r.session.moveDefaults(ctx, r.fresh); err != nil {
		return err
	}
	for _, name := range r.manifest.Databases {
		defaults, err := r.session.defaults(ctx, name, r.fresh[name])
		if err == nil {
			err = r.session.exec(ctx, defaults)
		}
		if err != nil {
			return err
		}
	}
	if err := r.finish(ctx, later); err != nil {
		return err
	}
	for _, o := range grants {
		if err := r.session.createObject(ctx, o); err != nil {
			r.store.emit(Note{Warning: true, Text: err.Error()})
		}
	}
	return nil
}

// finish makes views, triggers, routines and events, and counts them; the tables were compared before.
func (r *restore) finish(ctx context.Context, later []delayed) error {
	if err := r.account.finish(ctx, r.manifest, later); err != nil {
		return err
	}
	for _, want := range r.manifest.Objects {
		got, err := countObjects(ctx, r.session, want.Database)
		if err != nil {
			return err
		}
		if !want.fits(got) {
			return fmt.Errorf("s3backup: restore %s: %w: database %s: views, triggers, routines, events %v, the backup has %v",
				r.manifest.ID, ErrMismatch, want.Database, got.counts(), want.counts())
		}
	}
	return nil
}

// move is one step of RENAME TABLE.
type move struct{ from, to [2]string }

// moves lists which table goes where: every old one out, every fresh one in.
func (r *restore) moves(ctx context.Context) ([]move, error) {
	var out, in []move
	for _, name := range r.manifest.Databases {
		for _, statement := range []string{
			"CREATE DATABASE IF NOT EXISTS " + quoteName(name), "CREATE DATABASE IF NOT EXISTS " + quoteName(r.old[name]),
		} {
			if err := r.session.exec(ctx, statement); err != nil {
				return nil, fmt.Errorf("s3backup: restore: %w", err)
			}
		}
		old, err := r.session.baseTables(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, table := range old {
			out = append(out, move{[2]string{name, table}, [2]string{r.old[name], table}})
		}
		fresh, err := r.session.baseTables(ctx, r.fresh[name])
		if err != nil {
			return nil, err
		}
		for _, table := range fresh {
			in = append(in, move{[2]string{r.fresh[name], table}, [2]string{name, table}})
		}
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("s3backup: restore %s: %w: it holds no table", r.manifest.ID, ErrCorrupt)
	}
	return append(out, in...), nil
}

// moveDefaults lets defaults of columns that name a sequence name it where it is now. A sequence is named with its
// database, in a text that the exchange does not touch.
func (s *session) moveDefaults(ctx context.Context, fresh map[string]string) error {
	if s.origin.Flavor != "mariadb" {
		return nil
	}
	now := inverse(fresh)
	rows, err := s.query(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN ("+
		quoteList(slices.Collect(maps.Keys(fresh)))+") AND COLUMN_DEFAULT LIKE '%sbnew-%'")
	if err != nil {
		return fmt.Errorf("s3backup: restore: list defaults of columns: %w", err)
	}
	for _, row := range rows {
		moved := requalify(row[3], now)
		if moved == row[3] {
			continue
		}
		table := quoteName(row[0]) + "." + quoteName(row[1])
		if err := s.exec(ctx, "ALTER TABLE "+table+" ALTER COLUMN "+quoteName(row[2])+" SET DEFAULT ("+moved+")"); err != nil {
			return fmt.Errorf("s3backup: restore: default of column %q of %s: %w", row[2], table, err)
		}
	}
	return nil
}

func (s *session) baseTables(ctx context.Context, database string) ([]string, error) {
	rows, err := s.query(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+quoteText(database)+
		" AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') ORDER BY TABLE_NAME")
	if err != nil {
		return nil, fmt.Errorf("s3backup: list tables of %q: %w", database, err)
	}
	var names []string
	for _, row := range rows {
		names = append(names, row[0])
	}
	return names, nil
}

func (s *session) rename(ctx context.Context, moves []move) error {
	var parts []string
	for _, m := range moves {
		parts = append(parts, quoteName(m.from[0])+"."+quoteName(m.from[1])+" TO "+quoteName(m.to[0])+"."+quoteName(m.to[1]))
	}
	if err := s.execLong(ctx, "RENAME TABLE "+strings.Join(parts, ", ")); err != nil {
		return fmt.Errorf("s3backup: restore: exchange tables: %w", err)
	}
	return nil
}
