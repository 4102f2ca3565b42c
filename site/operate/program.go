package operate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/siteblocks/siteblocks/site/provision"
)

// program returns the executable that runs on servers of an architecture. It is built from the package of the
// operator's own program, always in the same way: so programs made by go run and by go build, in whatever folder, have
// equal agents and do not replace each other's. A program that was built in this way is taken as it is. Where there is
// no Go or no source the operator's own is taken too, if it runs there.
func (o Operator) program(ctx context.Context, arch string) (provision.Blob, error) {
	own := o.Program
	if own == "" {
		var err error
		if own, err = os.Executable(); err != nil {
			return provision.Blob{}, fmt.Errorf("site: find the running program: %w", err)
		}
	}
	fits := runsOn(own, arch)
	if fits && reproducible(own) {
		return provision.BlobFile(own)
	}
	built := ""
	err := o.step("", "build the agent for linux/"+arch, func() (err error) {
		built, err = crossBuild(ctx, own, arch)
		return err
	})
	if err == nil {
		return provision.BlobFile(built)
	}
	if fits && ctx.Err() == nil {
		if o.Log != nil {
			o.Log.Warn("the running program itself becomes the agent", "reason", err)
		}
		return provision.BlobFile(own)
	}
	return provision.Blob{}, fmt.Errorf("site: build the agent for linux/%s: %w", arch, err)
}

// reproducible tells whether a program was built as crossBuild builds.
func reproducible(file string) bool {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return false
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return set["-trimpath"] == "true" && set["CGO_ENABLED"] == "0" && set["vcs"] == "" &&
		f.Section(".symtab") == nil && f.Section(".note.go.buildid") == nil
}

// runsOn tells whether file is a Linux executable for the architecture.
func runsOn(file, arch string) bool {
	machine, known := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return known && f.Machine == machine && (f.OSABI == elf.ELFOSABI_NONE || f.OSABI == elf.ELFOSABI_LINUX)
}

// crossBuild builds the main package of a program for Linux, below the user's cache: with the program's own tags and
// linker flags, and without what differs from machine to machine.
func crossBuild(ctx context.Context, own, arch string) (string, error) {
	info, err := buildinfo.ReadFile(own)
	if err != nil || info.Path == "" || info.Path == "command-line-arguments" {
		return "", errors.New("the program does not know its package; run it by its package's path, such as go run ./examples/allinone")
	}
	sum, err := fileSum(own)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	out := filepath.Join(cache, "siteblocks", "agent", sum+"-linux-"+arch)
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return "", err
	}
	part := fmt.Sprintf("%s.%d", out, os.Getpid())
	args, ldflags := []string{"build", "-o", part, "-trimpath", "-buildvcs=false"}, "-s -w -buildid="
	for _, s := range info.Settings {
		switch s.Key {
		case "-tags":
			args = append(args, "-tags", s.Value)
		case "-ldflags":
			ldflags = s.Value + " " + ldflags
		}
	}
	args = append(args, "-ldflags", ldflags)
	cmd := exec.CommandContext(ctx, "go", append(args, info.Path)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", info.Path, err, text)
	}
	if err := os.Rename(part, out); err != nil {
		return "", err
	}
	forget(filepath.Dir(out))
	return out, nil
}

// keepAgents is how many built agents stay in the cache.
const keepAgents = 8

// forget removes all but the newest agents.
func forget(cache string) {
	all, _ := filepath.Glob(filepath.Join(cache, "*"))
	built := func(file string) int64 {
		info, err := os.Stat(file)
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(built(b), built(a)) })
	for _, old := range all[min(keepAgents, len(all)):] {
		_ = os.Remove(old)
	}
}

func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
