package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site/operate"
)

// word is the verb's only word, or empty.
func (c *command) word() string {
	if len(c.args) == 0 {
		return ""
	}
	return c.args[0]
}

// answer prints v as JSON where that is asked for, else by text.
func (c *command) answer(v any, text func()) error {
	if c.json {
		return c.printJSON(v)
	}
	text()
	return nil
}

func (c *command) backupNow(ctx context.Context) error {
	var m s3backup.Manifest
	err := c.with(func(o operate.Operator) (err error) {
		m, err = o.BackupNow(ctx, operate.BackupOptions{Shrink: c.shrink})
		return err
	})
	if err != nil {
		return err
	}
	return c.answer(m, func() {
		fmt.Fprintf(c.stdout, "%s: %d tables, %d rows, %s in the bucket (%s)\n", m.ID, len(m.Tables), m.Rows(), s3backup.Size(m.Object.Bytes),
			m.Finished.Sub(m.Started).Round(time.Second/10))
		printLeft(c.stdout, m.Left, m.Warnings)
		c.printNotBackedUp()
	})
}

// printNotBackedUp says which files are on the server alone.
func (c *command) printNotBackedUp() {
	if dirs := c.site.NotBackedUp(); len(dirs) > 0 {
		fmt.Fprintf(c.stdout, "backups have the database; files in %s are in none\n", strings.Join(dirs, ", "))
	}
}

// listed is a backup in a list.
type listed struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Rows     int64     `json:"rows"`
	Bytes    int64     `json:"bytes"` // in the bucket
	Verified string    `json:"verified"`
	Problem  string    `json:"problem,omitempty"`

	Left     []s3backup.Left `json:"left,omitempty"` // no restore brings it back
	Warnings []string        `json:"warnings,omitempty"`
}

func newListed(e s3backup.Entry) listed {
	l := listed{ID: e.ID, Started: e.At, Rows: e.Manifest.Rows(), Bytes: e.Manifest.Object.Bytes, Verified: "no",
		Left: e.Manifest.Left, Warnings: e.Manifest.Warnings}
	switch {
	case e.Problem != nil:
		l.Problem = e.Problem.Error()
	case e.Verified():
		l.Verified = "good"
	case e.Refuted():
		l.Verified, l.Problem = "bad", strings.Join(e.Verdict.Problems, "; ")
	}
	return l
}

// trouble is what a line of the list says is wrong.
func (l listed) trouble() string {
	all := []string{}
	if l.Problem != "" {
		all = append(all, l.Problem)
	}
	if len(l.Left) > 0 {
		var names []string
		for _, left := range l.Left {
			names = append(names, left.Kind+" "+left.Database+"."+left.Name)
		}
		all = append(all, "without "+strings.Join(names, ", "))
	}
	return strings.Join(all, "; ")
}

func (c *command) backupList(ctx context.Context) error {
	var entries []s3backup.Entry
	err := c.with(func(o operate.Operator) (err error) {
		entries, err = o.Backups(ctx)
		return err
	})
	if err != nil {
		return err
	}
	all := make([]listed, len(entries))
	for i, e := range entries {
		all[i] = newListed(e)
	}
	slices.Reverse(all) // the newest first
	return c.answer(all, func() {
		if len(all) == 0 {
			fmt.Fprintln(c.stdout, "there are no backups yet")
			return
		}
		t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "BACKUP\tAGE\tROWS\tSIZE\tVERIFIED\tPROBLEM")
		for _, l := range all {
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", l.ID, time.Since(l.Started).Round(time.Second), l.Rows, s3backup.Size(l.Bytes), l.Verified, orDash(l.trouble()))
		}
		_ = t.Flush()
		if len(all) > 0 {
			printLeft(c.stdout, all[0].Left, all[0].Warnings)
		}
	})
}

// printLeft says what a restore of the newest backup does not bring back as it was.
func printLeft(w io.Writer, left []s3backup.Left, warnings []string) {
	for _, l := range left {
		fmt.Fprintf(w, "warning: %s\n", l)
	}
	for _, text := range warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
}

func (c *command) backupVerify(ctx context.Context) error {
	var v s3backup.Verdict
	err := c.with(func(o operate.Operator) (err error) {
		v, err = o.VerifyBackup(ctx, c.word())
		return err
	})
	if err != nil {
		return err
	}
	return c.answer(v, func() { fmt.Fprintln(c.stdout, v) })
}

func (c *command) backupRestore(ctx context.Context) error {
	which := s3backup.Select{ID: c.word()}
	if c.before != "" {
		at, err := moment(c.before, time.Now())
		if err != nil || which.ID != "" {
			return c.misused(fmt.Sprintf("-before %q is no time, or stands beside a backup's name", c.before))
		}
		which.Before = at
	}
	if c.replace {
		if err := c.confirm("What was written to " + c.site.Name + " since that backup is lost."); err != nil {
			return err
		}
	}
	var r operate.Restored
	err := c.with(func(o operate.Operator) (err error) {
		r, err = o.Restore(ctx, which, operate.RestoreOptions{Replace: c.replace})
		return err
	})
	if errors.Is(err, s3backup.ErrNoBackup) {
		return fmt.Errorf("%w; see backup list", err)
	}
	if err != nil {
		return err
	}
	return c.answer(r, func() {
		fmt.Fprintf(c.stdout, "%s has the data of %s (%s): %d rows in %s; it runs release %s\n%s\n", c.site.Name, r.Taken.Local().Format(time.DateTime),
			r.Backup, r.Rows, r.Took.Round(time.Second/10), r.Release, r.URL)
	})
}

// moment reads a time as a person writes it. A time of day is the latest one that has passed.
func moment(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	at, err := time.ParseInLocation("15:04", text, now.Location())
	if err != nil {
		return at, err
	}
	at = time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, now.Location())
	if at.After(now) {
		at = at.AddDate(0, 0, -1)
	}
	return at, nil
}

func (c *command) backupPrune(ctx context.Context) error {
	if c.delete {
		if err := c.confirm("Backups of " + c.site.Name + " that its retention does not keep are deleted; backup prune lists them."); err != nil {
			return err
		}
	}
	var decisions []s3backup.Decision
	err := c.with(func(o operate.Operator) (err error) {
		decisions, err = o.PruneBackups(ctx, operate.PruneOptions{Delete: c.delete})
		return err
	})
	if err != nil {
		return err
	}
	return c.answer(decisions, func() {
		for _, d := range decisions {
			fmt.Fprintln(c.stdout, d)
		}
	})
}
