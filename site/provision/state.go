package provision

import (
	"io"
	"time"
)

// State is the desired state of one host. Equal states give equal plans and scripts, byte for byte.
type State struct {
	// Steps are brought about in this order, and printed in this order. A configuration that a service must find
	// when its package first starts it stands before the Packages step; a file whose owner the package creates
	// stands after it; a command that needs a running service stands after its Unit.
	Steps []Step
}

// Step is one of Group, User, Packages, Dir, File, Config, Link, Absent, Unit and Command.
//
// What a step changes has keys, by which Unit.ReloadOn, Unit.RestartOn and Command.OnChange name it:
//
//	Dir, File, Link, Absent   the path: "/etc/apache2/ports.conf"
//	Config                    the path of each part, and "config:NAME"
//	Group, User               "group:NAME", "user:NAME"
//	Packages                  "package:NAME" for each name as written: "package:mariadb-server|mysql-server"
//	Unit                      its name: "app@.service"
//	Command                   "command:NAME"
//
// A key that ends in a slash means everything below that directory. Only steps that stand earlier in the list can be
// named; naming something that no earlier step has is an error of Validate.
type Step interface {
	keys() []string
}

// Group is a system group that exists.
type Group struct {
	Name string // "deploy"
}

// User is a system user that exists.
type User struct {
	Name string // "app"

	// Group is the primary group. Zero: a group of the user's own name, which is created.
	Group string

	// Groups are supplementary groups that the user is in; other memberships are left alone.
	Groups []string

	// Home is the home directory; it is not created (use Dir, after the User). Zero: "/nonexistent".
	Home string

	// Shell is the login shell. Zero: "/usr/sbin/nologin".
	Shell string
}

// Packages are Debian packages that are installed. Only missing ones are installed, all in one run of apt; none is
// upgraded. The package lists are refreshed where they are older than a day or do not have a name.
type Packages struct {
	// Names are package names. Alternatives are separated by a bar: "mariadb-server|mysql-server" is satisfied by
	// whichever is installed, else the first one that the host's distribution offers is installed.
	Names []string

	// NoStart keeps the packages from starting their services while they are installed. Zero lets them.
	NoStart bool
}

// Dir is a directory that exists. Missing parents are made, owned by root, mode 0755.
type Dir struct {
	Path  string // absolute and clean
	Owner string // user name or number; zero: root
	Group string // group name or number; zero: the group named like the owner
	Mode  uint32 // Unix permission bits, at most 07777; zero: 0755
}

// File is a regular file with a content. It is replaced atomically: a reader sees the old file or the new one.
// Missing parents are made, owned by root, mode 0755. At most one of Content, Secret and Blob is set.
type File struct {
	Path  string // absolute and clean
	Owner string // user name or number; zero: root
	Group string // group name or number; zero: the group named like the owner
	Mode  uint32 // Unix permission bits, at most 07777; zero: 0644, for a Secret 0600

	// Content is the file's text, or any bytes. The plan shows how it differs.
	Content string

	// Secret is a content that is shown nowhere: the plan says only that it changes.
	Secret Secret

	// SecretKeys says that the lines of Secret are KEY=value or "key": value, and that the keys may be shown: the plan
	// then has a diff with REDACTED for each value. Zero shows nothing of a Secret.
	SecretKeys bool

	// Blob is a content that is too large to hold in memory, such as a program.
	Blob Blob

	// Check is a shell command that looks at the new file before it replaces the old one; {} in it becomes the
	// quoted path of the new file in a temporary place, where it already has its final name, owner and mode:
	//
	//	haproxy -c -f {}      visudo -cf {}      sshd -t -f {}      mariadbd --defaults-file={} --help --verbose
	//
	// It runs as root (the directory is readable to root only) for at most 60 s. Where it exits other than 0, the
	// old file stays and the run stops with the command's own output. Zero: not checked.
	Check string
}

// Blob is a large content known by its SHA-256. BlobFile makes one of a local file.
type Blob struct {
	SHA256 string // 64 lower-case hexadecimal digits; zero: no blob
	Size   int64  // bytes

	// Open opens the content. It is called once for each host where the file differs, possibly at the same time
	// for several. A content that has another size or sum than said here is refused.
	Open func() (io.ReadCloser, error)
}

