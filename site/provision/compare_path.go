package provision

import (
	"fmt"
	"strconv"
	"strings"
)

var typeWords = map[string]string{"f": "a file", "d": "a directory", "l": "a link"}

func typeWord(letter string) string {
	if word := typeWords[letter]; word != "" {
		return word
	}
	return "something else"
}

// accessDiff says how owner, group and mode differ; empty where they do not.
func accessDiff(have PathFact, owner, group string, mode uint32) string {
	detail := ""
	if owner != have.Owner && owner != have.UID || group != have.Group && group != have.GID {
		detail = fmt.Sprintf("owner %s:%s → %s:%s", have.Owner, have.Group, owner, group)
	}
	if mode != have.Mode {
		detail = join(detail, fmt.Sprintf("mode %04o → %04o", have.Mode, mode))
	}
	return detail
}

func (c *comparison) dir(d Dir) item {
	owner, group, mode := d.access()
	it := item{
		Change: Change{Action: "create", Detail: fmt.Sprintf("%04o %s:%s", mode, owner, group)}, keys: d.keys(),
		ops: []op{{function: "dir_put", args: []string{d.Path, owner, group, octal(mode)}}},
	}
	have, exists := c.facts.Paths[d.Path]
	switch {
	case !exists:
		it.differs = true
	case have.Type != "d":
		it.Detail = "will fail: there is " + typeWord(have.Type) + " in its place"
		it.differs = true
	default:
		it.Action = "update"
		it.Detail = accessDiff(have, owner, group, mode)
		it.differs = it.Detail != ""
	}
	return it
}

func (c *comparison) file(f File) item {
	owner, group, mode := f.access()
	have, exists := c.facts.Paths[f.Path]
	it := item{keys: f.keys(), ops: []op{f.put()}}
	switch {
	case !exists || have.Type != "f":
		it.differs, it.Action = true, "create"
		it.Detail = join(f.sizeWords(), fmt.Sprintf("%04o %s:%s", mode, owner, group))
		if exists {
			it.Detail = join(it.Detail, "in place of "+typeWord(have.Type))
		}
		it.Diff = f.diff(nil)
	case have.SHA256 != f.sum():
		it.differs, it.Action = true, "update"
		it.Detail = join(f.changeWords(have), accessDiff(have, owner, group, mode))
		it.Diff = f.diff(&have)
	default:
		it.Action = "update"
		it.Detail = accessDiff(have, owner, group, mode)
		it.differs = it.Detail != ""
		if f.isBlob() { // it is large, and there already
			it.ops = []op{{function: "file_access", args: []string{f.Path, owner, group, octal(mode), f.sum()}}}
		}
	}
	return it
}

// diff shows how the content comes about from what is there, nil where nothing is. It is empty where it may not be shown.
func (f File) diff(have *PathFact) string {
	switch {
	case !f.showable() || !printable(f.Content) || have != nil && !have.HasText:
		return ""
	case f.Secret != "" && have != nil:
		before, after := string(have.Hidden), string(f.Secret)
		return withoutValues(unifiedDiff(f.Path, &before, &after))
	case f.Secret != "":
		return ""
	case have == nil:
		return unifiedDiff(f.Path, nil, &f.Content)
	}
	return unifiedDiff(f.Path, &have.Content, &f.Content)
}

func (f File) sizeWords() string {
	if f.Secret != "" {
		return "secret"
	}
	return byteSize(f.size())
}

func (f File) changeWords(have PathFact) string {
	switch {
	case f.Secret != "":
		return "secret changed"
	case f.showable() && have.HasText && printable(f.Content):
		return ""
	}
	return byteSize(have.Size) + " → " + byteSize(f.size())
}

// put is the call that puts the file in place.
func (f File) put() op {
	owner, group, mode := f.access()
	return op{
		function: "file_put", args: []string{f.Path, owner, group, octal(mode), f.Check},
		payload: &payload{base: base(f.Path), text: f.Content + string(f.Secret), secret: f.Secret != "", blob: f.Blob},
	}
}

func (c *comparison) link(l Link) item {
	it := item{
		Change: Change{Action: "create", Detail: "→ " + plain(l.Target)}, keys: l.keys(),
		ops: []op{{function: "link_put", args: []string{l.Path, l.Target}}},
	}
	have, exists := c.facts.Paths[l.Path]
	switch {
	case !exists:
		it.differs = true
	case have.Type != "l":
		it.differs = true
		it.Detail += ", in place of " + typeWord(have.Type)
	case have.Target != l.Target:
		it.differs, it.Action = true, "update"
		it.Detail = plain(have.Target) + " → " + plain(l.Target)
	}
	return it
}

func (c *comparison) absent(a Absent) item {
	tree := ""
	if a.Tree {
		tree = "tree"
	}
	it := item{
		Change: Change{Action: "remove"}, keys: a.keys(),
		ops: []op{{function: "absent", args: []string{a.Path, tree}}},
	}
	if have, exists := c.facts.Paths[a.Path]; exists {
		it.differs = true
		it.Detail = typeWord(have.Type)
	}
	return it
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// plain returns s, quoted where it would disturb a terminal.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r != '\t' && !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}
