package s3backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is one backup as the store has it.
type Entry struct {
	ID       string
	At       time.Time // as its name says
	Manifest Manifest  // zero where Problem is set
	Verdict  *Verdict  // nil where it was never verified
	// Problem says why the backup cannot be used: its manifest is damaged, or another site's, or its name says another time
	// than the store (ErrAhead, ErrLate). Such a backup is never chosen and does not count. Only one that is ErrAhead is
	// deleted by Prune.
	Problem error
	// Forged names verdicts that do not count, since their names are later than the store's time. A true one would not be.
	Forged []string
	// Warnings is what Find has to say about its choice, such as which newer backup it passed over, and why.
	Warnings []string
}

// Verified reports that a restore of this backup was compared and agreed.
func (e Entry) Verified() bool { return e.Verdict != nil && e.Verdict.OK }

// Refuted reports that a restore of this backup was tried and failed.
func (e Entry) Refuted() bool { return e.Verdict != nil && !e.Verdict.OK }

// List gives the backups of the site, oldest first. What an interrupted run left is not among them.
func (s Store) List(ctx context.Context) ([]Entry, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	entries, _, _, err := s.inventory(ctx)
	return entries, err
}

// inventory lists backups, everything that lies there, and the store's time.
func (s Store) inventory(ctx context.Context) ([]Entry, []found, time.Time, error) {
	objects, clock, err := s.objects(ctx)
	if err != nil {
		return nil, nil, clock, err
	}
	has := contents{objects: map[string]found{}, verdict: map[string]string{}, forged: map[string][]string{}, clock: clock}
	var entries []Entry
	for _, o := range objects {
		has.objects[o.key] = o
		id, name, _ := strings.Cut(strings.TrimPrefix(o.key, s.base()), "/")
		if at, err := idAt(id); err == nil && name == manifestName {
			entries = append(entries, Entry{ID: id, At: at})
		}
		switch {
		case !verdictText.MatchString(name):
		case verdictAhead(name, o.modified):
			has.forged[id] = append(has.forged[id], name)
		case name > has.verdict[id]:
			has.verdict[id] = name
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	if err := s.readEntries(ctx, entries, has); err != nil {
		return nil, objects, clock, err
	}
	pruned := func(e Entry) bool { return errors.Is(e.Problem, errPruned) }
	return slices.DeleteFunc(entries, pruned), objects, clock, nil
}

// contents are what lies in the store.
type contents struct {
	objects map[string]found    // by key
	verdict map[string]string   // name of the newest, by backup
	forged  map[string][]string // names of verdicts that do not count, by backup
	clock   time.Time           // the store's
}

// errPruned marks a backup that was deleted between being listed and being read.
var errPruned = errors.New("pruned meanwhile")

// readEntries fills entries in, a few at a time. A manifest that cannot be read stops the listing: an answer that
// leaves out a backup for a broken connection would look like one that was lost.
func (s Store) readEntries(ctx context.Context, entries []Entry, has contents) error {
	const parallel = 8
	errs := make([]error, len(entries))
	turn := make(chan struct{}, parallel)
	var group sync.WaitGroup
	for i := range entries {
		turn <- struct{}{}
		group.Go(func() {
			defer func() { <-turn }()
			errs[i] = s.readEntry(ctx, &entries[i], has)
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err // of a store that is gone one error says what a hundred would
		}
	}
	return nil
}

func (s Store) readEntry(ctx context.Context, e *Entry, has contents) error {
	text, err := s.read(ctx, s.key(e.ID, manifestName))
	if status(err) == http.StatusNotFound {
		e.Problem = errPruned
		return nil
	}
	if err != nil {
		return err
	}
	e.Manifest, e.Problem = decodeManifest(text, s.Site, e.ID)
	if e.Problem == nil {
		e.Problem = has.check(s.key(e.ID, e.Manifest.Object.Name), e.Manifest)
	}
	if misdated := has.checkDates(s, *e); misdated != nil {
		e.Problem = misdated
	}
	return s.readVerdict(ctx, e, has)
}

// readVerdict reads the newest verdict of those that count.
func (s Store) readVerdict(ctx context.Context, e *Entry, has contents) error {
	e.Forged = has.forged[e.ID]
	name := has.verdict[e.ID]
	if name == "" {
		return nil
	}
	text, err := s.read(ctx, s.key(e.ID, name))
	if status(err) == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	verdict := &Verdict{}
	if err := json.Unmarshal(text, verdict); err != nil || verdict.Backup != e.ID {
		return nil
	}
	if errors.Is(checkDate(verdict.At, has.objects[s.key(e.ID, name)].modified), ErrAhead) {
		e.Forged = append(e.Forged, name)
		return nil
	}
	e.Verdict = verdict
	return nil
}

// check says what is wrong with the object of a backup, as far as a listing shows it.
func (c contents) check(key string, m Manifest) error {
	o, there := c.objects[key]
	switch {
	case !there:
		return fmt.Errorf("s3backup: backup %s: %w: object %s is not there", m.ID, ErrCorrupt, m.Object.Name)
	case o.bytes != m.Object.Bytes:
		return fmt.Errorf("s3backup: backup %s: %w: object %s has %d bytes, the manifest says %d: somebody wrote over it; an earlier version of it may be in the bucket",
			m.ID, ErrCorrupt, m.Object.Name, o.bytes, m.Object.Bytes)
	}
	return nil
}

// Select says which backup is meant. Zero is the latest that can be used.
type Select struct {
	ID     string    // this one
	Before time.Time // the latest that was begun before this time
	// Late accepts the backup that ID names though it came into the store long after its time, which all did in a bucket
	// that was copied. Zero refuses it with ErrLate: somebody may have added it.
	Late bool
}

// Find gives the backup that is meant. Without an ID it passes over backups that cannot be used or that a Verify has
// refuted. Entry.Warnings, which are events besides, name those that are newer than the one it chose, and tell where an
// older backup was verified and the chosen one was not. The error is ErrNoBackup where none fits, or why the named one
// cannot be used.
func (s Store) Find(ctx context.Context, which Select) (Entry, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return Entry{}, err
	}
	e, err := choose(entries, which, s.Site)
	if err == nil && which.ID == "" {
		e.Warnings = passedOver(entries, e, which)
		if proven := lastVerified(entries); !e.Verified() && proven != nil {
			e.Warnings = append(e.Warnings, fmt.Sprintf("backup %s was never verified; the newest that was is %s", e.ID, proven.ID))
		}
	}
	for _, warning := range e.Warnings {
		s.emit(Note{Warning: true, Text: warning})
	}
	return e, err
}

// passedOver names the backups that would have been chosen instead, had nothing spoken against them. What is ahead of the
// store's time is no backup of this site, and Status names it.
func passedOver(entries []Entry, chosen Entry, which Select) (warnings []string) {
	for _, e := range slices.Backward(entries) {
		switch {
		case e.ID == chosen.ID:
			return warnings
		case errors.Is(e.Problem, ErrAhead), !which.Before.IsZero() && !e.At.Before(which.Before):
		case e.Problem != nil:
			warnings = append(warnings, fmt.Sprintf("backup %s is newer than %s and was passed over: %v", e.ID, chosen.ID, e.Problem))
		case e.Refuted():
			warnings = append(warnings, fmt.Sprintf("backup %s is newer than %s and was passed over: a verify at %s could not restore it: %s", e.ID, chosen.ID,
				e.Verdict.At.UTC().Format(time.RFC3339), strings.Join(e.Verdict.Problems, "; ")))
		}
	}
	return warnings
}

// lastVerified is the newest backup that was restored and compared; nil where there is none.
func lastVerified(entries []Entry) *Entry {
	for i := range slices.Backward(entries) {
		if entries[i].Problem == nil && entries[i].Verified() {
			return &entries[i]
		}
	}
	return nil
}

func choose(entries []Entry, which Select, site string) (Entry, error) {
	for _, e := range slices.Backward(entries) {
		switch {
		case which.ID != "" && e.ID == which.ID && which.Late && errors.Is(e.Problem, ErrLate):
			return e, nil
		case which.ID != "" && e.ID == which.ID:
			return e, e.Problem
		case which.ID != "" || e.Problem != nil || e.Refuted():
		case which.Before.IsZero() || e.Manifest.Started.Before(which.Before):
			return e, nil
		}
	}
	switch {
	case which.ID != "":
		return Entry{}, fmt.Errorf("s3backup: site %q: %w named %q", site, ErrNoBackup, which.ID)
	case !which.Before.IsZero():
		return Entry{}, fmt.Errorf("s3backup: site %q: %w from before %s", site, ErrNoBackup, which.Before.UTC().Format(time.RFC3339))
	}
	return Entry{}, fmt.Errorf("s3backup: site %q: %w", site, ErrNoBackup)
}

// lastGood is the newest backup that can be used; nil where there is none.
func lastGood(entries []Entry) *Entry {
	for i := range slices.Backward(entries) {
		if entries[i].Problem == nil && !entries[i].Refuted() {
			return &entries[i]
		}
	}
	return nil
}
