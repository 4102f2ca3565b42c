package codedeploy

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

var (
	//go:embed install.sh
	installScript string
	//go:embed unpack.sh
	unpackScript string // with the owner's rights
)

// Install unpacks a release beside the others, links what is shared and runs build (a shell command; empty runs none) as Owner in
// its directory. The release has its name only when all of that is done: one that has it is left as it is, a half-done one is
// done again, and what others left half-done is removed. Nothing that runs notices. The build sees the release under a
// temporary path, with HOME, USER, LOGNAME, SHELL, LANG=C.UTF-8 and the system's PATH for its environment.
//
// The build reads nothing that another user wrote: where Writable is not Owner, the linked directories, and the linked files
// that Writable may change, are linked only after it. Until then the release's own lie there, or empty directories.
//
// The tarball's hash is compared and its entries are checked (see Check) before anything is sent. All files get the release's own
// time, so that every server answers with the same Last-Modified.
func (t Target) Install(ctx context.Context, r Release, tarball io.Reader, build string) error {
	do := fmt.Sprintf("install release %q", r.Name)
	made, err := time.Parse("20060102150405", r.Name)
	if err != nil || checkName(r.Name) != nil {
		return fmt.Errorf("codedeploy: %s: its name is not a time of 14 digits", do)
	}
	list, err := t.Releases(ctx)
	if err != nil {
		return err
	}
	for _, there := range list {
		if there.Name == r.Name {
			return nil
		}
	}
	file, err := spool(r, tarball, t.linked())
	if err != nil {
		return fmt.Errorf("codedeploy: %s: %w", do, err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if r.Created.IsZero() {
		r.Created = made
	}
	unpack := t.ownerScript(unpackScript, "name", r.Name, "revision", r.Revision,
		"created", strconv.FormatInt(r.Created.Unix(), 10), "made", strconv.FormatInt(made.Unix(), 10), "build", build)
	return t.run(ctx, do, sshx.Script{Text: installScript, Stdin: file}, "unpack", unpack, "writer", t.Writable,
		"dirs", strings.Join(t.LinkedDirs, "\n"), "files", strings.Join(t.LinkedFiles, "\n"))
}

// spool puts the tarball into a temporary file and checks it there.
func spool(r Release, tarball io.Reader, linked []string) (_ *os.File, err error) {
	file, err := os.CreateTemp("", "siteblocks-release-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}()
	h := sha256.New()
	if _, err = io.Copy(io.MultiWriter(file, h), tarball); err != nil {
		return nil, err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != r.SHA256 {
		return nil, fmt.Errorf("the tarball's SHA-256 is %s, not %s", sum, r.SHA256)
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if err = Check(file, linked...); err != nil {
		return nil, err
	}
	_, err = file.Seek(0, io.SeekStart)
	return file, err
}

// Capistrano's own way: the fresh link is made in releases and renamed over the old one.
const publishScript = `cd "$root"
[ -d "releases/$name" ] && [ ! -L "releases/$name" ] || { echo "release $name is not installed" >&2; exit 1; }
was=$(readlink current || true)
[ "$was" != "$root/releases/$name" ] || exit 0
if [ -L revisions.log ] || [ -e revisions.log ] && { [ ! -f revisions.log ] || [ ! -w revisions.log ]; }; then
	echo "$root/revisions.log is not a file that $(id -un) can write to, but: $(ls -ld revisions.log); move it away" >&2
	exit 1
fi
ln -sfnT "$root/releases/$name" releases/current
mv -fT releases/current current
line="Branch $source (at $revision) deployed as release $name by $by"
[ "${was##*/}" \> "$name" ] && line="$by rolled back to release $name"
printf '%s\n' "$line" >>revisions.log
`

// Publish makes an installed release the current one, in one step, and writes Capistrano's line to revisions.log. What runs keeps
// running the old release until it is restarted. To publish an older release than the current one is a rollback.
func (t Target) Publish(ctx context.Context, r Release) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	return t.runAsOwner(ctx, fmt.Sprintf("publish release %q", r.Name), publishScript, "name", r.Name,
		"source", oneLine(r.Source, "unknown"), "revision", oneLine(r.Revision, "unknown"), "by", oneLine(r.By, "unknown"))
}

func oneLine(s, empty string) string {
	if s = strings.Join(strings.Fields(s), " "); s == "" {
		return empty
	}
	return s
}

// The stop is for the end of ctx: systemd-run alone would leave the command running.
const migrateScript = `cd "$root/releases/$name"
id -- "$user" >/dev/null
[ -z "$env" ] || [ -r "$env" ] || { echo "environment file $env is not there" >&2; exit 1; }
unit=codedeploy-migrate-$name-$$.service
trap 'systemctl stop --no-block "$unit"' HUP INT TERM
systemd-run --quiet --pipe --wait --collect --unit="$unit" -p User="$user" -p WorkingDirectory="$root/releases/$name" \
	${env:+-p EnvironmentFile="$env"} /bin/sh -c "$command"
`

// Migrate runs a shell command, such as "bin/rails db:migrate", in an installed release's directory as user, with the variables of
// envFile (an EnvironmentFile of systemd, not below Root; empty is none), which is never given to a shell. A command that fails gives an
// *sshx.ExitError with its last lines. User is the one that the application runs as: a release's linked directories hold
// what the application wrote, so no other user should run code that reads them.
func (t Target) Migrate(ctx context.Context, release, command, envFile, user string) error {
	do := fmt.Sprintf("migrate release %q", release)
	if err := checkName(release); err != nil {
		return err
	}
	if !accountPattern.MatchString(user) || strings.ContainsAny(envFile, " \t\n\"'\\*?[") {
		return fmt.Errorf("codedeploy: %s: user %q or environment file %q: not a name that can be given to systemd", do, user, envFile)
	}
	if within(path.Clean(envFile), t.Root) {
		return fmt.Errorf("codedeploy: %s: environment file %q lies below %s, where %s could link it to what root alone may read; keep it elsewhere, such as in /etc", do, envFile, t.Root, t.owner())
	}
	if strings.TrimSpace(command) == "" {
		return errors.New("codedeploy: " + do + ": no command")
	}
	// systemd itself expands $ in a command line, before the shell does.
	return t.run(ctx, do, sshx.Script{Text: migrateScript}, "name", release, "command", strings.ReplaceAll(command, "$", "$$"), "env", envFile, "user", user)
}
