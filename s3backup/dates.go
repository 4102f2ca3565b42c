package s3backup

import (
	"fmt"
	"time"
)

// Whoever has a server's credentials can add backups under any name, and a name is a time. When an object came into the
// store, only the store says. So a name is believed as far as the store's time agrees with it.
const (
	// aheadLimit is how much later than the store's time a name may be: as much as Backup lets the two clocks differ, and
	// what the store cuts off its seconds.
	aheadLimit = clockLimit + time.Minute
	// lateLimit is how much earlier it may be. No backup takes as long.
	lateLimit = 24 * time.Hour
)

// checkDate compares the time in a name with the time at which the store got the object. A store that does not tell that
// time says nothing against it.
func checkDate(name, stored time.Time) error {
	switch off := name.Sub(stored); {
	case stored.IsZero():
		return nil
	case off > aheadLimit:
		return fmt.Errorf("%w: the store has had it since %s", ErrAhead, stored.UTC().Format(time.RFC3339))
	case -off > lateLimit:
		return fmt.Errorf("%w: the store got it at %s", ErrLate, stored.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkDates compares a backup's name with when its manifest and its content came into the store.
func (c contents) checkDates(s Store, e Entry) error {
	stored := c.objects[s.key(e.ID, manifestName)].modified
	if stored.IsZero() {
		stored = c.clock
	}
	err := checkDate(e.At, stored)
	if err == nil {
		err = checkDate(e.At, c.objects[s.key(e.ID, e.Manifest.Object.Name)].modified)
	}
	if err != nil {
		return fmt.Errorf("s3backup: backup %s: %w", e.ID, err)
	}
	return nil
}

// verdictAhead reports a verdict whose name is later than the store's time: it would outlast every true one.
func verdictAhead(name string, stored time.Time) bool {
	at, err := time.Parse("verdict_"+idTime+".json", name)
	return err == nil && !stored.IsZero() && at.Sub(stored) > aheadLimit
}
