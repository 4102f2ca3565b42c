package s3backup

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Status is how a site's backups stand.
type Status struct {
	Last     *Entry        // the newest that can be used; nil where there is none
	Age      time.Duration // since the snapshot of Last; never negative
	Took     time.Duration // how long Last took
	Verified *Entry        // the newest that was restored and compared; nil where there is none
	Count    int           // of all backups
	Bytes    int64         // that they take in the bucket
	Prunable int           // of them fit no rule of Store.Keep: Prune would delete them
	Warnings []string      // what somebody should look at; none is good
}

// Status lists the backups and says how they stand. Ages are counted by the store's clock.
func (s Store) Status(ctx context.Context) (Status, error) {
	if err := s.Validate(); err != nil {
		return Status{}, err
	}
	entries, _, clock, err := s.inventory(ctx)
	if err != nil {
		return Status{}, err
	}
	if clock.IsZero() {
		clock = time.Now()
	}
	return s.judge(entries, clock), nil
}

// staleVerdict is how old the newest verdict may be: verifying is meant to be daily, and one failed day is no news.
const staleVerdict = 48 * time.Hour

// clockGrain is by how much clocks differ that are both right: a store tells whole seconds.
const clockGrain = 2 * time.Second

// firstUsable is the time of the oldest backup that can be read.
func firstUsable(entries []Entry) time.Time {
	at := slices.IndexFunc(entries, func(e Entry) bool { return e.Problem == nil })
	return entries[at].At
}

// judge is pure: entries are oldest first.
func (s Store) judge(entries []Entry, now time.Time) Status {
	status := Status{Count: len(entries), Last: lastGood(entries)}
	for _, d := range s.Keep.Decide(candidates(entries)) {
		if !d.Keep {
			status.Prunable++
		}
	}
	for i, e := range entries {
		status.Bytes += e.Manifest.Object.Bytes
		for _, name := range e.Forged {
			status.Warnings = append(status.Warnings, fmt.Sprintf("backup %s: %s does not count: it is of a later time than the store's, and no verify made it", e.ID, name))
		}
		switch {
		case e.Problem != nil:
			status.Warnings = append(status.Warnings, fmt.Sprintf("backup %s cannot be used: %v", e.ID, e.Problem))
		case e.Refuted():
			status.Warnings = append(status.Warnings, fmt.Sprintf("backup %s could not be restored: %v", e.ID, e.Verdict.Problems))
		case e.Verified():
			status.Verified = &entries[i]
		}
	}
	if status.Last == nil {
		status.Warnings = append(status.Warnings, "there is no backup")
		return status
	}
	if now.Sub(firstUsable(entries)) > staleVerdict && (status.Verified == nil || now.Sub(status.Verified.Verdict.At) > staleVerdict) {
		status.Warnings = append(status.Warnings, fmt.Sprintf("no backup was verified within the last %s", staleVerdict))
	}
	m := status.Last.Manifest
	for _, l := range m.Left {
		status.Warnings = append(status.Warnings, "backup "+m.ID+": "+l.String())
	}
	status.Age, status.Took = now.Sub(m.Started), m.Finished.Sub(m.Started)
	if status.Age < -clockGrain {
		status.Warnings = append(status.Warnings, fmt.Sprintf("the last backup is %s ahead of the store's clock: that clock or the server's is wrong", -status.Age.Round(time.Second)))
	}
	status.Age = max(status.Age, 0)
	if missed := int(status.Age / s.every()); missed >= 2 {
		status.Warnings = append(status.Warnings, fmt.Sprintf("the last backup is %s old: %d of one every %s are missing",
			status.Age.Round(time.Second), missed, s.every()))
	}
	return status
}
