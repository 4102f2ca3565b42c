package s3backup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Retention says which backups stay: grandfather, father, son. Of each of the latest so many hours, days, weeks, months
// and years in which there are backups the last one stays; periods are UTC's. Backups that fit no rule are deleted by
// Prune, except that
//
//   - a Retention without any rule deletes nothing,
//   - the newest backup that can be used always stays,
//   - nothing is deleted unless a newer backup that stays was verified,
//   - a backup that a Verify has refuted takes no other's place, and keeps its own: whoever can write a verdict makes no
//     backup go by it,
//   - damaged backups are neither counted nor deleted,
//   - a backup that is of a later time than the store's (ErrAhead) is not counted, and goes: no honest machine made it.
type Retention struct {
	Within  time.Duration // everything no older than this against the newest, such as 24h
	Last    int           // so many of the newest
	Hourly  int
	Daily   int
	Weekly  int // ISO weeks, from Monday on
	Monthly int
	Yearly  int

	// Unverified deletes also where no newer backup was verified. Zero does not.
	Unverified bool
	// Late deletes also backups that came into the store long after their time (ErrLate), if a newer one that stays was
	// verified. Zero keeps them: in a bucket that was copied all are such.
	Late bool
}

// Validate reports every mistake at once.
func (r Retention) Validate() error {
	var errs []error
	for _, rule := range r.rules() {
		if rule.count < 0 {
			errs = append(errs, fmt.Errorf("s3backup: retention: %s %d is negative", rule.name, rule.count))
		}
	}
	if r.Within < 0 {
		errs = append(errs, fmt.Errorf("s3backup: retention: within %s is negative", r.Within))
	}
	return errors.Join(errs...)
}

type rule struct {
	name   string
	count  int
	period func(Candidate) string
}

func (r Retention) rules() []rule {
	format := func(layout string) func(Candidate) string {
		return func(c Candidate) string { return c.At.UTC().Format(layout) }
	}
	return []rule{
		{"last", r.Last, func(c Candidate) string { return c.ID }},
		{"hourly", r.Hourly, format("2006-01-02 15")},
		{"daily", r.Daily, format("2006-01-02")},
		{"weekly", r.Weekly, func(c Candidate) string {
			year, week := c.At.UTC().ISOWeek()
			return fmt.Sprintf("%d week %d", year, week)
		}},
		{"monthly", r.Monthly, format("2006-01")},
		{"yearly", r.Yearly, format("2006")},
	}
}

// Candidate is a backup as far as retention is concerned.
type Candidate struct {
	ID       string
	At       time.Time
	Damaged  bool // cannot be used: neither counted nor deleted, but for the next two
	Ahead    bool // Damaged by being ErrAhead
	Late     bool // Damaged by being ErrLate
	Refuted  bool // a Verify failed: counted apart
	Verified bool // a Verify succeeded
}

func (c Candidate) usable() bool { return !c.Damaged && !c.Refuted }

// Decision is what happens to one backup, and why.
type Decision struct {
	ID     string
	At     time.Time
	Keep   bool
	Reason string // such as "daily 2026-11-24", or "fits no rule"
}

func (d Decision) String() string {
	verb := "delete"
	if d.Keep {
		verb = "keep"
	}
	return verb + " backup " + d.ID + ": " + d.Reason
}

// Decide says what happens to each backup, oldest first. It is a pure function: it knows no clock, so that a wrong one
// deletes nothing, and the order of the candidates does not matter. Deciding again over what is kept deletes nothing
// more.
func (r Retention) Decide(candidates []Candidate) []Decision {
	sorted := slices.Clone(candidates)
	slices.SortFunc(sorted, func(a, b Candidate) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	reasons := r.reasons(sorted)
	decisions := make([]Decision, len(sorted))
	proven := false // a newer one that stays was verified
	for i, c := range slices.Backward(sorted) {
		d := Decision{ID: c.ID, At: c.At, Keep: true, Reason: strings.Join(reasons[i], ", ")}
		switch {
		case len(reasons[i]) > 0:
		case r.empty():
			d.Reason = "there is no rule"
		case c.Ahead:
			d.Keep, d.Reason = false, "it is of a later time than the store's: no honest machine made it"
		case c.Late && !r.Late:
			d.Reason = "it came into the store long after its time: somebody should look at it"
		case c.Damaged && !c.Late:
			d.Reason = "damaged: somebody should look at it"
		case !proven && !r.Unverified:
			d.Reason = "no newer backup is verified"
		default:
			d.Keep, d.Reason = false, "fits no rule"
			switch {
			case c.Late:
				d.Reason = "it came into the store long after its time"
			case c.Refuted:
				d.Reason = "could not be restored"
			}
		}
		proven = proven || d.Keep && c.Verified && c.usable()
		decisions[i] = d
	}
	return decisions
}

func (r Retention) empty() bool {
	r.Unverified, r.Late = false, false
	return r == Retention{}
}

// reasons gives for each candidate, oldest first, the rules that keep it. What was refuted is counted apart: it takes the
// place of none that is usable, and stays as long as it would if the verdict were not there.
func (r Retention) reasons(sorted []Candidate) [][]string {
	reasons := r.count(sorted, Candidate.usable)
	for i, all := range r.count(sorted, func(c Candidate) bool { return !c.Damaged }) {
		if sorted[i].Refuted && len(all) > 0 {
			reasons[i] = append([]string{"refuted"}, all...)
		}
	}
	return reasons
}

// count gives the rules that keep each of those that count.
func (r Retention) count(sorted []Candidate, counts func(Candidate) bool) [][]string {
	reasons := make([][]string, len(sorted))
	var newest *Candidate
	seen := map[string]bool{}
	taken := map[string]int{}
	for i, c := range slices.Backward(sorted) {
		if !counts(c) {
			continue
		}
		if newest == nil {
			newest = &sorted[i]
			reasons[i] = append(reasons[i], "the newest")
		}
		if r.Within > 0 && newest.At.Sub(c.At) <= r.Within {
			reasons[i] = append(reasons[i], "within "+r.Within.String())
		}
		for _, rule := range r.rules() {
			period := rule.name + " " + rule.period(c)
			if taken[rule.name] == rule.count || seen[period] {
				continue
			}
			seen[period] = true
			taken[rule.name]++
			reasons[i] = append(reasons[i], period)
		}
	}
	return reasons
}
