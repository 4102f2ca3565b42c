package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// bootstrap makes a base image from a Debian mirror with debootstrap, and installs nothing on this machine.
func (e *Engine) bootstrap(ctx context.Context, suite, ref string) error {
	as, err := rootPrefix(ctx)
	if err != nil {
		return err
	}
	mirror := namedMirror(e.opts.Mirror)
	if e.opts.Mirror == "" {
		if mirror, err = findMirror("/etc/apt"); err != nil {
			return err
		}
	}
	tool, err := e.debootstrap(ctx)
	if err != nil {
		return err
	}
	keyring, err := e.keyring(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "siteblocks-bootstrap-")
	if err != nil {
		return err
	}
	root := filepath.Join(dir, "root")
	defer func() {
		_ = exec.Command(as[0], append(as[1:], "rm", "-rf", dir)...).Run()
	}()
	e.Say("image", "bootstrapping Debian %s from %s", suite, mirror.main)
	args := append(as[1:], "env", "DEBOOTSTRAP_DIR="+tool.dir, "TMPDIR="+dir, "sh", tool.script, "--variant=minbase",
		"--keyring="+keyring, "--arch="+e.arch, suite, root, mirror.main)
	if out, err := run(ctx, as[0], args...); err != nil {
		return fmt.Errorf("debootstrap %s from %s: %w:\n%s", suite, mirror.main, err, lastLines(out, 10))
	}
	return e.importRoot(ctx, as, root, ref, mirror.sources(ctx, suite))
}

// importRoot makes an image of a folder.
func (e *Engine) importRoot(ctx context.Context, as []string, root, ref, sources string) error {
	script := `set -e; cd "$1"; printf '%s' "$2" >etc/apt/sources.list; rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/*
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d; chmod 755 usr/sbin/policy-rc.d
: >etc/resolv.conf; rm -f etc/hostname; exec tar --numeric-owner --xattrs --one-file-system -c .`
	cmd := exec.CommandContext(ctx, as[0], append(as[1:], "sh", "-c", script, "sh", root, sources)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	importErr := e.importTar(ctx, stdout, ref, `CMD ["/bin/bash"]`, `LABEL `+LabelImage+`=base`)
	_, _ = io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("pack the bootstrapped system: %w: %s", err, lastLines(stderr.String(), 5))
	}
	return importErr
}

func (e *Engine) importTar(ctx context.Context, r io.Reader, ref string, changes ...string) error {
	res, err := e.ImageImport(ctx, client.ImageImportSource{Source: r, SourceName: "-"}, ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		return err
	}
	defer res.Close()
	answer, err := io.ReadAll(io.LimitReader(res, 1<<20))
	if err != nil {
		return err
	}
	if bytes.Contains(answer, []byte(`"error"`)) {
		return fmt.Errorf("import %s: %s", ref, bytes.TrimSpace(answer))
	}
	return nil
}

// installedDebootstrap is where the package puts it; the tests look elsewhere.
var installedDebootstrap = "/usr/sbin/debootstrap"

// tool is a debootstrap that can be run in place.
type tool struct{ script, dir string }

// debootstrap finds the one that is installed, or unpacks Debian's package of it into the user's cache.
func (e *Engine) debootstrap(ctx context.Context) (tool, error) {
	if _, err := os.Stat(installedDebootstrap); err == nil {
		return tool{installedDebootstrap, "/usr/share/debootstrap"}, nil
	}
	root, err := e.unpacked(ctx, "debootstrap", "usr/sbin/debootstrap")
	if err != nil {
		return tool{}, err
	}
	return tool{filepath.Join(root, "usr/sbin/debootstrap"), filepath.Join(root, "usr/share/debootstrap")}, nil
}

func (e *Engine) keyring(ctx context.Context) (string, error) {
	const file = "usr/share/keyrings/debian-archive-keyring.gpg"
	if _, err := os.Stat("/" + file); err == nil {
		return "/" + file, nil
	}
	root, err := e.unpacked(ctx, "debian-archive-keyring", file)
	return filepath.Join(root, file), err
}

// unpacked downloads a package with the machine's own apt, which checks its signature, and unpacks it into the
// user's cache; contains is a file that it must hold.
func (e *Engine) unpacked(ctx context.Context, name, contains string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, name)
	if _, err := os.Stat(filepath.Join(root, contains)); err == nil {
		return root, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", fmt.Errorf("neither %s nor apt-get is on this machine; let the engine reach a registry, or "+
			"load the base image by hand (docker load)", name)
	}
	e.Say("image", "fetching %s with apt-get, without installing it", name)
	dir, err := os.MkdirTemp(cache, name+"-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	script := `set -e; cd "$1"; apt-get -q download "$2"; mkdir root; dpkg-deb -x ./*.deb root`
	if out, err := run(ctx, "sh", "-c", script, "sh", dir, name); err != nil {
		return "", fmt.Errorf("apt-get download %s: %w:\n%s", name, err, lastLines(out, 5))
	}
	if err := os.Rename(filepath.Join(dir, "root"), root); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return root, nil
}

// rootPrefix is the command by which this user runs another as root, as debootstrap must be.
func rootPrefix(ctx context.Context) ([]string, error) {
	if os.Geteuid() == 0 {
		return []string{"env"}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, try := range [][]string{{"sudo", "-n"}, {"unshare", "--map-root-user", "--map-auto", "--mount"}} {
		probe := append(try[1:len(try):len(try)], "sh", "-c", `d=$(mktemp -d) && chown 8:8 "$d" && rmdir "$d"`)
		if exec.CommandContext(ctx, try[0], probe...).Run() == nil {
			return try, nil
		}
	}
	return nil, errors.New("debootstrap needs root, and neither sudo without a password nor a user namespace is " +
		"allowed here; run the program once as root, or let the engine reach a registry")
}

func run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
