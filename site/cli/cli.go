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
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/site"
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
	args   []string
	json   bool
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	wait   time.Duration
	keep   bool
	follow bool
	check  bool
	log    bool
}

type verb struct {
	name, args, help string
	run              func(*command, context.Context) error
}

func verbs() []verb {
	return []verb{
		{"plan", "", "what up would do; changes nothing", (*command).plan},
		{"up", "", "launch, provision and deploy whatever is missing", (*command).up},
		{"status", "[-json]", "the whole site on one screen", (*command).status},
		{"deploy", "", "pack the code, upload it, restart one process after the other", (*command).deploy},
		{"rollback", "", "back to the last good release", (*command).rollback},
		{"releases", "", "what was deployed", (*command).releases},
		{"backup", "now|list|verify|restore|prune", "the data in the bucket: make, list, prove, bring back, thin out", (*command).backup},
		{"maintenance", "on|off", "the maintenance page", (*command).maintenance},
		{"ssh", "SERVER [COMMAND…]", "a shell on a server, or one command there", (*command).ssh},
		{"logs", "[-follow] [SERVER]", "the newest lines of every service", (*command).logs},
		{"render", "SERVER", "the files that the site puts on a server", (*command).render},
		{"diagram", "", "the site as SVG", (*command).diagram},
		{"down", "[-keep-data]", "remove the site", (*command).down},
		{"agent", "VERB", "what the program does on the site's servers", (*command).agent},
	}
}

func run(ctx context.Context, s site.Site, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		usage(s, stdout)
		return 0
	}
	for _, v := range verbs() {
		if v.name != args[0] {
			continue
		}
		c := &command{site: s, stdin: stdin, stdout: stdout, stderr: stderr}
		if err := c.parse(v, args[1:]); err != nil {
			return 2
		}
		return c.exit(ctx, v.run(c, ctx))
	}
	fmt.Fprintf(stderr, "%s: there is no verb %q; see help\n", s.Name, args[0])
	return 2
}

func (c *command) parse(v verb, args []string) error {
	f := flag.NewFlagSet(v.name, flag.ContinueOnError)
	f.SetOutput(c.stderr)
	f.BoolVar(&c.json, "json", false, "print JSON: events as lines, or the answer")
	f.DurationVar(&c.wait, "wait", time.Minute, "how long to wait for another operator")
	f.BoolVar(&c.keep, "keep-data", false, "down: keep the bucket with releases and secrets")
	f.BoolVar(&c.follow, "follow", false, "logs: go on until interrupted")
	f.BoolVar(&c.check, "check", false, "agent database: only look")
	f.BoolVar(&c.log, "log", false, "agent: print what is done as text, for the journal")
	err := f.Parse(args)
	c.args = f.Args()
	return err
}

// errUsage is a mistake in the arguments.
var errUsage = errors.New("usage")

func (c *command) exit(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return 0
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
		fmt.Fprintf(t, "  %s %s\t%s\n", v.name, v.args, v.help)
	}
	_ = t.Flush()
	fmt.Fprintln(w, "\nEvery verb takes -json; those that change something take -wait DURATION (1m).")
}

// operator runs the site on the machine's own Docker.
func (c *command) operator() (site.Operator, func(), error) {
	p := newProgress(c.stderr, c.json)
	cloud, err := local.New(local.Options{Progress: p.cloud})
	if err != nil {
		return site.Operator{}, nil, err
	}
	return site.Operator{Site: c.site, Cloud: cloud, LockWait: c.wait, Events: p.event}, p.end, nil
}

// with runs f with an operator, and ends the progress before the caller prints.
func (c *command) with(f func(site.Operator) error) error {
	o, end, err := c.operator()
	if err != nil {
		return err
	}
	defer end()
	return f(o)
}
