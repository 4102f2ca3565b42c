package s3backup

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

//go:embed sandbox.sh
var sandboxScript string

// sandbox is where a scratch server runs: as a user of its own, who owns its directory and nothing else. closed says that
// it sees no other directory either, besides the programs, and no network.
type sandbox struct {
	dir      string
	uid, gid uint32
	home     string // of the server's program
	memory   int64  // bytes of address space
	root     bool   // this program is root, and so may choose
	closed   bool
}

// newSandbox gives the directory to the user, and finds out what the machine allows.
func newSandbox(ctx context.Context, dir, name, program string, memory int64) (sandbox, error) {
	// A row may be of a gigabyte, and is there several times while it is read.
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	b := sandbox{dir: dir, home: filepath.Dir(filepath.Dir(program)), memory: memory + 8<<30, root: os.Geteuid() == 0}
	if !b.root {
		return b, nil
	}
	var err error
	if b.uid, b.gid, err = userFor(name); err != nil {
		return b, err
	}
	if err := os.Chown(dir, int(b.uid), int(b.gid)); err != nil {
		return b, err
	}
	b.closed = true
	probe := b.command(ctx, "true")
	if output, err := probe.CombinedOutput(); err != nil {
		b.closed = false
		return b, fmt.Errorf("%w: %w: %s", errOpen, err, bytes.TrimSpace(output))
	}
	return b, nil
}

// errOpen is not the end of it: the user is still one of its own.
var errOpen = errors.New("the machine does not let a process be shut in")

// command prepares a program to run in the sandbox. It is the process itself that runs, with nothing between.
func (b sandbox) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	words := append([]string{program}, arguments...)
	uid := strconv.Itoa(int(b.uid))
	if b.closed {
		words = append([]string{"unshare", "--mount", "--net", "--ipc", "--", "sh", "-c", sandboxScript, "sandbox", b.dir, uid,
			strconv.FormatInt(b.memory>>10, 10), b.home}, words...)
	}
	words = append([]string{"nice", "-n", "19"}, words...)
	if _, err := exec.LookPath("ionice"); err == nil {
		words = append([]string{"ionice", "-c", "3"}, words...)
	}
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Dir = b.dir
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR=" + b.dir, "LC_ALL=C"}
	if b.root && !b.closed {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: b.uid, Gid: b.gid}}
	}
	return command
}

// userFor looks a user up, or chooses one that nobody is: of the range that systemd gives to services for the time that
// they run. Source: systemd's UIDS-GIDS.md.
func userFor(name string) (uid, gid uint32, err error) {
	if name != "" {
		return lookUp(name)
	}
	for range 100 {
		n := 61184 + rand.IntN(65519-61184+1)
		_, err := user.LookupId(strconv.Itoa(n))
		_, taken := os.Lstat(fmt.Sprintf("/run/systemd/dynamic-uid/%d", n))
		if err != nil && taken != nil {
			return uint32(n), uint32(n), nil
		}
	}
	return 0, 0, errors.New("no number of a user is free")
}

func lookUp(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	group, groupErr := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), errors.Join(err, groupErr)
}
