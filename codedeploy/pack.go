package codedeploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Source says what to pack.
type Source struct {
	Dir string // the application's folder; with Revision, a folder within a Git working copy

	// Revision is a branch, tag or commit. Empty packs the folder as it lies there.
	Revision string

	// Exclude are patterns of path.Match against the path from Dir, such as "doc" or "config/*.key", beside
	// .git (anywhere), tmp, log, node_modules, public/cache and public/system.
	Exclude []string
}

// Packed says what Pack wrote.
type Packed struct {
	Revision string // the full commit; for a folder "folder-" and the start of the content's SHA-256
	SHA256   string
	Size     int64
	Files    int
}

var alwaysExcluded = []string{"tmp", "log", "node_modules", "public/cache", "public/system"}

// Pack writes the source as a gzipped tarball. Equal contents give equal bytes: times and owners are left out, and of the modes
// only who may execute. It refuses what Check refuses.
func Pack(ctx context.Context, w io.Writer, src Source) (Packed, error) {
	fail := func(err error) (Packed, error) {
		return Packed{}, fmt.Errorf("codedeploy: pack %q: %w", src.Dir, err)
	}
	for _, p := range src.Exclude {
		if _, err := path.Match(p, ""); err != nil {
			return fail(fmt.Errorf("exclude %q: %w", p, err))
		}
	}
	hash, count := sha256.New(), &counter{}
	zip := gzip.NewWriter(io.MultiWriter(w, hash, count))
	p := &packer{tar: tar.NewWriter(zip), tree: tree{}, src: src}
	pack := p.folder
	if src.Revision != "" {
		pack = p.revision
	}
	if err := errors.Join(pack(ctx), ctx.Err()); err != nil {
		return fail(err)
	}
	if err := p.tree.check(nil); err != nil {
		return fail(err)
	}
	if p.files == 0 {
		return fail(errors.New("it is empty"))
	}
	if err := errors.Join(p.tar.Close(), zip.Close()); err != nil {
		return fail(err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if p.commit == "" {
		p.commit = "folder-" + sum[:12]
	}
	return Packed{Revision: p.commit, SHA256: sum, Size: count.n, Files: p.files}, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

type packer struct {
	tar    *tar.Writer
	src    Source
	tree   tree
	files  int
	commit string
}

func (p *packer) folder(ctx context.Context) error {
	root, err := os.OpenRoot(p.src.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case name == ".":
			return nil
		case p.excluded(name) && d.IsDir():
			return fs.SkipDir
		case p.excluded(name):
			return nil
		}
		return p.addFile(root, name)
	})
}

func (p *packer) addFile(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = root.Readlink(name); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, filepath.ToSlash(link))
	if err != nil {
		return err
	}
	h.Name = name
	if !info.Mode().IsRegular() {
		return p.add(h, nil)
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.add(h, f)
}

func (p *packer) revision(ctx context.Context) error {
	commit, err := p.git(ctx, "rev-parse", "--verify", "--end-of-options", p.src.Revision+"^{commit}")
	if err != nil {
		return fmt.Errorf("revision %q: %w", p.src.Revision, err)
	}
	p.commit = strings.TrimSpace(string(commit))
	archive, err := p.git(ctx, "archive", "--format=tar", p.commit)
	if err != nil {
		return fmt.Errorf("revision %q: %w", p.src.Revision, err)
	}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(h.Name, "/")
		if h.Typeflag == tar.TypeXGlobalHeader || p.excludedWithParents(name) {
			continue
		}
		h.Name = name
		if err := p.add(h, r); err != nil {
			return err
		}
	}
}

func (p *packer) git(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", p.src.Dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func (p *packer) excludedWithParents(name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if p.excluded(name) {
			return true
		}
	}
	return false
}

func (p *packer) excluded(name string) bool {
	if path.Base(name) == ".git" {
		return true
	}
	for _, patterns := range [][]string{alwaysExcluded, p.src.Exclude} {
		for _, pattern := range patterns {
			if ok, _ := path.Match(strings.TrimSuffix(pattern, "/"), name); ok {
				return true
			}
		}
	}
	return false
}

// add writes one entry without what differs from one machine to the next.
func (p *packer) add(h *tar.Header, content io.Reader) error {
	plain := &tar.Header{Typeflag: h.Typeflag, Name: h.Name, Linkname: h.Linkname, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	switch h.Typeflag {
	case tar.TypeDir:
		plain.Name += "/"
	case tar.TypeReg:
		plain.Size = h.Size
		p.files++
	}
	if h.Mode&0o111 != 0 || h.Typeflag != tar.TypeReg {
		plain.Mode = 0o755
	}
	if err := p.tree.add(plain); err != nil {
		return err
	}
	if err := p.tar.WriteHeader(plain); err != nil {
		return err
	}
	if plain.Size == 0 {
		return nil
	}
	if _, err := io.CopyN(p.tar, content, plain.Size); err != nil {
		return fmt.Errorf("%q changed while it was read: %w", h.Name, err)
	}
	return nil
}
