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

	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// Main runs the verb that the program's arguments name and returns its exit status: 0, 1 for a failure, 2 for
// arguments that cannot be meant. An interrupt ends the verb cleanly and leaves the site's lock free.
func Main(s site.Site) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, s, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// command is one invocation.
type command struct {
	site   site.Site
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

func run(ctx context.Context, s site.Site, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 || len(args) == 1 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		usage(s, stdout)
		return 0
	}
	v, words := find(args)
	if v.run == nil {
		fmt.Fprintf(stderr, "%s: there is no verb %q; see help\n", s.Name, strings.Join(args[:min(len(args), 2)], " "))
		return 2
	}
	c := &command{site: s, verb: v, stdin: stdin, stdout: stdout, stderr: stderr}
	c.ask = c.terminal
	if err := c.parse(words); err != nil {
		return c.exit(ctx, err)
	}
	return c.exit(ctx, v.run(c, ctx))
}

// parse takes the flags and words apart, in any order; what the verb does not know is refused. "--" ends the flags.
func (c *command) parse(args []string) error {
	f := flag.NewFlagSet(c.verb.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	for _, add := range c.verb.flags {
		add(c, f)
	}
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return c.misused("")
		} else if err != nil {
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
			fmt.Fprintf(c.stderr, "%s: %v\n", c.site.Name, err)
		}
		return ended.Status
	case errors.Is(err, errUsage):
		fmt.Fprintf(c.stderr, "%s: %v\n", c.site.Name, err)
		return 2
	case ctx.Err() != nil:
		fmt.Fprintf(c.stderr, "%s: interrupted; the next run goes on\n", c.site.Name)
		return 1
	}
	fmt.Fprintf(c.stderr, "%s: %v\n", c.site.Name, err)
	return 1
}

func usage(s site.Site, w io.Writer) {
	fmt.Fprintf(w, "%s runs the site %s.\n\n", s.Name, s.Domain)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range verbs() {
		fmt.Fprintf(t, "  %s\t%s\n", v.usage(), v.help)
	}
	_ = t.Flush()
	fmt.Fprintln(w, "\nFlags: -json prints JSON, events as lines or the answer; -wait DURATION waits for another operator (1m).")
}

// operator runs the site on the machine's own Docker.
func (c *command) operator() (operate.Operator, func(), error) {
	p := newProgress(c.stderr, c.json)
	cloud, err := local.New(local.Options{Progress: p.cloud})
	if err != nil {
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
