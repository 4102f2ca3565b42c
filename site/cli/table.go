package cli

import (
	"context"
	"flag"
	"math"
	"strings"
	"time"
)

// verb is one line of the table of verbs.
type verb struct {
	name, args, help string
	flags            []addFlag
	least, most      int  // words
	command          bool // words after the first are a command of their own, with its flags
	run              func(*command, context.Context) error
}

// addFlag makes a verb know a flag.
type addFlag func(*command, *flag.FlagSet)

func asJSON(c *command, f *flag.FlagSet)  { f.BoolVar(&c.json, "json", false, "") }
func waiting(c *command, f *flag.FlagSet) { f.DurationVar(&c.wait, "wait", time.Minute, "") }

func boolean(name string, field func(*command) *bool) addFlag {
	return func(c *command, f *flag.FlagSet) { f.BoolVar(field(c), name, false, "") }
}

var (
	following   = boolean("follow", func(c *command) *bool { return &c.follow })
	everything  = boolean("all", func(c *command) *bool { return &c.all })
	checking    = boolean("check", func(c *command) *bool { return &c.check })
	logging     = boolean("log", func(c *command) *bool { return &c.log })
	deletesData = boolean("delete-data", func(c *command) *bool { return &c.deleteData })
	skipsBackup = boolean("skip-backup", func(c *command) *bool { return &c.skipBackup })
	losesFiles  = boolean("lose-files", func(c *command) *bool { return &c.loseFiles })
	deletes     = boolean("delete", func(c *command) *bool { return &c.delete })
	replaces    = boolean("replace", func(c *command) *bool { return &c.replace })
	shrinks     = boolean("shrink", func(c *command) *bool { return &c.shrink })
)

func onRole(c *command, f *flag.FlagSet) { f.StringVar(&c.role, "role", "", "") }

func beforeTime(c *command, f *flag.FlagSet) { f.StringVar(&c.before, "before", "", "") }

func verbs() []verb {
	does := []addFlag{asJSON, waiting}
	also := func(more ...addFlag) []addFlag { return append(more, does...) }
	shows := []addFlag{asJSON}
	return []verb{
		{name: "plan", args: "[-json]", help: "what up would do; changes nothing", flags: shows, run: (*command).plan},
		{name: "up", help: "launch, provision and deploy whatever is missing", flags: does, run: (*command).up},
		{name: "status", args: "[-json]", help: "the whole site on one screen", flags: shows, run: (*command).status},
		{name: "deploy", help: "new code: pack, upload, restart one process after the other; changes of anything else need up", flags: does, run: (*command).deploy},
		{name: "rollback", args: "[RELEASE]", help: "back to the last good release, or to one that releases lists", flags: does, most: 1, run: (*command).rollback},
		{name: "restart", help: "the application's processes, one after the other", flags: does, run: (*command).restart},
		{name: "releases", args: "[-json]", help: "what was deployed", flags: shows, run: (*command).releases},
		{name: "backup now", args: "[-shrink]", help: "one more backup; -shrink accepts that the data lost more than half of its size", flags: also(shrinks), run: (*command).backupNow},
		{name: "backup list", args: "[-json]", help: "the backups in the bucket", flags: shows, run: (*command).backupList},
		{name: "backup verify", args: "[BACKUP]", help: "prove a backup, else the newest, by a restore beside the database", flags: does, most: 1, run: (*command).backupVerify},
		{name: "backup restore", args: "[-replace] [-before TIME] [BACKUP]", help: "bring a backup back, else the newest; -replace gives up the data that is there; TIME is 8:00 (the last one), 2026-11-25 08:00 or 2026-11-25T08:00:00Z",
			flags: also(replaces, beforeTime), most: 1, run: (*command).backupRestore},
		{name: "backup prune", args: "[-delete]", help: "what the retention does not keep; -delete deletes it", flags: also(deletes), run: (*command).backupPrune},
		{name: "maintenance", args: "on|off", help: "the maintenance page", flags: does, least: 1, most: 1, run: (*command).maintenance},
		{name: "ssh", args: "SERVER [COMMAND…]", help: "a shell on a server, or one command there, with its exit status", least: 1, most: math.MaxInt, command: true, run: (*command).ssh},
		{name: "run", args: "[-role ROLE] COMMAND…", help: "one command on every server, or on those with a role (web, app, db)", flags: []addFlag{onRole}, least: 1, most: math.MaxInt, command: true, run: (*command).runCommand},
		{name: "logs", args: "[-follow] [-all] [SERVER]", help: "visitors' requests and the newest lines of every service; -all adds the health checks", flags: []addFlag{following, everything}, most: 1, run: (*command).logs},
		{name: "render", args: "SERVER", help: "the files that the site puts on a server", least: 1, most: 1, run: (*command).render},
		{name: "diagram", help: "the site as SVG", run: (*command).diagram},
		{name: "down", args: "[-delete-data] [-skip-backup] [-lose-files]", help: "end the servers after a last backup and keep the data; -delete-data deletes all of it, -skip-backup gives up what is in no backup yet, -lose-files the files in linked directories",
			flags: also(deletesData, skipsBackup, losesFiles), run: (*command).down},
		{name: "agent", args: "VERB", help: "what the program does on the site's servers", flags: []addFlag{checking, logging}, least: 1, most: math.MaxInt, run: (*command).agent},
	}
}

func (v verb) usage() string { return strings.TrimSpace(v.name + " " + v.args) }

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
