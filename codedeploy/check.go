package codedeploy

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Check reads a gzipped tarball to its end and refuses one that could write outside the folder that it is unpacked in, or lead
// there: absolute paths, "..", symbolic links that lead out as the kernel follows them, by way of others too, entries beneath a
// link, names with control characters, setuid, setgid and sticky bits, and everything that is neither file, folder nor
// symbolic link.
//
// It refuses what one tar reads otherwise than another. Of a POSIX header's records it takes path, linkpath, times, owners and
// comments, not those of GNU tar (sparse files), libarchive or star; of global headers one at the beginning with a comment, as
// git archive writes it; of files none of 8 GiB and more.
//
// Linked are the paths that will lead to shared data once the release is installed (see Target). A link may lead into one of
// them, but not through it and back out, and none of them may lie beneath a link or a file of the tarball.
func Check(r io.Reader, linked ...string) error {
	fail := func(err error) error { return fmt.Errorf("codedeploy: check tarball: %w", err) }
	zip, err := gzip.NewReader(r)
	if err != nil {
		return fail(err)
	}
	raw := &strict{r: zip}
	archive, found := tar.NewReader(raw), tree{}
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = found.add(h)
		}
		if err != nil {
			return fail(err)
		}
	}
	if err := found.check(linked); err != nil {
		return fail(err)
	}
	if _, err = io.Copy(io.Discard, raw); err != nil { // what follows the archive's end still has to be sound gzip
		return fail(err)
	}
	return nil
}

// tree is what a tarball holds, by path. Folders that it only implies are in it too.
type tree map[string]entry

type entry struct {
	kind byte   // tar.TypeReg, tar.TypeDir or tar.TypeSymlink
	to   string // of a link
}

var kinds = map[byte]string{
	tar.TypeReg: "file", tar.TypeDir: "folder", tar.TypeSymlink: "link",
	tar.TypeLink: "hard link", tar.TypeChar: "device", tar.TypeBlock: "device", tar.TypeFifo: "named pipe",
}

func (t tree) add(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return checkGlobal(h)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	if name == "" && h.Typeflag == tar.TypeDir {
		name = "."
	}
	if err := errors.Join(checkEntry(h, name), checkRecords(h, name)); err != nil || name == "." {
		return err
	}
	for p := path.Dir(name); p != "."; p = path.Dir(p) {
		if above, there := t[p]; there && above.kind != tar.TypeDir {
			return fmt.Errorf("%q lies beneath the %s %q", name, kinds[above.kind], p)
		}
		t[p] = entry{kind: tar.TypeDir}
	}
	if old, there := t[name]; there && (old.kind != h.Typeflag || h.Typeflag == tar.TypeSymlink) {
		return fmt.Errorf("%q is there twice, as %s and as %s", name, kinds[old.kind], kinds[h.Typeflag])
	}
	t[name] = entry{h.Typeflag, h.Linkname}
	return nil
}

// checkGlobal refuses what a tar that honours global headers would apply to the entries after it, unlike package tar.
func checkGlobal(h *tar.Header) error {
	if len(h.PAXRecords) == 0 { // so package tar leaves them too where it cannot read one of them
		return errors.New("its global header has no records that can be read")
	}
	for key := range h.PAXRecords {
		if key != "comment" {
			return fmt.Errorf("its global header sets %q for all entries", key)
		}
	}
	return nil
}

// records are those of POSIX that every tar reads alike. Not hdrcharset, which GNU tar passes over; not size, which tells where
// the next header is: see strict.
var records = []string{"path", "linkpath", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"}

// checkRecords refuses what package tar passes over and another tar obeys, such as GNU.sparse.name, which is a name.
func checkRecords(h *tar.Header, name string) error {
	for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if !slices.Contains(records, key) {
			return fmt.Errorf("%q has the record %q, which not every tar reads alike", name, key)
		}
		if h.PAXRecords[key] == "" && key != "comment" { // GNU tar takes the empty value, package tar what is in the header
			return fmt.Errorf("%q has an empty record %q", name, key)
		}
	}
	return nil
}