// Config is a set of files that a server reads together, such as Apache's tree. The new parts are put in place all at
// once, Check looks at them there, and where it exits other than 0 everything is put back as it was before and the
// run stops with the command's own output. A run that is killed before the check was passed is rolled back by the
// next one. The server must not be reloaded in between: reloads come later, by a Unit's ReloadOn. All parts lie in
// directories that root alone can write: elsewhere somebody could change a part after its check, and the run stops.
type Config struct {
	Name   string   // for plans and errors: "apache2"
	Files  []File   // their own Check is not used here
	Links  []Link   // after the files
	Absent []string // paths of files and links that are removed, last

	// Owns are directories in which nothing else may be than what this state puts there, and Keep: whatever stands in
	// /etc/apache2/sites-enabled is served. Another link there is removed; another file or directory is set aside in
	// /var/backups/siteblocks, below its own path. Zero: whatever is there stays.
	Owns []string
	Keep []string // paths in Owns that may be there, such as what the distribution enables

	// Check is the shell command, run as root for at most 60 s: "apache2ctl -t". It is required.
	Check string
}

// Link is a symbolic link. One that points elsewhere, or a file in its place, is replaced atomically.
// Missing parents are made, owned by root, mode 0755.
type Link struct {
	Path   string // absolute and clean
	Target string // as stored in the link; need not exist
}

// Absent is a path where nothing is.
type Absent struct {
	Path string // absolute and clean

	// Tree removes a directory with everything in it. Zero: only a file, a link or an empty directory.
	Tree bool
}

// UnitState says what is to be true of a systemd unit.
type UnitState string

const (
	// UnitRunning is enabled at boot and running now (a timer: waiting). It is what the zero value means.
	UnitRunning UnitState = "running"
	// UnitEnabled is enabled at boot; whether it runs now is left as it is. For one-shot services.
	UnitEnabled UnitState = "enabled"
	// UnitStopped is not enabled at boot and not running.
	UnitStopped UnitState = "stopped"
	// UnitMasked is stopped, and nothing can start it. systemd can mask a package's units only, not one whose file
	// is in /etc/systemd/system.
	UnitMasked UnitState = "masked"
	// UnitAsIs is neither enabled nor started nor stopped; if it runs, it is reloaded or restarted on change.
	UnitAsIs UnitState = "as-is"
)

// Unit is the state of a systemd unit. Its file, where it is not a package's, is a File before it; systemd reads
// changed unit files again (daemon-reload) before the first unit that needs it.
type Unit struct {
	Name string // with its suffix: "apache2.service", "backup.timer"; a template has an @: "app@.service"

	// Instances are those of a template: {"3001", "3002"}. Each one is in State, one after the other; every other
	// instance of the template is stopped and disabled.
	Instances []string

	State UnitState // zero: UnitRunning

	// ReloadOn and RestartOn are keys of earlier steps (see Step): when one of them changed, the running unit is
	// reloaded (restarted where it cannot reload) or restarted. Restart wins. A unit that was not running is only
	// started. A reload that a killed or failed run still owes is made up for by the next run.
	ReloadOn  []string
	RestartOn []string

	// Check is a shell command that runs as root, for at most 60 s, before the unit is started, reloaded or
	// restarted. Where it exits other than 0 the run stops, and the running service stays as it is. Zero: none.
	Check string
}

// Command is a shell script that runs on the host where its guards say so. At least one of Unless and OnChange is
// required, so that a second run has nothing to do.
type Command struct {
	Name string // unique: "create database shop"

	// Script is POSIX shell, run with -e. It, and the guards, are not secret: use Stdin.
	Script string

	// Unless is a shell script without side effects: where it exits 0 the command has nothing to do. It is asked
	// while facts are gathered, again just before the script, and once more after it, where it must then exit 0.
	// Each has 60 s. What it writes to its standard error is shown by the plan, as the reason.
	Unless string

	// OnlyIf is a further condition: where it exits other than 0 the command is left out.
	OnlyIf string

	// OnChange are keys of earlier steps (see Step): the command runs only when one of them changed since it last
	// ran to its end.
	OnChange []string

	// User runs the script and its guards; zero: root.
	User string

	// Stdin is what the script reads. It is never shown.
	Stdin Secret

	// Timeout ends the script; zero: 10 minutes.
	Timeout time.Duration
}

func (g Group) keys() []string { return []string{"group:" + g.Name} }
func (u User) keys() []string  { return []string{"user:" + u.Name} }
func (p Packages) keys() []string {
	keys := make([]string, len(p.Names))
	for i, name := range p.Names {
		keys[i] = "package:" + name
	}
	return keys
}
func (d Dir) keys() []string  { return []string{d.Path} }
func (f File) keys() []string { return []string{f.Path} }
func (c Config) keys() []string {
	keys := []string{"config:" + c.Name}
	for _, f := range c.Files {
		keys = append(keys, f.Path)
	}
	for _, l := range c.Links {
		keys = append(keys, l.Path)
	}
	return append(keys, c.Absent...)
}
func (l Link) keys() []string    { return []string{l.Path} }
func (a Absent) keys() []string  { return []string{a.Path} }
func (u Unit) keys() []string    { return []string{u.Name} }
func (c Command) keys() []string { return []string{"command:" + c.Name} }
