package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

func (c *command) plan(ctx context.Context) error {
	o, end, err := c.operator()
	if err != nil {
		o, end = operate.Operator{Site: c.site}, func() {} // without Docker: the plan of a new site
	}
	p, planErr := o.Plan(ctx)
	end()
	if planErr != nil {
		return planErr
	}
	if err != nil {
		p.Assumed = fmt.Sprintf("%v\nThis is the plan of a new site.", err)
	}
	if c.json {
		return c.printJSON(p)
	}
	fmt.Fprint(c.stdout, p)
	return nil
}

func (c *command) up(ctx context.Context) error {
	return c.changed(func(o operate.Operator) (operate.Result, error) { return o.Up(ctx) })
}

func (c *command) deploy(ctx context.Context) error {
	return c.changed(func(o operate.Operator) (operate.Result, error) { return o.Deploy(ctx) })
}

func (c *command) rollback(ctx context.Context) error {
	return c.changed(func(o operate.Operator) (operate.Result, error) { return o.Rollback(ctx, c.word()) })
}

// changed runs a verb that changes the site and prints its result.
func (c *command) changed(f func(operate.Operator) (operate.Result, error)) error {
	start := time.Now()
	var r operate.Result
	err := c.with(func(o operate.Operator) (err error) {
		r, err = f(o)
		return err
	})
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(r)
	}
	fmt.Fprintf(c.stdout, "%s runs release %s", c.site.Name, r.Release)
	if r.Changed > 0 && c.verb.name == "up" {
		fmt.Fprintf(c.stdout, ", %d changes on its servers", r.Changed)
	}
	if r.Restored != "" {
		fmt.Fprintf(c.stdout, " with the data of backup %s", r.Restored)
	}
	fmt.Fprintf(c.stdout, " (%s)\n%s\n", time.Since(start).Round(time.Second/10), r.URL)
	if c.verb.name == "up" {
		c.printNotBackedUp()
	}
	if len(r.Pending) > 0 {
		fmt.Fprintln(c.stdout, "\nThese changes wait for up:")
		for _, change := range r.Pending {
			fmt.Fprintf(c.stdout, "  %s\n", change)
		}
	}
	return nil
}

func (c *command) status(ctx context.Context) error {
	var st operate.Status
	err := c.with(func(o operate.Operator) (err error) {
		st, err = o.Status(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if c.json {
		if err := c.printJSON(st); err != nil || st.Well {
			return err
		}
		return errNotWell
	}
	fmt.Fprint(c.stdout, st)
	if !st.Well {
		return errNotWell
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (c *command) releases(ctx context.Context) error {
	var all []operate.Release
	err := c.with(func(o operate.Operator) (err error) {
		all, err = o.Releases(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return c.answer(all, func() {
		if len(all) == 0 {
			fmt.Fprintln(c.stdout, "nothing was deployed yet")
			return
		}
		t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "RELEASE\tAGE\tSTATE\tREVISION\tSIZE\tBY")
		for _, r := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, time.Since(r.Created).Round(time.Second), releaseState(r), orDash(r.Revision), s3backup.Size(r.Size), r.By)
		}
		_ = t.Flush()
	})
}

func releaseState(r operate.Release) string {
	switch {
	case r.Current && r.Good:
		return "current"
	case r.Current:
		return "current, never came up"
	case r.Good:
		return "good"
	}
	return "never came up"
}

func (c *command) maintenance(ctx context.Context) error {
	if c.args[0] != "on" && c.args[0] != "off" {
		return c.misused(fmt.Sprintf("%q is not understood", c.args[0]))
	}
	on := c.args[0] == "on"
	err := c.with(func(o operate.Operator) error { return o.SetMaintenance(ctx, on) })
	if err == nil && on {
		c.say("visitors see the maintenance page; maintenance off ends it")
	} else if err == nil {
		c.say("visitors see the site")
	}
	return err
}

func (c *command) ssh(ctx context.Context) error {
	return c.with(func(o operate.Operator) error {
		h, err := o.Host(ctx, c.args[0])
		if err != nil {
			return err
		}
		defer h.Close()
		if len(c.args) == 1 {
			return c.shell(ctx, h)
		}
		return h.Run(ctx, sshx.Script{Text: quoted(c.args[1:]), Stdin: c.stdin, Stdout: c.stdout, Stderr: c.stderr})
	})
}

func (c *command) restart(ctx context.Context) error {
	err := c.with(func(o operate.Operator) error { return o.Restart(ctx) })
	if err == nil {
		c.say("every process was restarted")
	}
	return err
}

func (c *command) runCommand(ctx context.Context) error {
	return c.with(func(o operate.Operator) error { return o.Run(ctx, c.role, quoted(c.args), c.stdout) })
}

// quoted are the words of a command as one line for a shell; "--" before them is dropped. One word alone is such a line.
func quoted(words []string) string {
	if words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 1 {
		return words[0]
	}
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = sshx.Quote(w)
	}
	return strings.Join(all, " ")
}

func (c *command) logs(ctx context.Context) error {
	server := c.site.With(site.RoleWeb)[0].Name
	if len(c.args) > 0 {
		server = c.args[0]
	}
	return c.with(func(o operate.Operator) error {
		return o.Logs(ctx, server, operate.LogOptions{Follow: c.follow, All: c.all}, c.stdout)
	})
}

func (c *command) render(context.Context) error {
	files, err := c.site.Render(c.args[0])
	if err != nil {
		return err
	}
	for _, f := range files {
		switch {
		case f.Blob.SHA256 != "":
			fmt.Fprintf(c.stdout, "==> %s (this program)\n\n", f.Path)
		case f.Secret != "":
			fmt.Fprintf(c.stdout, "==> %s (secret)\n\n", f.Path)
		default:
			fmt.Fprintf(c.stdout, "==> %s\n%s\n", f.Path, f.Content)
		}
	}
	return nil
}

func (c *command) diagram(context.Context) error {
	svg, err := c.site.Diagram()
	if err == nil {
		_, err = io.WriteString(c.stdout, svg)
	}
	return err
}

func (c *command) down(ctx context.Context) error {
	var loss string
	switch {
	case c.deleteData:
		loss = "Every backup and release of " + c.site.Name + " is deleted, with its servers and the data on them. Nothing brings them back."
	case c.skipBackup:
		loss = "What was written to " + c.site.Name + " since its last backup is lost."
	case c.loseFiles:
		loss = "The files in linked directories of " + c.site.Name + " are lost: no backup has them."
	}
	if loss != "" {
		if err := c.confirm(loss); err != nil {
			return err
		}
	}
	err := c.with(func(o operate.Operator) error {
		return o.Down(ctx, operate.DownOptions{DeleteData: c.deleteData, SkipBackup: c.skipBackup, LoseFiles: c.loseFiles})
	})
	if err == nil && c.deleteData {
		c.say(c.site.Name + " and all of its data are gone")
	} else if err == nil {
		c.say(c.site.Name + " is down, with its data kept; up brings it back")
	}
	return err
}

// say ends a verb that has no answer of its own; JSON has none either.
func (c *command) say(what string) {
	if !c.json {
		fmt.Fprintln(c.stdout, what)
	}
}

func (c *command) printJSON(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