func checkEntry(h *tar.Header, name string) error {
	switch {
	case !utf8.ValidString(h.Name):
		return fmt.Errorf("%q is not a name in UTF-8", name)
	case hasControl(h.Name):
		return fmt.Errorf("%q has a control character in its name", name)
	case !fs.ValidPath(name) || name == "." && h.Typeflag != tar.TypeDir:
		return fmt.Errorf("%q is not a path within the application", h.Name)
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeSymlink:
		if what, known := kinds[h.Typeflag]; known {
			return fmt.Errorf("%q is a %s: neither file, folder nor symbolic link", name, what)
		}
		return fmt.Errorf("%q is neither file, folder nor symbolic link", name)
	case h.Format == tar.FormatUnknown: // as read: it has extensions of two formats, of which another tar may obey the other
		return fmt.Errorf("%q mixes two formats of tar", name)
	case h.Typeflag != tar.TypeReg && h.Size != 0: // of which one tar passes over what follows, and another reads it
		return fmt.Errorf("%q is a %s with a content of %d bytes", name, kinds[h.Typeflag], h.Size)
	case h.Typeflag == tar.TypeReg && strings.HasSuffix(h.Name, "/"):
		return fmt.Errorf("%q is a file with the name of a folder", h.Name)
	case h.Mode&^0o777 != 0 && h.Typeflag != tar.TypeSymlink:
		return fmt.Errorf("%q has mode %#o: a setuid, setgid or sticky bit is set", name, h.Mode)
	case h.Typeflag == tar.TypeSymlink && (h.Linkname == "" || hasControl(h.Linkname) || strings.Contains(h.Linkname, `\`) || !utf8.ValidString(h.Linkname)):
		return fmt.Errorf("link %q to %q: not a path that can be followed", name, h.Linkname)
	}
	return nil
}

// check looks at the tree as a whole, with the linked paths in their places.
func (t tree) check(linked []string) error {
	replaced := map[string]bool{}
	for _, l := range linked {
		for p := path.Dir(l); p != "."; p = path.Dir(p) {
			if above, there := t[p]; there && above.kind != tar.TypeDir {
				return fmt.Errorf("linked path %q lies beneath %q, which is a %s in the release", l, p, kinds[above.kind])
			}
		}
		replaced[l] = true
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if t[name].kind != tar.TypeSymlink {
			continue
		}
		if err := t.follow(name, replaced); err != nil {
			return fmt.Errorf("link %q to %q %w", name, t[name].to, err)
		}
	}
	return nil
}

var (
	errLeadsOut = errors.New("leads out of the application")
	errCircle   = errors.New("leads in a circle, or through more than 40 other links")
)

const maxLinks = 40 // that the kernel follows in one path; Source: path_resolution(7)

// follow goes where the kernel would go for a link. What is not there is taken for a folder: a build may make one.
func (t tree) follow(name string, replaced map[string]bool) error {
	at, todo, links := path.Dir(name), strings.Split(t[name].to, "/"), 1
	if path.IsAbs(t[name].to) {
		return errLeadsOut
	}
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return errLeadsOut
			}
			at = path.Dir(at)
			continue
		}
		at = path.Join(at, part)
		if replaced[at] {
			return staysBelow(todo)
		}
		if next := t[at]; next.kind == tar.TypeSymlink {
			if links++; links > maxLinks {
				return errCircle
			}
			if path.IsAbs(next.to) {
				return errLeadsOut
			}
			at, todo = path.Dir(at), append(strings.Split(next.to, "/"), todo...)
		}
	}
	return nil
}

// staysBelow follows the rest of a path from a linked path on: ".." leads out of what is shared, not back into the release.
func staysBelow(parts []string) error {
	depth := 0
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return errLeadsOut
			}
		default:
			depth++
		}
	}
	return nil
}
