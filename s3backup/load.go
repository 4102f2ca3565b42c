package s3backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// loader runs the script of a backup in the session of an account that has rights on what is loaded alone.
type loader struct {
	session *session
	// fresh gives each database the name under which it is loaded. Views, triggers, routines and events name their
	// database's own tables, so they are not run but kept until the tables have their own names.
	fresh    map[string]string
	database string // in use
	later    []delayed
}

// delayed is a statement that comes after all tables, under the databases' own names.
type delayed struct {
	text     string
	kind     kind
	database string
	made     object
}

// systemDatabases are the server's own, which no backup holds.
var systemDatabases = []string{"mysql", "sys", "information_schema", "performance_schema"}

// load runs the whole script of a backup. When it returns an error, some of it has been run.
func (s Store) load(ctx context.Context, m Manifest, l *loader, phase string) error {
	if m.Kind != "sql" {
		return fmt.Errorf("s3backup: restore %s: %w: content %q", m.ID, ErrFormat, m.Kind)
	}
	for _, name := range m.Databases {
		if slices.Contains(systemDatabases, strings.ToLower(name)) || leftover.MatchString(name) {
			return fmt.Errorf("s3backup: restore %s: %w: it names the database %q, which no backup holds", m.ID, ErrCorrupt, name)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	content, err := s.open(ctx, m)
	if err != nil {
		return err
	}
	defer content.Close()
	meter := newMeter(phase, m.Content.Bytes, s.emit)
	script := newScript(io.TeeReader(content, meter), l.session.origin)
	for {
		st, err := script.next()
		if errors.Is(err, io.EOF) {
			meter.finish()
			return nil
		}
		if err != nil {
			return fmt.Errorf("s3backup: restore %s: %w", m.ID, err)
		}
		if err := l.run(ctx, st); err != nil {
			return fmt.Errorf("s3backup: restore %s: %w: at %q", m.ID, err, excerpt(st.text))
		}
	}
}

func (l *loader) run(ctx context.Context, st statement) error {
	text := string(st.text)
	switch st.kind {
	case logging:
		return nil // what is restored reaches the replicas as any write does
	case alter, drop, place, body:
		return l.delay(st, text)
	case setting:
		l.later = append(l.later, delayed{text: text, kind: st.kind})
	case use:
		fresh, err := l.freshName(st.name)
		if err != nil {
			return err
		}
		l.database = st.name
		l.later = append(l.later, delayed{text: text, kind: st.kind})
		text = "USE " + fresh
	case create:
		fresh, err := l.freshName(st.name)
		if err != nil {
			return err
		}
		text = strings.Replace(text, quoteName(st.name), fresh, 1)
	case data:
		if strings.HasPrefix(text, "CREATE TABLE ") { // keys to other databases of the backup, and their sequences
			text = requalify(text, l.fresh)
		}
	}
	return l.session.exec(ctx, text)
}

func (l *loader) delay(st statement, text string) error {
	d := delayed{text: text, kind: st.kind, database: l.database, made: st.made}
	if st.kind == alter {
		if _, err := l.freshName(st.name); err != nil {
			return err
		}
	}
	if st.kind == body && slices.ContainsFunc(l.later, func(o delayed) bool {
		return o.kind == body && o.database == d.database && o.made.kind == d.made.kind && strings.EqualFold(o.made.name, d.made.name) && d.made.name != ""
	}) {
		return fmt.Errorf("%w: %s %q is made twice", ErrScript, strings.ToLower(d.made.kind), d.made.name)
	}
	l.later = append(l.later, d)
	return nil
}

func (l *loader) freshName(name string) (string, error) {
	fresh, known := l.fresh[name]
	if !known {
		return "", fmt.Errorf("%w: the script names a database %q that the manifest does not", ErrCorrupt, name)
	}
	return quoteName(fresh), nil
}
