package codedeploy

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// revision packs a commit from Git's own objects. "git archive" would depend on who runs it where: it obeys attributes and
// settings from outside, and gives an empty folder for a submodule.
func (p *packer) revision(ctx context.Context) error {
	rev := p.src.Revision
	commit, err := p.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = errors.New("there is no such branch, tag or commit in that working copy")
	}
	if err != nil {
		return fmt.Errorf("revision %q: %w", rev, err)
	}
	p.commit = commit
	below, err := p.git(ctx, "rev-parse", "--show-prefix")
	if err != nil {
		return err
	}
	tree := p.commit + ":" + strings.TrimSuffix(below, "/")
	list, err := p.git(ctx, "ls-tree", "-r", "-t", "-z", "--full-tree", tree)
	if err != nil {
		return fmt.Errorf("revision %q: %w", rev, err)
	}
	var wanted []object
	for _, line := range strings.Split(strings.TrimSuffix(list, "\x00"), "\x00") {
		if line == "" {
			continue
		}
		o, err := parseObject(line)
		if err != nil {
			return err
		}
		if !p.excludedWithParents(o.name) {
			wanted = append(wanted, o)
		}
	}
	return p.objects(ctx, wanted)
}

// object is one line of git ls-tree.
type object struct{ mode, id, name string }

func parseObject(line string) (object, error) {
	about, name, _ := strings.Cut(line, "\t")
	f := strings.Fields(about)
	if len(f) != 3 || name == "" {
		return object{}, fmt.Errorf("git ls-tree said %q", line)
	}
	return object{f[0], f[2], name}, nil
}

// objects adds what the objects hold, in their order.
func (p *packer) objects(ctx context.Context, list []object) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var ids strings.Builder
	for _, o := range list {
		if o.isBlob() {
			ids.WriteString(o.id + "\n")
		}
	}
	cmd := p.command(ctx, "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(ids.String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { stop(); _ = cmd.Wait() }()
	blobs := bufio.NewReader(out)
	for _, o := range list {
		if err := p.addObject(o, blobs); err != nil {
			return err
		}
	}
	return nil
}

func (o object) isBlob() bool { return strings.HasPrefix(o.mode, "100") || o.mode == "120000" }

func (p *packer) addObject(o object, blobs *bufio.Reader) error {
	switch {
	case o.mode == "160000":
		p.modules = append(p.modules, o.name)
		return nil
	case o.mode == "040000":
		return p.add(&tar.Header{Typeflag: tar.TypeDir, Name: o.name}, nil)
	case !o.isBlob():
		return fmt.Errorf("%q has Git's mode %s, which is unknown", o.name, o.mode)
	}
	head, err := blobs.ReadString('\n')
	f := strings.Fields(head)
	if err != nil || len(f) != 3 || f[0] != o.id {
		return fmt.Errorf("%q cannot be read from Git: git cat-file said %q", o.name, strings.TrimSpace(head))
	}
	size, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return err
	}
	h, content := &tar.Header{Typeflag: tar.TypeReg, Name: o.name, Size: size}, &io.LimitedReader{R: blobs, N: size}
	switch o.mode {
	case "100755":
		h.Mode = 0o755
	case "120000":
		to, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, string(to), 0
	}
	if err := p.add(h, content); err != nil {
		return err
	}
	_, err = blobs.Discard(int(content.N) + 1) // the new line after it too
	return err
}

// command runs Git on the source's own repository, whatever one the environment names: within a hook there is another.
func (p *packer) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", p.src.Dir, "--no-replace-objects"}, args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "GIT_CONFIG_") || strings.HasPrefix(v, "GIT_EXEC_PATH=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	return cmd
}

// git is what Git says, without the new line at its end.
func (p *packer) git(ctx context.Context, args ...string) (string, error) {
	cmd := p.command(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
