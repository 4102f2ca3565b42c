package s3backup

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// foreignKey is one that leads from a table of one database into another database. Keys within a database name no
// database, and go where it goes.
type foreignKey struct {
	database, table, name string
	columns               []string
	toDatabase, toTable   string
	toColumns             []string
	onDelete, onUpdate    string
}

func (k foreignKey) String() string {
	return fmt.Sprintf("foreign key %q of table %s.%s to %s.%s", k.name, k.database, k.table, k.toDatabase, k.toTable)
}

// foreignKeys lists the keys between databases, whatever databases these are.
func (s *session) foreignKeys(ctx context.Context) ([]foreignKey, error) {
	rows, err := s.query(ctx, `SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA,
		k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE
		FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
		ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
		WHERE k.REFERENCED_TABLE_SCHEMA <> k.TABLE_SCHEMA ORDER BY 1, 2, 3, k.ORDINAL_POSITION`)
	if err != nil {
		return nil, fmt.Errorf("s3backup: list foreign keys between databases of %s: %w", s.address, err)
	}
	var all []foreignKey
	for _, row := range rows {
		last := len(all) - 1
		if last < 0 || all[last].database != row[0] || all[last].table != row[1] || all[last].name != row[2] {
			all = append(all, foreignKey{database: row[0], table: row[1], name: row[2], toDatabase: row[4], toTable: row[5], onDelete: row[7], onUpdate: row[8]})
			last++
		}
		all[last].columns = append(all[last].columns, row[3])
		all[last].toColumns = append(all[last].toColumns, row[6])
	}
	return all, nil
}

// crossings names, for a manifest, the keys that lead out of the databases or into them.
func (s *session) crossings(ctx context.Context, databases []string) ([]string, error) {
	all, err := s.foreignKeys(ctx)
	var warnings []string
	for _, k := range all {
		inside, leads := slices.Contains(databases, k.database), slices.Contains(databases, k.toDatabase)
		switch {
		case leftover.MatchString(k.database) || inside == leads:
		case inside:
			warnings = append(warnings, fmt.Sprintf("%s leads out of the backup: where there is no such table it refuses new rows", k))
		default:
			warnings = append(warnings, fmt.Sprintf("%s leads into the backup: a restore is refused where it would leave a row without what it refers to", k))
		}
	}
	return warnings, err
}

// outsideKeys are the keys of tables that stay into databases that are to be replaced.
func (r *restore) outsideKeys(ctx context.Context) ([]foreignKey, error) {
	all, err := r.session.foreignKeys(ctx)
	return slices.DeleteFunc(all, func(k foreignKey) bool {
		return leftover.MatchString(k.database) || slices.Contains(r.manifest.Databases, k.database) || !slices.Contains(r.manifest.Databases, k.toDatabase)
	}), err
}

// checkOutside refuses, before anything is changed, to leave rows of other databases without what they refer to.
func (r *restore) checkOutside(ctx context.Context) error {
	keys, err := r.outsideKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		refuse := func(fact string) error {
			return fmt.Errorf("s3backup: restore %s: %s: %s; drop the key, or restore a backup that fits", r.manifest.ID, k, fact)
		}
		there, err := r.session.baseTables(ctx, r.fresh[k.toDatabase])
		if err != nil {
			return err
		}
		if !slices.Contains(there, k.toTable) {
			return refuse("the backup has no such table")
		}
		var on, set []string
		for i, column := range k.columns {
			on = append(on, "p."+quoteName(k.toColumns[i])+" = c."+quoteName(column))
			set = append(set, "c."+quoteName(column)+" IS NOT NULL")
		}
		orphans, err := one(ctx, r.session, "SELECT COUNT(*) FROM "+quoteName(k.database)+"."+quoteName(k.table)+" c WHERE "+strings.Join(set, " AND ")+
			" AND NOT EXISTS (SELECT 1 FROM "+quoteName(r.fresh[k.toDatabase])+"."+quoteName(k.toTable)+" p WHERE "+strings.Join(on, " AND ")+")", 0)
		if err != nil {
			return refuse(err.Error())
		}
		if orphans != "0" {
			return refuse(orphans + " rows refer to what the backup does not have")
		}
	}
	return nil
}

