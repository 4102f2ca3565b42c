// Package cli is the command line of a site's program.
//
//	func main() {
//		shop := site.AllInOne("shop", "www.shop.example", site.Rails("./shop"))
//		os.Exit(cli.Main(shop))
//	}
//
// The verbs only parse and print: each is one call of package site.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/internal/terminal"
	"github.com/siteblocks/siteblocks/site/operate"
)

// Main runs the verb that the program's arguments name, on the machine's own Docker. See Program.Main.
func Main(s site.Site) int { return Program{Site: s}.Main() }

// Program is the command line of a site on a cloud of one's choice.
type Program struct {
	Site site.Site

	// Cloud gives the cloud that the verbs act on; those that need none do not call it. It may say what it is doing by
	// calling progress, from any goroutine. Nil: the machine's own Docker (package ec2x/local).
	Cloud func(progress func(what string)) (ec2x.Cloud, error)
}

// Main runs the verb that the program's arguments name and returns its exit status: 0, 1 for a failure or where status
// finds that the site is not well, 2 for arguments that cannot be meant. An interrupt ends the verb cleanly and leaves
// the site's lock free.
func (p Program) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

func onDocker(progress func(string)) (ec2x.Cloud, error) {
	return local.New(local.Options{Progress: func(e local.Event) { progress(e.Detail) }})
}

// command is one invocation.
type command struct {
	site   site.Site
	cloud  func(func(string)) (ec2x.Cloud, error)
	verb   verb
	args   []string // words after the verb
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	ask    func() bool // tells whether a person sits at stdin

	json, follow, all, check, log                              bool
	deleteData, skipBackup, loseFiles, delete, replace, shrink bool
	before, role                                               string
	wait                                                       time.Duration
}

var helpWords = []string{"help", "-h", "-help", "--help"}

func (p Program) run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 || len(args) == 1 && slices.Contains(helpWords, args[0]) {
		usage(p.Site, stdout)
		return 0
	}
	asked := args
	if args[0] == "help" {
		asked = args[1:]
	}
	v, words := find(asked)
	if v.run == nil {
		fmt.Fprintf(stderr, "%s: %s\n", p.Site.Name, unknownVerb(asked))
		return 2
	}
	if args[0] == "help" && len(words) == 0 || len(words) > 0 && slices.Contains(helpWords[1:], words[0]) {
		v.explain(stdout)
		return 0
	}
	if args[0] == "help" {
		fmt.Fprintf(stderr, "%s: there is no verb %q; see help\n", p.Site.Name, strings.Join(asked, " "))
		return 2
	}
	c := &command{site: p.Site, cloud: p.Cloud, verb: v, stdin: stdin, stdout: stdout, stderr: stderr}
	if c.cloud == nil {
		c.cloud = onDocker
	}
	c.ask = c.terminal
	if !v.raw { // names, revisions and faults come from servers, and from whoever has broken into one
		c.stdout = terminal.Writer{W: stdout}
	}
	if err := c.parse(words); err != nil {
		return c.exit(ctx, err)
	}
	return c.exit(ctx, v.run(c, ctx))
}

// unknownVerb says what was typed, and what may have been meant.
func unknownVerb(args []string) string {
	meant := similar(args)
	typed := strings.Join(args[:min(len(args), 2)], " ")
	switch {
	case strings.HasPrefix(typed, "-"):
		return "flags stand after the verb; see help"
	case len(meant) > 0:
		return fmt.Sprintf("there is no verb %q; there is %s", typed, strings.Join(meant, ", "))
	}
	return fmt.Sprintf("there is no verb %q; see help", typed)
}

// parse takes the flags and words apart, in any order; what the verb does not know is refused. "--" ends the flags.
func (c *command) parse(args []string) error {
	f := flag.NewFlagSet(c.verb.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	for _, o := range c.verb.flags {
		o.add(c, f)
	}
	for {
		if err := f.Parse(args); err != nil {
			return c.misused(err.Error())
		}
		read := len(args) - f.NArg()
		if f.NArg() == 0 {
			break
		}
		if c.verb.command && len(c.args) == 0 || read > 0 && args[read-1] == "--" {
			c.args = append(c.args, f.Args()...)
			break
		}
		c.args = append(c.args, f.Arg(0))
		args = f.Args()[1:]
	}
	switch n := len(c.args); {
	case n < c.verb.least:
		return c.misused("a word is missing")
	case n > c.verb.most:
		return c.misused(fmt.Sprintf("%q is not understood", c.args[c.verb.most]))
	}
	return nil
}

// errUsage is a mistake in the arguments.
var errUsage = errors.New("usage")

// errNotWell is the end of a verb that has said itself what is wrong.
var errNotWell = errors.New("the site is not well")

// misused is an errUsage with the verb's usage.
func (c *command) misused(fact string) error {
	if fact != "" {
		fact += "; "
	}
	return fmt.Errorf("%s: %s%w: %s", c.verb.name, fact, errUsage, c.verb.usage())
}

func (c *command) exit(ctx context.Context, err error) int {
	var ended *sshx.ExitError
	switch {
	case err == nil:
		return 0
	case c.verb.command && errors.As(err, &ended): // it has said itself what went wrong
		if c.verb.name != "ssh" {
			fmt.Fprintf(c.stderr, "%s: %s\n", c.site.Name, terminal.Lines(err.Error()))
		}
		return ended.Status
	case errors.Is(err, errUsage):
		fmt.Fprintf(c.stderr, "%s: %v\n", c.site.Name, err)
		return 2
	case errors.Is(err, errNotWell):
		return 1
	case ctx.Err() != nil:
		goesOn := ""
		if slices.Contains([]string{"up", "down", "deploy", "rollback", "restart", "backup restore"}, c.verb.name) {
			goesOn = "; the next run goes on"
		}
		fmt.Fprintf(c.stderr, "%s: interrupted%s\n", c.site.Name, goesOn)
		return 1
	}
	fmt.Fprintf(c.stderr, "%s: %s\n", c.site.Name, terminal.Lines(err.Error()))
	return 1
}

func usage(s site.Site, w io.Writer) {
	fmt.Fprintf(w, "%s runs the site %s.\n\n", s.Name, s.Domain)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range verbs() {
		if !v.hidden {
			fmt.Fprintf(t, "  %s\t%s\n", strings.TrimSpace(v.name+" "+v.words), v.help)
		}
	}
	_ = t.Flush()
	fmt.Fprintln(w, "\nhelp VERB explains its flags, which stand after the verb.")
}

// operator runs the site on its cloud.
func (c *command) operator() (operate.Operator, func(), error) {
	p := newProgress(c.stderr, c.json)
	cloud, err := c.cloud(p.cloud)
	if err != nil {
		p.end()
		return operate.Operator{}, nil, err
	}
	return operate.Operator{Site: c.site, Cloud: cloud, LockWait: c.wait, Events: p.event}, p.end, nil
}

// with runs f with an operator, and ends the progress before the caller prints.
func (c *command) with(f func(operate.Operator) error) error {
	o, end, err := c.operator()
	if err != nil {
		return err
	}
	defer end()
	return f(o)
}
