package codedeploy

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Source says what to pack.
type Source struct {
	Dir string // the application's folder; with Revision, a folder within a Git working copy

	// Revision is a branch, tag or commit. Empty packs the folder as it lies there. The files' bytes are those that were
	// committed: no setting and no attribute of Git changes or leaves out any (line ends, filters, export-ignore).
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
// only who may execute. It refuses what Check refuses, and what would arrive without its content: submodules, pointers of
// Git LFS, files that git-crypt has encrypted.
func Pack(ctx context.Context, w io.Writer, src Source) (Packed, error) {
	fail := func(err error) (Packed, error) {
		return Packed{}, fmt.Errorf("codedeploy: pack %q: %w", src.Dir, err)
	}
	if src.Dir == "" {
		return fail(errors.New("no folder is named"))
	}
	for _, p := range src.Exclude {
		if _, err := path.Match(p, ""); err != nil {
			return fail(fmt.Errorf("exclude %q: %w", p, err))
		}
	}
	hash, count := sha256.New(), &counter{}
	zip := gzip.NewWriter(io.MultiWriter(w, hash, count))
	p := &packer{tar: tar.NewWriter(zip), src: src, tree: tree{}}
	pack := p.folder
	if src.Revision != "" {
		pack = p.revision
	}
	if err := errors.Join(pack(ctx), ctx.Err()); err != nil {
		return fail(err)
	}
	if err := errors.Join(p.tree.check(nil), p.standIns()); err != nil {
		return fail(err)
	}
	if p.files == 0 {
		return fail(errors.New("it is empty: no file lies there that is not excluded"))
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

	modules, pointers, encrypted []string // paths of what may only stand for content that is elsewhere
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
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm())}
	switch info.Mode().Type() {
	case 0:
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
	case fs.ModeDir:
		h.Typeflag = tar.TypeDir
		return p.add(h, nil)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = root.Readlink(name); err != nil {
			return err
		}
		h.Linkname = filepath.ToSlash(h.Linkname)
		return p.add(h, nil)
	default:
		return fmt.Errorf("%q is a device, named pipe or socket: remove it, or name it in Exclude", name)
	}
	if path.Base(name) == ".gitmodules" {
		if err := p.emptyModules(root, name); err != nil {
			return err
		}
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.add(h, f)
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
	content = p.look(plain, content)
	if _, err := io.CopyN(p.tar, content, plain.Size); err != nil {
		return fmt.Errorf("%q changed while it was read: %w", h.Name, err)
	}
	return nil
}