// pointOutside lets the keys of tables that stay lead to the new tables. With the exchange they went with the old ones.
// The server looks at their rows again, for the application may have written meanwhile.
func (r *restore) pointOutside(ctx context.Context) error {
	back := inverse(r.old)
	all, err := r.session.foreignKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range all {
		name, moved := back[k.toDatabase]
		if !moved || leftover.MatchString(k.database) {
			continue
		}
		if err := r.session.point(ctx, k, name, true); err != nil {
			return err
		}
	}
	return r.pointNowhere(ctx, all)
}

// pointNowhere lets keys of the new tables that lead to a table which the backup does not have lead to where that would
// be. With such a table the exchange would have taken them along; without it they are left with the fresh database's name.
func (r *restore) pointNowhere(ctx context.Context, all []foreignKey) error {
	now := inverse(r.fresh)
	for _, k := range all {
		name, fresh := now[k.toDatabase]
		if !fresh || leftover.MatchString(k.database) {
			continue
		}
		if err := r.session.point(ctx, k, name, false); err != nil {
			return err
		}
		k.toDatabase = name
		r.store.emit(Note{Warning: true, Text: fmt.Sprintf("%s leads to a table that the backup does not have: until there is one it refuses new rows", k)})
	}
	return nil
}

// heldName matches a key between two statements that give it its name again.
var heldName = regexp.MustCompile(`^(.+)_sbkey_[0-9a-f]{6}$`)

// point lets a key lead to the table of the same name in another database. It takes two statements, since none drops
// and adds one of the same name; each is done whole or not at all, and mendKeys ends what a kill leaves between them.
func (s *session) point(ctx context.Context, k foreignKey, database string, check bool) error {
	from := k.name
	if !heldName.MatchString(k.name) {
		held := k
		held.name = fmt.Sprintf("%s_sbkey_%06x", shorten(k.name, 51), time.Now().UnixNano()&0xffffff)
		if err := s.replaceKey(ctx, from, held, database, check); err != nil {
			return err
		}
		from = held.name
	} else {
		k.name = heldName.FindStringSubmatch(k.name)[1]
	}
	return s.replaceKey(ctx, from, k, database, false)
}

func (s *session) replaceKey(ctx context.Context, from string, k foreignKey, database string, check bool) error {
	quote := func(names []string) string {
		all := slices.Clone(names)
		for i := range all {
			all[i] = quoteName(all[i])
		}
		return strings.Join(all, ", ")
	}
	checks := map[bool]string{false: "OFF", true: "ON"}[check]
	for _, text := range []string{
		"SET SESSION foreign_key_checks = " + checks,
		"ALTER TABLE " + quoteName(k.database) + "." + quoteName(k.table) + " DROP FOREIGN KEY " + quoteName(from) +
			", ADD CONSTRAINT " + quoteName(k.name) + " FOREIGN KEY (" + quote(k.columns) + ") REFERENCES " +
			quoteName(database) + "." + quoteName(k.toTable) + " (" + quote(k.toColumns) + ") ON DELETE " + k.onDelete + " ON UPDATE " + k.onUpdate,
		"SET SESSION foreign_key_checks = OFF",
	} {
		if err := s.exec(ctx, text); err != nil {
			return fmt.Errorf("s3backup: restore: let the %s lead to %s.%s: %w", k, database, k.toTable, err)
		}
	}
	return nil
}

func shorten(name string, limit int) string {
	for utf8.RuneCountInString(name) > limit {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// mendKeys lets keys that lead into what restores have left of the databases lead to the databases themselves again, so
// that it can be dropped.
func (s *session) mendKeys(ctx context.Context, databases []string, emit func(Event)) error {
	all, err := s.foreignKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range all {
		to := k.toDatabase
		if database, kind := leftOf(to, databases); kind != "" {
			to = database
		}
		if leftover.MatchString(k.database) || !slices.Contains(databases, to) || to == k.toDatabase && !heldName.MatchString(k.name) {
			continue
		}
		if err := s.point(ctx, k, to, false); err != nil {
			return err
		}
		emit(Note{Warning: true, Text: fmt.Sprintf("%s, which an interrupted restore had left so, leads to database %s again; rows that were written meanwhile were not checked", k, to)})
	}
	return nil
}
