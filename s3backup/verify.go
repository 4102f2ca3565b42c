package s3backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Verdict is what a Verify found. It lies beside the manifest.
type Verdict struct {
	Backup   string    `json:"backup"`
	At       time.Time `json:"at"`
	OK       bool      `json:"ok"`
	Tables   int       `json:"tables"` // whose checksums were compared
	Rows     int64     `json:"rows"`
	Seconds  float64   `json:"seconds"`
	Server   string    `json:"server"` // version that it was restored into
	Problems []string  `json:"problems,omitempty"`
}

// Verify restores a backup into a scratch server, compares every table with the checksums that were taken in the
// backup's own snapshot, and records the verdict beside it. A backup that turns out bad is a verdict, not an error;
// an error means that nothing was found out, and nothing is recorded then. It does not keep Backup from running.
func (s Store) Verify(ctx context.Context, which Select, scratch Scratch) (Verdict, error) {
	if err := s.Validate(); err != nil {
		return Verdict{}, err
	}
	release, err := s.lock(ctx, ".verify")
	if err != nil {
		return Verdict{}, err
	}
	defer release()
	entry, err := s.Find(ctx, which)
	if err != nil {
		return Verdict{}, err
	}
	m := entry.Manifest
	begin := time.Now()
	verdict, err := s.try(ctx, m, scratch)
	if err != nil {
		return Verdict{}, fmt.Errorf("s3backup: verify %s: %w", m.ID, err)
	}
	verdict.Backup, verdict.At, verdict.OK = m.ID, time.Now().UTC().Truncate(time.Second), len(verdict.Problems) == 0
	verdict.Seconds = time.Since(begin).Seconds()
	text, err := json.MarshalIndent(verdict, "", "  ")
	if err != nil {
		return Verdict{}, err
	}
	if err := s.create(ctx, s.key(m.ID, verdictName(time.Now())), append(text, '\n')); err != nil {
		return verdict, err
	}
	s.emit(Note{Warning: !verdict.OK, Text: verdict.String()})
	return verdict, nil
}

func (v Verdict) String() string {
	if !v.OK {
		return fmt.Sprintf("backup %s is bad: %v", v.Backup, v.Problems)
	}
	return fmt.Sprintf("backup %s is good: restored into %s, %d tables with %d rows agree with the snapshot, in %.1f s",
		v.Backup, v.Server, v.Tables, v.Rows, v.Seconds)
}

func (s Store) try(ctx context.Context, m Manifest, scratch Scratch) (Verdict, error) {
	server, err := scratch.start(ctx, m.Content.Bytes, "s3backup-scratch-"+s.machine()+"-", s.emit)
	if err != nil {
		return Verdict{}, err
	}
	defer server.stop()
	session, err := server.session(ctx)
	if err != nil {
		return Verdict{}, err
	}
	defer session.Close()
	v := Verdict{Server: session.origin.Flavor + " " + session.origin.Version}
	if major(session.origin) != major(m.Server) {
		return v, fmt.Errorf("it is from %s and the scratch server is %s, whose checksums are not comparable", major(m.Server), major(session.origin))
	}
	account, err := session.newAccount(ctx, server.Server, m.Databases, s.emit)
	if err != nil {
		return v, err
	}
	open, err := account.open(ctx)
	if err != nil {
		return v, err
	}
	err = s.loadWhole(ctx, m, account, open)
	if isVerdict(err) && ctx.Err() == nil {
		v.Problems = []string{err.Error()}
		return v, nil
	}
	if err != nil {
		return v, err
	}
	got, err := measure(ctx, session, m.Databases)
	if err != nil {
		return v, err
	}
	if len(m.Tables) == 0 && len(m.Objects) == 0 {
		s.emit(Note{Warning: true, Text: "backup " + m.ID + " holds no checksums; that it can be loaded is all that was shown"})
		return v, nil
	}
	v.Tables, v.Rows = len(m.Tables), m.Rows()
	v.Problems = differences(measurement{tables: m.Tables, objects: m.Objects}, got, m.Server.Version == session.origin.Version)
	return v, nil
}

// loadWhole loads a backup as a restore does: by an account of its own, first the tables, then all else. Accounts are not
// in a backup, so that of those which it names the scratch server gets stand-ins.
func (s Store) loadWhole(ctx context.Context, m Manifest, account *account, open *session) error {
	l := &loader{session: open, fresh: map[string]string{}}
	for _, name := range m.Databases {
		l.fresh[name] = name
	}
	err := s.load(ctx, m, l, "verify")
	_ = open.Close()
	if err == nil && m.Definers != nil {
		err = account.root.checkDefiners(ctx, m, l.later)
	}
	if err == nil {
		err = account.root.makeDefiners(ctx, m, l.later)
	}
	if err != nil {
		return err
	}
	return account.finish(ctx, m, l.later)
}

// isVerdict reports an error that speaks of the backup and not of the way to it.
func isVerdict(err error) bool {
	var refused *mysql.MySQLError
	if errors.Is(err, ErrDiskFull) {
		return false
	}
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrScript) || errors.Is(err, ErrDefiner) || errors.As(err, &refused)
}
