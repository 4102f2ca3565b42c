package codedeploy

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Check reads a gzipped tarball to its end and refuses one that could write outside the folder that it is unpacked in: absolute
// paths, "..", links that lead out, entries beneath a link, and everything that is neither file, folder nor symbolic link.
func Check(r io.Reader) error {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("codedeploy: check tarball: %w", err)
	}
	archive, rules := tar.NewReader(zip), entryRules{}
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, zip) // what follows the archive's end still has to be sound gzip
			return err
		}
		if err == nil && h.Typeflag != tar.TypeXGlobalHeader {
			err = rules.check(h)
		}
		if err != nil {
			return fmt.Errorf("codedeploy: check tarball: %w", err)
		}
	}
}

// entryRules remembers the links seen, since an entry beneath one would be written where the link points.
type entryRules struct{ links map[string]bool }

func (e *entryRules) check(h *tar.Header) error {
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	if name == "" && h.Typeflag == tar.TypeDir {
		return nil
	}
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\x00\n\r") {
		return fmt.Errorf("%q is not a path within the application", h.Name)
	}
	for p := name; p != "."; p = path.Dir(p) {
		if e.links[p] {
			return fmt.Errorf("%q lies beneath or replaces the link %q", name, p)
		}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
		return nil
	case tar.TypeSymlink:
		return e.checkLink(name, h.Linkname)
	}
	return fmt.Errorf("%q is neither file, folder nor symbolic link", name)
}

func (e *entryRules) checkLink(name, to string) error {
	depth := strings.Count(name, "/")
	if to == "" || path.IsAbs(to) || strings.ContainsAny(to, "\x00\n\r\\") {
		return fmt.Errorf("link %q to %q leads out of the application", name, to)
	}
	for _, part := range strings.Split(to, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return fmt.Errorf("link %q to %q leads out of the application", name, to)
		}
	}
	if e.links == nil {
		e.links = map[string]bool{}
	}
	e.links[name] = true
	return nil
}
