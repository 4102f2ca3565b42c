package codedeploy

import (
	"bytes"
	"context"
	_ "embed" // root.sh
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Target is where releases live on one server, laid out as Capistrano 3 does: releases/NAME, shared, the link current and
// revisions.log. All its methods can be run again after they were cut off. They need root, to become Owner: below Root they
// act with Owner's rights, so that no link there makes root write elsewhere.
type Target struct {
	Host  sshx.Host
	Root  string // absolute, such as "/var/www/shop"; it belongs to Owner, and Install creates it
	Owner string // existing user that owns the code and runs the build; empty is "deploy"
	Group string // empty is Owner's own group

	// Keep is how many releases Prune leaves where it is not told; zero is 5.
	Keep int

	// Shared by all releases: clean paths within the application, of which none lies within another.
	LinkedDirs  []string // such as "log"; made where they are missing
	LinkedFiles []string // such as "config/master.key"; each has to be in shared already
	Writable    string   // existing user that writes to the linked directories; empty is Owner
}

// Installed is a release on a server.
type Installed struct {
	Name     string
	Revision string
	Current  bool
	Time     time.Time // of its directory: when the release was made
}

var accountPattern = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// Validate reports every mistake in the target's description at once. Every method that acts on the host begins with it.
func (t Target) Validate() error {
	var errs []error
	mistake := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("codedeploy: target: "+format, args...))
	}
	if t.Host == nil {
		mistake("it has no host")
	}
	if !path.IsAbs(t.Root) || path.Clean(t.Root) != t.Root || t.Root == "/" || hasControl(t.Root) {
		mistake("root %q is not a clean absolute path", t.Root)
	}
	for _, a := range []string{t.owner(), t.Group, t.Writable} {
		if a != "" && !accountPattern.MatchString(a) {
			mistake("%q is not the name of a user or group", a)
		}
	}
	for _, m := range linkedMistakes(t.linked()) {
		mistake("%s", m)
	}
	if t.Keep < 0 {
		mistake("keep %d is less than 0", t.Keep)
	}
	return errors.Join(errs...)
}

func (t Target) owner() string {
	if t.Owner == "" {
		return "deploy"
	}
	return t.Owner
}

//go:embed root.sh
var rootScript string

// run runs a script as root that finds the functions of root.sh and the values as quoted shell variables.
func (t Target) run(ctx context.Context, do string, s sshx.Script, values ...string) error {
	if err := t.Validate(); err != nil {
		return err
	}
	values = append([]string{"root", t.Root, "owner", t.owner(), "group", t.Group}, values...)
	s.Text, s.Root = rootScript+variables(values)+s.Text, true
	if err := t.Host.Run(ctx, s); err != nil {
		return fmt.Errorf("codedeploy: %s: %w", do, err)
	}
	return nil
}

// runAsOwner runs a script with the owner's rights and environment.
func (t Target) runAsOwner(ctx context.Context, do, script string, values ...string) error {
	return t.run(ctx, do, sshx.Script{Text: `as "$owner" /bin/sh -c "$script"` + "\n"}, "script", t.ownerScript(script, values...))
}

// ownerScript is a script for a shell that runs with the owner's rights.
func (t Target) ownerScript(script string, values ...string) string {
	return "set -eu\numask 022\n" + variables(append([]string{"root", t.Root}, values...)) + script
}

func variables(values []string) string {
	var lines strings.Builder
	for i := 0; i < len(values); i += 2 {
		lines.WriteString(values[i] + "=" + sshx.Quote(values[i+1]) + "\n")
	}
	return lines.String()
}

const listScript = `cd "$root/releases"
for d in [0-9]*/; do
	d=${d%/}
	[ -d "$d" ] && [ ! -L "$d" ] || continue
	rev=-; [ -f "$d/REVISION" ] && rev=$(head -c 200 "$d/REVISION" | head -n 1 | tr -cd '!-~')
	now=-; [ "$d" -ef "$root/current" ] && now=current
	printf '%s %s %s %s\n' "$d" "$(stat -c %Y "$d")" "${rev:--}" "$now"
done
`

// Releases lists the releases on the server, the oldest first, also those that Capistrano put there.
func (t Target) Releases(ctx context.Context) ([]Installed, error) {
	var out bytes.Buffer
	list := sshx.Script{Text: "[ ! -d \"$root/releases\" ] || as \"$owner\" /bin/sh -c \"$script\"\n", Stdout: &out}
	if err := t.run(ctx, "list releases", list, "script", t.ownerScript(listScript)); err != nil {
		return nil, err
	}
	var all []Installed
	for line := range strings.Lines(out.String()) {
		f := strings.Fields(line)
		if len(f) != 4 || !namePattern.MatchString(f[0]) {
			continue
		}
		seconds, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("codedeploy: list releases: %w", err)
		}
		all = append(all, Installed{
			Name: f[0], Revision: strings.TrimPrefix(f[2], "-"), Time: time.Unix(seconds, 0).UTC(), Current: f[3] == "current",
		})
	}
	return all, nil
}

// Current is the name of the release that the link current leads to; empty where there is none.
func (t Target) Current(ctx context.Context) (string, error) {
	list, err := t.Releases(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range list {
		if r.Current {
			return r.Name, nil
		}
	}
	return "", nil
}

// A release that is half removed must not look whole: it loses its name first.
const removeScript = `[ -d "$root/releases" ] || exit 0
enter
for name in $names; do
	[ ! "$root/current" -ef "$name" ] || die "$name is the current release"
	rm -rf ".$name.gone"
	[ ! -d "$name" ] || [ -L "$name" ] || mv -T "$name" ".$name.gone"
	rm -rf ".$name.gone"
done
`

// Remove takes a release from the server. It refuses the current one; one that is not there is no error.
func (t Target) Remove(ctx context.Context, release string) error {
	if err := checkName(release); err != nil {
		return err
	}
	return t.run(ctx, fmt.Sprintf("remove release %q", release), sshx.Script{Text: removeScript}, "names", release)
}

// Prune removes all but the newest keep releases, never the current one, and what installations that failed or were killed have
// left. Zero is Target.Keep. An installation that is running is left alone.
func (t Target) Prune(ctx context.Context, keep int) error {
	if keep == 0 {
		keep = t.Keep
	}
	if keep <= 0 {
		keep = 5
	}
	list, err := t.Releases(ctx)
	if err != nil {
		return err
	}
	var old []string
	for _, r := range list[:max(0, len(list)-keep)] {
		if !r.Current {
			old = append(old, r.Name)
		}
	}
	return t.run(ctx, "prune releases", sshx.Script{Text: removeScript + "! lock -n || sweep\n"}, "names", strings.Join(old, " "))
}
