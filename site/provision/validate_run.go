package provision

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

func (v *validation) config(c Config) {
	v.words("name", c.Name)
	v.text("check", c.Check)
	if c.Check == "" {
		v.bad("has no check")
	}
	at := v.at
	for _, f := range c.Files {
		v.at = fmt.Sprintf("%s: file %q", at, f.Path)
		v.file(f)
		if f.Check != "" {
			v.bad("has a check of its own, which is not used in a config")
		}
	}
	for _, l := range c.Links {
		v.at = fmt.Sprintf("%s: link %q", at, l.Path)
		v.link(l)
	}
	v.at = at
	for _, p := range c.Absent {
		v.path(p)
	}
	for _, d := range c.Owns {
		v.path(d)
		if strings.Count(d, "/") < 2 || vital[d] {
			v.bad("owns %q, which is not a directory to empty", d)
		}
	}
	for _, p := range c.Keep {
		v.path(p)
		if !slices.Contains(c.Owns, path.Dir(p)) {
			v.bad("keeps %q, which is in none of the directories that it owns", p)
		}
	}
}

func (v *validation) unit(u Unit) {
	if !unitName.MatchString(u.Name) || len(u.Name) > 255 {
		v.bad("is not the full name of a unit, such as \"apache2.service\"")
		return
	}
	template := strings.Contains(u.Name, "@.")
	if template && len(u.Instances) == 0 && u.State != UnitStopped {
		v.bad("is a template without instances; use UnitStopped to take all of them away")
	}
	if !template && len(u.Instances) > 0 {
		v.bad("has instances, but is not a template")
	}
	seen := map[string]bool{}
	for _, i := range u.Instances {
		if !instanceName.MatchString(i) || len(u.Name)+len(i) > 255 {
			v.bad("instance %q has other characters than letters, digits and :_.\\-", i)
		}
		if seen[i] {
			v.bad("instance %q is there twice", i)
		}
		seen[i] = true
	}
	switch u.State {
	case "", UnitRunning, UnitEnabled, UnitStopped, UnitMasked, UnitAsIs:
	default:
		v.bad("state %q is unknown", u.State)
	}
	v.text("check", u.Check)
	v.on("ReloadOn", u.ReloadOn)
	v.on("RestartOn", u.RestartOn)
}

func (v *validation) command(c Command) {
	v.words("name", c.Name)
	v.text("script", c.Script)
	v.text("Unless", c.Unless)
	v.text("OnlyIf", c.OnlyIf)
	if strings.TrimSpace(c.Script) == "" {
		v.bad("has no script")
	}
	if c.Unless == "" && len(c.OnChange) == 0 {
		v.bad("has neither Unless nor OnChange: it would run every time")
	}
	if c.User != "" {
		v.account("user", c.User)
	}
	if c.Timeout < 0 {
		v.bad("timeout %v is negative", c.Timeout)
	}
	v.on("OnChange", c.OnChange)
}

// on checks that each key names something that stands earlier in the list.
func (v *validation) on(field string, keys []string) {
	for _, key := range keys {
		if !matchesAny(key, v.keys) {
			v.bad("%s %q names nothing that an earlier step has", field, key)
		}
	}
}

func (v *validation) words(what, s string) {
	if s == "" || len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.bad("%s %q is empty, too long or has control characters", what, s)
	}
}

func (v *validation) text(what, s string) {
	if strings.Contains(s, "\x00") {
		v.bad("%s has a NUL character", what)
	}
}

// matches says whether the key of a change is meant by a key of ReloadOn, RestartOn or OnChange.
func matches(on, key string) bool {
	return on == key || strings.HasSuffix(on, "/") && strings.HasPrefix(key, on)
}

func matchesAny(on string, keys []string) bool {
	for _, key := range keys {
		if matches(on, key) {
			return true
		}
	}
	return false
}
