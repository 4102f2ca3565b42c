package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// verb is one line of the table of verbs.
type verb struct {
	name, words, help string
	flags             []option
	least, most       int  // words
	command           bool // words after the first are a command of their own, with its flags
	raw               bool // what it prints is a server's or a file's own, byte by byte
	hidden            bool // from the list: it is for the site's own servers
	run               func(*command, context.Context) error
}

// option is a flag that a verb knows.
type option struct {
	name, value, help string // value: what stands behind it, such as DURATION
	add               func(*command, *flag.FlagSet)
}

func (o option) usage() string { return "[-" + strings.TrimSpace(o.name+" "+o.value) + "]" }

func boolean(name, help string, field func(*command) *bool) option {
	return option{name: name, help: help, add: func(c *command, f *flag.FlagSet) { f.BoolVar(field(c), name, false, "") }}
}

func text(name, value, help string, field func(*command) *string) option {
	return option{name: name, value: value, help: help, add: func(c *command, f *flag.FlagSet) { f.StringVar(field(c), name, "", "") }}
}

var (
	asJSON      = boolean("json", "JSON: the answer, and events as lines on standard error", func(c *command) *bool { return &c.json })
	waiting     = option{"wait", "DURATION", "for another operator's verb to end (1m)", func(c *command, f *flag.FlagSet) { f.DurationVar(&c.wait, "wait", time.Minute, "") }}
	following   = boolean("follow", "go on until interrupted", func(c *command) *bool { return &c.follow })
	everything  = boolean("all", "health checks too, several lines a second", func(c *command) *bool { return &c.all })
	checking    = boolean("check", "change nothing", func(c *command) *bool { return &c.check })
	logging     = boolean("log", "lines for a log", func(c *command) *bool { return &c.log })
	deletesData = boolean("delete-data", "delete every backup, release and secret too", func(c *command) *bool { return &c.deleteData })
	skipsBackup = boolean("skip-backup", "give up what is in no backup yet", func(c *command) *bool { return &c.skipBackup })
	losesFiles  = boolean("lose-files", "give up the files in linked directories", func(c *command) *bool { return &c.loseFiles })
	deletes     = boolean("delete", "delete what the retention does not keep", func(c *command) *bool { return &c.delete })
	replaces    = boolean("replace", "give up the data that is there", func(c *command) *bool { return &c.replace })
	shrinks     = boolean("shrink", "the data may have lost more than half of its size", func(c *command) *bool { return &c.shrink })
	beforeTime  = text("before", "TIME", "the newest of before 8:00 (the last one), 2026-11-25 08:00 or 2026-11-25T08:00:00Z", func(c *command) *string { return &c.before })
	onRole      = text("role", "ROLE", "servers with this role: web, app or db", func(c *command) *string { return &c.role })
)

func verbs() []verb {
	does := []option{asJSON, waiting}
	also := func(more ...option) []option { return append(more, does...) }
	shows := []option{asJSON}
	return []verb{
		{name: "plan", help: "what up would do; changes nothing", flags: shows, run: (*command).plan},
		{name: "up", help: "launch, provision and deploy whatever is missing", flags: does, run: (*command).up},
		{name: "status", help: "the whole site on one screen; the exit status is 1 where it is not well", flags: shows, run: (*command).status},
		{name: "deploy", help: "new code: pack, upload, restart one process after the other; changes of anything else need up", flags: does, run: (*command).deploy},
		{name: "rollback", words: "[RELEASE]", help: "back to the last good release, or to one that releases lists", flags: does, most: 1, run: (*command).rollback},
		{name: "releases", help: "what was deployed", flags: shows, run: (*command).releases},
		{name: "restart", help: "the application's processes, one after the other", flags: does, run: (*command).restart},
		{name: "maintenance", words: "on|off", help: "the maintenance page", flags: does, least: 1, most: 1, run: (*command).maintenance},
		{name: "backup now", help: "one more backup", flags: also(shrinks), run: (*command).backupNow},
		{name: "backup list", help: "the backups in the bucket", flags: shows, run: (*command).backupList},
		{name: "backup verify", words: "[BACKUP]", help: "prove a backup, else the newest, by a restore beside the database", flags: does, most: 1, run: (*command).backupVerify},
		{name: "backup restore", words: "[BACKUP]", help: "bring a backup back, else the newest", flags: also(replaces, beforeTime), most: 1, run: (*command).backupRestore},
		{name: "backup prune", help: "what the retention does not keep", flags: also(deletes), run: (*command).backupPrune},
		{name: "ssh", words: "SERVER [COMMAND…]", help: "a shell on a server, or one command there, with its exit status", least: 1, most: math.MaxInt, command: true, raw: true, run: (*command).ssh},
		{name: "run", words: "COMMAND…", help: "one command on every server", flags: []option{onRole}, least: 1, most: math.MaxInt, command: true, raw: true, run: (*command).runCommand},
		{name: "logs", words: "[SERVER]", help: "visitors' requests and the newest lines of every service", flags: []option{following, everything}, most: 1, run: (*command).logs},
		{name: "render", words: "SERVER", help: "the files that the site puts on a server", least: 1, most: 1, raw: true, run: (*command).render},
		{name: "diagram", help: "the site as SVG", raw: true, run: (*command).diagram},
		{name: "down", help: "end the servers after a last backup, and keep the data", flags: also(deletesData, skipsBackup, losesFiles), run: (*command).down},
		{name: "agent", words: "REQUEST", help: "what the program does on the site's servers", flags: []option{checking, logging}, least: 1, most: math.MaxInt, hidden: true, raw: true, run: (*command).agent},
	}
}

// usage is the verb with its flags and words.
func (v verb) usage() string {
	all := []string{v.name}
	for _, o := range v.flags {
		all = append(all, o.usage())
	}
	return strings.TrimSpace(strings.Join(append(all, v.words), " "))
}

// explain writes what the verb does, with each of its flags.
func (v verb) explain(w io.Writer) {
	fmt.Fprintf(w, "usage: %s\n\n%s\n", v.usage(), v.help)
	if len(v.flags) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range v.flags {
		fmt.Fprintf(t, "  %s\t%s\n", strings.TrimSpace("-"+o.name+" "+o.value), o.help)
	}
	_ = t.Flush()
}

// find returns the verb that args begin with, of one word or two, and the rest. Without run there is none.
func find(args []string) (verb, []string) {
	for _, v := range verbs() {
		name := strings.Fields(v.name)
		if len(args) >= len(name) && strings.Join(args[:len(name)], " ") == v.name {
			return v, args[len(name):]
		}
	}
	return verb{}, nil
}

// similar are the verbs that somebody may have meant: those whose first word is the same, else whose letters are, but
// for one or two.
func similar(args []string) []string {
	var same, near []string
	for _, v := range verbs() {
		words := strings.Fields(v.name)
		typed := strings.Join(args[:min(len(words), len(args))], " ")
		switch {
		case len(words) > 1 && words[0] == args[0]:
			same = append(same, v.name)
		case distance(v.name, typed) <= min(2, len(typed)/2):
			near = append(near, v.name)
		}
	}
	if len(same) > 0 {
		return same
	}
	return near
}

// distance is how many letters are to be changed, added or taken away to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		last := slices.Clone(row)
		row[0] = i + 1
		for j := range b {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
