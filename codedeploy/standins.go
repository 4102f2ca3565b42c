package codedeploy

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// standIns tells by an error which parts of the source only stand for content that lies elsewhere.
func (p *packer) standIns() error {
	const checkedOut = "; deploy a working copy that has it, with an empty Revision, or name the path in Exclude"
	var errs []error
	empty := slices.DeleteFunc(p.modules, func(m string) bool {
		for name := range p.tree {
			if within(name, m) && name != m {
				return true
			}
		}
		return false
	})
	if len(empty) > 0 {
		errs = append(errs, fmt.Errorf("%s: Git submodule without its content: git submodule update --init --recursive fetches it%s", quoted(empty), checkedOut))
	}
	if len(p.pointers) > 0 {
		errs = append(errs, fmt.Errorf("%s: pointer of Git LFS without the file: git lfs pull fetches it%s", quoted(p.pointers), checkedOut))
	}
	if len(p.encrypted) > 0 {
		errs = append(errs, fmt.Errorf("%s: encrypted by git-crypt: git-crypt unlock decrypts it%s", quoted(p.encrypted), checkedOut))
	}
	return errors.Join(errs...)
}

// quoted names the first of many.
func quoted(names []string) string {
	const most = 10
	var q []string
	for _, n := range names[:min(len(names), most)] {
		q = append(q, fmt.Sprintf("%q", n))
	}
	if len(names) > most {
		q = append(q, fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(q, ", ")
}

// emptyModules notes the submodules that a .gitmodules file names. Of those that are there without a file, nothing was fetched.
func (p *packer) emptyModules(root *os.Root, name string) error {
	text, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(line, "=")
		module := path.Join(path.Dir(name), strings.Trim(strings.TrimSpace(value), `"`))
		if !found || strings.TrimSpace(key) != "path" || p.excludedWithParents(module) {
			continue
		}
		if info, err := root.Stat(module); err == nil && info.IsDir() {
			p.modules = append(p.modules, module)
		}
	}
	return nil
}

// Source: Git LFS' specification, docs/spec.md, and the two names that it had before.
var lfs = [][]byte{
	[]byte("version https://git-lfs.github.com/spec/"), []byte("version https://hawser.github.com/spec/"), []byte("version http://git-media.io/v/"),
}

// look reads the beginning of a file for what only stands for its content, and gives back the whole.
func (p *packer) look(h *tar.Header, content io.Reader) io.Reader {
	const longest = 1024 // of a pointer, in bytes
	whole := bufio.NewReaderSize(content, longest)
	start, _ := whole.Peek(int(min(h.Size, longest))) // an error comes again with the content
	isPointer := func(version []byte) bool {
		return bytes.HasPrefix(start, version) && bytes.Contains(start, []byte("\noid "))
	}
	switch {
	case h.Size < longest && slices.ContainsFunc(lfs, isPointer):
		p.pointers = append(p.pointers, h.Name)
	case bytes.HasPrefix(start, []byte("\x00GITCRYPT\x00")):
		p.encrypted = append(p.encrypted, h.Name)
	}
	return whole
}
