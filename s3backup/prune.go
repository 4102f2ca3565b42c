package s3backup

import (
	"context"
	"fmt"
	"strings"
)

// Plan says what Prune would do with each backup, oldest first, and changes nothing.
func (s Store) Plan(ctx context.Context) ([]Decision, error) {
	entries, err := s.List(ctx)
	return s.Keep.Decide(candidates(entries)), err
}

// Prune deletes what Keep does not keep, oldest first, and sweeps what interrupted runs left. It returns the
// decisions on every backup; each deletion is also an event before it happens. Killed in the middle it has deleted
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
		if err := s.discard(ctx, d.ID, objects); err != nil {
			return decisions, err
		}
	}
	return decisions, nil
}

// discard deletes a backup's objects. The manifest goes first: half of a backup must not look like one.
func (s Store) discard(ctx context.Context, id string, objects []found) error {
	if err := s.remove(ctx, s.key(id, manifestName)); err != nil {
		return fmt.Errorf("s3backup: prune %s: %w", id, err)
	}
	for _, o := range objects {
		if strings.HasPrefix(o.key, s.key(id, "")) && o.key != s.key(id, manifestName) {
			if err := s.remove(ctx, o.key); err != nil {
				return fmt.Errorf("s3backup: prune %s: %w", id, err)
			}
		}
	}
	return nil
}

func candidates(entries []Entry) []Candidate {
	var all []Candidate
	for _, e := range entries {
		all = append(all, Candidate{ID: e.ID, At: e.At, Damaged: e.Problem != nil, Refuted: e.Refuted(), Verified: e.Verified()})
	}
	return all
}
