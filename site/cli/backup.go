package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
)

// backupFlags are those of the verbs below "backup".
type backupFlags struct {
	shrink, replace, dry bool
	before               string
}

const backupUsage = `now [-shrink] | list | verify [BACKUP] | restore [-replace] [-before TIME] [BACKUP] | prune [-dry]`

func (c *command) backup(ctx context.Context) error {
	if len(c.args) == 0 {
		return fmt.Errorf("%w: backup %s", errUsage, backupUsage)
	}
	verb := c.args[0]
	var o backupFlags
	f := flag.NewFlagSet("backup "+verb, flag.ContinueOnError)
	f.SetOutput(c.stderr)
	f.BoolVar(&c.json, "json", c.json, "print JSON: events as lines, or the answer")
	f.DurationVar(&c.wait, "wait", c.wait, "how long to wait for another operator")
	f.BoolVar(&o.shrink, "shrink", false, "now: accept that the data lost more than half of its size")
	f.BoolVar(&o.replace, "replace", false, "restore: the data that is there may be replaced")
	f.StringVar(&o.before, "before", "", "restore: the newest backup before this time: 8:00 (the last one), 2026-11-25 08:00, or with a zone 2026-11-25T08:00:00Z")
	f.BoolVar(&o.dry, "dry", false, "prune: only say what would be deleted")
	if err := f.Parse(c.args[1:]); err != nil {
		return fmt.Errorf("%w: backup %s", errUsage, backupUsage)
	}
	id := f.Arg(0)
	named := verb == "verify" || verb == "restore"
	if f.NArg() > 1 || id != "" && !named {
		return fmt.Errorf("%w: backup %s", errUsage, backupUsage)
	}
	switch verb {
	case "now":
		return c.backupNow(ctx, o)
	case "list":
		return c.backupList(ctx)
	case "verify":
		return c.backupVerify(ctx, id)
	case "restore":
		return c.backupRestore(ctx, id, o)
	case "prune":
		return c.backupPrune(ctx, o)
	}
	return fmt.Errorf("%w: backup %s", errUsage, backupUsage)
}

// answer prints v as JSON where that is asked for, else by text.
func (c *command) answer(v any, text func()) error {
	if c.json {
		return c.printJSON(v)
	}
	text()
	return nil
}

func (c *command) backupNow(ctx context.Context, f backupFlags) error {
	var m s3backup.Manifest
	err := c.with(func(o site.Operator) (err error) {
		m, err = o.BackupNow(ctx, f.shrink)
		return err
	})
	if err != nil {
		return err
	}
	return c.answer(m, func() {
		fmt.Fprintf(c.stdout, "%s: %d tables, %d rows, %s in the bucket (%s)\n", m.ID, len(m.Tables), m.Rows(), s3backup.Size(m.Object.Bytes),
			m.Finished.Sub(m.Started).Round(time.Second/10))
		for _, l := range m.Left {
			fmt.Fprintln(c.stdout, l)
		}
	})
}

// listed is a backup in a list.
type listed struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Rows     int64     `json:"rows"`
	Bytes    int64     `json:"bytes"` // in the bucket
	Verified string    `json:"verified"`
	Problem  string    `json:"problem,omitempty"`
	Left     []string  `json:"left,omitempty"` // out of the backup
}

func newListed(e s3backup.Entry) listed {
	l := listed{ID: e.ID, Started: e.At, Rows: e.Manifest.Rows(), Bytes: e.Manifest.Object.Bytes, Verified: "no"}
	for _, left := range e.Manifest.Left {
		l.Left = append(l.Left, left.Kind+" "+left.Database+"."+left.Name)
	}
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
		all = append(all, "without "+strings.Join(l.Left, ", "))
	}
	return strings.Join(all, "; ")
}

func (c *command) backupList(ctx context.Context) error {
	var entries []s3backup.Entry
	err := c.with(func(o site.Operator) (err error) {
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
		t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "BACKUP\tAGE\tROWS\tSIZE\tVERIFIED\tPROBLEM")
		for _, l := range all {
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", l.ID, time.Since(l.Started).Round(time.Second), l.Rows, s3backup.Size(l.Bytes), l.Verified, orDash(l.trouble()))
		}
		_ = t.Flush()
	})
}

func (c *command) backupVerify(ctx context.Context, id string) error {
	var v s3backup.Verdict
	err := c.with(func(o site.Operator) (err error) {
		v, err = o.VerifyBackup(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	return c.answer(v, func() { fmt.Fprintln(c.stdout, v) })
}

func (c *command) backupRestore(ctx context.Context, id string, f backupFlags) error {
	which := s3backup.Select{ID: id}
	if f.before != "" {
		at, err := moment(f.before, time.Now())
		if err != nil || id != "" {
			return fmt.Errorf("%w: backup restore: -before %q is no time, or stands beside a backup's name", errUsage, f.before)
		}
		which.Before = at
	}
	var r site.Restored
	err := c.with(func(o site.Operator) (err error) {
		r, err = o.Restore(ctx, which, f.replace)
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

func (c *command) backupPrune(ctx context.Context, f backupFlags) error {
	var decisions []s3backup.Decision
	err := c.with(func(o site.Operator) (err error) {
		decisions, err = o.PruneBackups(ctx, f.dry)
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

// agentData runs the agent's verbs about the data.
func (c *command) agentData(ctx context.Context, a site.Agent, verb string, args []string) error {
	has := func(word string) bool { return slices.Contains(args, word) }
	id := ""
	if len(args) > 0 {
		id = args[0]
	}
	var answer any
	var err error
	switch verb {
	case "data":
		answer, err = a.Data(ctx)
	case "backup":
		answer, err = a.Backup(ctx, has("shrink"))
	case "verify":
		answer, err = a.VerifyBackup(ctx, id)
	case "restore":
		answer, err = a.Restore(ctx, id, has("replace"))
	}
	if err != nil || c.log {
		return err
	}
	return json.NewEncoder(c.stdout).Encode(map[string]any{"answer": answer})
}

// printBackups is the part of the status screen about backups.
func printBackups(w io.Writer, b *site.BackupStatus) {
	switch {
	case b == nil:
		return
	case b.Count == 0:
		fmt.Fprintln(w, "\nbackups: none yet")
	default:
		verified := "none was verified"
		if !b.Verified.IsZero() {
			verified = "verified that of " + b.Verified.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "\nbackups: %d, %s; last %s ago, in %.1f s; %s\n", b.Count, s3backup.Size(b.Bytes), time.Duration(b.AgeSeconds)*time.Second, b.TookSeconds, verified)
	}
	if b.Prunable > 0 {
		fmt.Fprintf(w, "backup prune would delete %d of them\n", b.Prunable)
	}
	for _, warning := range b.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
}
