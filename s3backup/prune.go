package s3backup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Plan says what Prune would do with each backup, oldest first, and changes nothing.
func (s Store) Plan(ctx context.Context) ([]Decision, error) {
	entries, err := s.List(ctx)
	return s.Keep.Decide(candidates(entries)), err
}

// Prune deletes what Keep does not keep, oldest first, and sweeps what interrupted runs left. It returns the
// decisions on every backup; each deletion is also an event before it happens. Past the store's object lock it deletes
// only what came into the store at the time in its name, and backups that are ErrAhead. Killed in the middle it has deleted
// less, and what it was at is no longer listed.
func (s Store) Prune(ctx context.Context) ([]Decision, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	release, err := s.lock(ctx, "")
	if err != nil {
		return nil, err
	}
	defer release()
	entries, objects, clock, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.sweep(ctx, objects, entries, clock); err != nil {
		return nil, err
	}
	decisions := s.Keep.Decide(candidates(entries))
	for _, d := range decisions {
		if d.Keep {
			continue
		}
		s.emit(d)
		at := slices.IndexFunc(entries, func(e Entry) bool { return e.ID == d.ID })
		if err := s.discard(ctx, entries[at], objects); err != nil {
			return decisions, err
		}
	}
	return decisions, nil
}

// discard deletes a backup's objects. The manifest goes first: half of a backup must not look like one. An object that is
// locked and not of the backup's time is nothing that a backup writes, and is left to the end of its lock.
func (s Store) discard(ctx context.Context, e Entry, objects []found) error {
	misdated := errors.Is(e.Problem, ErrAhead) || errors.Is(e.Problem, ErrLate)
	if err := s.remove(ctx, s.key(e.ID, manifestName), true); err != nil {
		return fmt.Errorf("s3backup: prune %s: %w", e.ID, err)
	}
	for _, o := range objects {
		name, within := strings.CutPrefix(o.key, s.key(e.ID, ""))
		if !within || name == manifestName {
			continue
		}
		pastLock := misdated || s.dated(o) || verdictText.MatchString(name)
		err := s.remove(ctx, o.key, pastLock)
		if status(err) == http.StatusForbidden && !pastLock {
			s.emit(Note{Warning: true, Text: o.key + " is locked and no part of the backup: it stays until its lock ends"})
			continue
		}
		if err != nil {
			return fmt.Errorf("s3backup: prune %s: %w", e.ID, err)
		}
	}
	return nil
}

func candidates(entries []Entry) []Candidate {
	var all []Candidate
	for _, e := range entries {
		all = append(all, Candidate{
			ID: e.ID, At: e.At, Damaged: e.Problem != nil, Refuted: e.Refuted(), Verified: e.Verified(),
			Ahead: errors.Is(e.Problem, ErrAhead), Late: errors.Is(e.Problem, ErrLate),
		})
	}
	return all
}
