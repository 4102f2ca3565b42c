package provision

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	accountName  = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	accountOwner = regexp.MustCompile(`^([a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})$`)
	packageName  = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9][a-z0-9-]*)?$`)
	unitName     = regexp.MustCompile(`^[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\-]*(@[A-Za-z0-9:_.\\-]*)?\.(service|timer|socket|path|mount|target|slice)$`)
	instanceName = regexp.MustCompile(`^[A-Za-z0-9:_.\\-]+$`)
	sumDigits    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// vital are directories that Absent does not remove, whatever is asked.
var vital = map[string]bool{
	"/var/lib": true, "/var/log": true, "/var/cache": true, "/usr/bin": true, "/usr/sbin": true, "/usr/lib": true, "/usr/share": true,
	"/etc/ssh": true, "/etc/systemd": true, "/etc/apt": true, "/var/lib/dpkg": true, "/var/lib/apt": true,
}

const (
	maxPath = 4000
	maxBase = 230 // of 255: the temporary file beside it has a longer name
)

// validation collects what is wrong with a state.
type validation struct {
	errs []error
	at   string // the step that is looked at
	seen map[string]string
	keys []string // of the steps so far
}

func (v *validation) bad(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("provision: %s: %s", v.at, fmt.Sprintf(format, args...)))
}

// Validate reports every mistake in the state at once, each with the number of its step and its name, joined by
// errors.Join; nil where there is none.
func (s State) Validate() error {
	v := &validation{seen: map[string]string{}}
	for i, step := range s.Steps {
		v.at = fmt.Sprintf("step %d", i+1)
		if step == nil {
			v.bad("is nil")
			continue
		}
		kind, name, known := describe(step)
		if !known {
			v.bad("has type %T; pass a value of this package's types, not a pointer", step)
			continue
		}
		v.at += fmt.Sprintf(": %s %q", kind, name)
		v.step(step)
		for _, key := range step.keys() {
			if before, twice := v.seen[key]; twice {
				v.bad("%q is also in %s", key, before)
			}
			v.seen[key] = fmt.Sprintf("step %d", i+1)
		}
		v.keys = append(v.keys, step.keys()...)
	}
	return errors.Join(v.errs...)
}

// describe returns a step's kind and name, as in `file "/etc/motd"`, and whether it is of a known type.
func describe(step Step) (kind, name string, known bool) {
	switch s := step.(type) {
	case Group:
		return "group", s.Name, true
	case User:
		return "user", s.Name, true
	case Packages:
		return "packages", strings.Join(s.Names, " "), true
	case Dir:
		return "directory", s.Path, true
	case File:
		return "file", s.Path, true
	case Config:
		return "config", s.Name, true
	case Link:
		return "link", s.Path, true
	case Absent:
		return "path", s.Path, true
	case Unit:
		return "unit", s.Name, true
	case Command:
		return "command", s.Name, true
	}
	return "", "", false
}

func (v *validation) step(step Step) {
	switch s := step.(type) {
	case Group:
		v.account("name", s.Name)
	case User:
		v.user(s)
	case Packages:
		v.packages(s)
	case Dir:
		v.path(s.Path)
		v.access(s.Owner, s.Group, s.Mode)
	case File:
		v.file(s)
		if s.Check != "" && !strings.Contains(s.Check, "{}") {
			v.bad("check %q has no {} for the path of the new file", s.Check)
		}
	case Config:
		v.config(s)
	case Link:
		v.link(s)
	case Absent:
		v.path(s.Path)
		if strings.Count(s.Path, "/") < 2 || vital[s.Path] {
			v.bad("is not a path to remove")
		}
	case Unit:
		v.unit(s)
	case Command:
		v.command(s)
	}
}

func (v *validation) account(what, name string) {
	if !accountName.MatchString(name) {
		v.bad("%s %q is not a lower-case account name of at most 32 characters", what, name)
	}
}

func (v *validation) user(u User) {
	v.account("name", u.Name)
	if u.Group != "" {
		v.account("group", u.Group)
	}
	for _, g := range u.Groups {
		v.account("supplementary group", g)
	}
	v.accountPath("home", u.Home)
	v.accountPath("shell", u.Shell)
}

func (v *validation) accountPath(what, p string) {
	if p != "" && (pathProblem(p) != "" || strings.Contains(p, ":")) {
		v.bad("%s %q is not a clean absolute path without a colon", what, p)
	}
}

func (v *validation) packages(p Packages) {
	if len(p.Names) == 0 {
		v.bad("has no names")
	}
	for _, name := range p.Names {
		for _, alternative := range strings.Split(name, "|") {
			if !packageName.MatchString(alternative) {
				v.bad("%q is not a Debian package name", alternative)
			}
		}
	}
}

// pathProblem says what is wrong with a path; empty where nothing is.
func pathProblem(p string) string {
	switch {
	case p == "":
		return "is empty"
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "has control characters or is not UTF-8"
	case !strings.HasPrefix(p, "/"):
		return "is not absolute"
	case path.Clean(p) != p || strings.HasPrefix(p, "//"):
		return "is not clean; write " + path.Clean(p)
	case p == "/":
		return "is the root directory"
	case len(p) > maxPath || len(path.Base(p)) > maxBase:
		return "is too long"
	}
	return ""
}

func (v *validation) path(p string) {
	if problem := pathProblem(p); problem != "" {
		v.bad("path %q %s", p, problem)
	}
}

func (v *validation) access(owner, group string, mode uint32) {
	if owner != "" && !accountOwner.MatchString(owner) {
		v.bad("owner %q is neither an account name nor a number", owner)
	}
	if group != "" && !accountOwner.MatchString(group) {
		v.bad("group %q is neither a group name nor a number", group)
	}
	if mode > 0o7777 {
		v.bad("mode %#o is more than 07777", mode)
	}
}

func (v *validation) file(f File) {
	v.path(f.Path)
	v.access(f.Owner, f.Group, f.Mode)
	v.text("check", f.Check)
	blob := f.Blob.SHA256 != "" || f.Blob.Open != nil || f.Blob.Size != 0
	contents := 0
	for _, set := range []bool{f.Content != "", f.Secret != "", blob} {
		if set {
			contents++
		}
	}
	if f.SecretKeys && f.Secret == "" {
		v.bad("has SecretKeys without a Secret")
	}
	if contents > 1 {
		v.bad("has more than one of Content, Secret and Blob")
	}
	if blob && (!sumDigits.MatchString(f.Blob.SHA256) || f.Blob.Open == nil || f.Blob.Size < 0) {
		v.bad("blob needs a SHA256 of 64 lower-case hexadecimal digits, a Size and Open")
	}
}

func (v *validation) link(l Link) {
	v.path(l.Path)
	if l.Target == "" || len(l.Target) > maxPath || strings.ContainsAny(l.Target, "\x00\n") {
		v.bad("target %q is empty, too long or has a newline", l.Target)
	}
}
