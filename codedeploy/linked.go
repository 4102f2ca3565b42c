package codedeploy

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// reserved are the names at the top of a release that Install itself writes, as Capistrano does.
var reserved = []string{"REVISION", "REVISION_TIME"}

// linked are the paths that a release shares with the others.
func (t Target) linked() []string { return slices.Concat(t.LinkedDirs, t.LinkedFiles) }

// linkedMistakes says of every linked path why it cannot be linked. Two of which one lies within the other cannot: to put
// the inner link into place would remove shared data through the outer one.
func linkedMistakes(linked []string) (mistakes []string) {
	for i, name := range linked {
		clean := path.Clean(name)
		switch {
		case !fs.ValidPath(name) || name == "." || hasControl(name):
			mistakes = append(mistakes, fmt.Sprintf("linked path %q is not a clean path within the application, such as \"public/system\"", name))
		case slices.ContainsFunc(reserved, func(r string) bool { return within(name, r) }):
			mistakes = append(mistakes, fmt.Sprintf("linked path %q is reserved: Install itself writes it", name))
		}
		for _, other := range linked[:i] {
			switch other = path.Clean(other); {
			case other == clean:
				mistakes = append(mistakes, fmt.Sprintf("linked path %q is there twice", name))
			case within(clean, other):
				mistakes = append(mistakes, fmt.Sprintf("linked path %q lies within linked path %q; link only one of them", clean, other))
			case within(other, clean):
				mistakes = append(mistakes, fmt.Sprintf("linked path %q lies within linked path %q; link only one of them", other, clean))
			}
		}
	}
	return mistakes
}

// within tells whether a clean path is dir or lies beneath it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
