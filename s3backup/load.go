package s3backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// loader runs the script of a backup in one session.
type loader struct {
	session *session

	// fresh gives each database the name under which it is loaded. Views, triggers, routines and events name their
	// database's own tables, so they are not run but kept until the tables have their own names. Nil loads everything
	// under its own name, in the script's order.
	fresh map[string]string
	later []string
}

// load runs the whole script of a backup. When it returns an error, some of it has been run.
func (s Store) load(ctx context.Context, m Manifest, l *loader, phase string) error {
	if m.Kind != "sql" {
		return fmt.Errorf("s3backup: restore %s: %w: content %q", m.ID, ErrFormat, m.Kind)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	content, err := s.open(ctx, m)
	if err != nil {
		return err
	}
	defer content.Close()
	meter := newMeter(phase, m.Content.Bytes, s.emit)
	script := newScript(io.TeeReader(content, meter))
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

func excerpt(text []byte) string {
	const limit = 80
	if len(text) <= limit {
		return string(text)
	}
	return string(text[:limit]) + "…"
}

// logText matches how mysqldump keeps what it wrote out of the binary log.
var logText = regexp.MustCompile(`^SET (?:@MYSQLDUMP_TEMP_LOG_BIN|@@SESSION\.SQL_LOG_BIN) ?=`)

func (l *loader) run(ctx context.Context, st statement) error {
	if logText.Match(st.text) {
		return nil // what is restored reaches the replicas as any write does
	}
	text := string(st.text)
	if l.fresh == nil {
		return l.session.exec(ctx, text)
	}
	switch st.kind() {
	case object:
		l.later = append(l.later, text)
		return nil
	case setting:
		l.later = append(l.later, text)
	case use:
		l.later = append(l.later, text)
		name, err := l.freshName(useText.FindStringSubmatch(text)[1])
		if err != nil {
			return err
		}
		text = "USE " + name
	case create:
		l.later = append(l.later, text)
		found := createText.FindStringSubmatch(text)
		name, err := l.freshName(found[2])
		if err != nil {
			return err
		}
		text = found[1] + name + text[len(found[0]):]
	case data:
		if strings.HasPrefix(text, "CREATE TABLE ") { // keys to other databases of the backup, and their sequences
			text = requalify(text, l.fresh)
		}
	}
	return l.session.exec(ctx, text)
}

func (l *loader) freshName(quoted string) (string, error) {
	name := strings.ReplaceAll(quoted, "``", "`")
	fresh, known := l.fresh[name]
	if !known {
		return "", fmt.Errorf("%w: the script names a database %q that the manifest does not", ErrCorrupt, name)
	}
	return quoteName(fresh), nil
}
