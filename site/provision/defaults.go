package provision

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the zero values mean.

func access(owner, group string, mode, zero uint32) (string, string, uint32) {
	owner = cmp.Or(owner, "root")
	return owner, cmp.Or(group, owner), cmp.Or(mode, zero)
}

func (d Dir) access() (string, string, uint32) { return access(d.Owner, d.Group, d.Mode, 0o755) }

func (f File) access() (string, string, uint32) {
	if f.Secret != "" {
		return access(f.Owner, f.Group, f.Mode, 0o600)
	}
	return access(f.Owner, f.Group, f.Mode, 0o644)
}

func octal(mode uint32) string { return strconv.FormatUint(uint64(mode), 8) }

func (f File) isBlob() bool { return f.Blob.Open != nil }

// showable says whether the plan may show the content, or the keys of a secret one.
func (f File) showable() bool {
	return (f.Secret == "" || f.SecretKeys) && !f.isBlob() && f.size() <= maxText
}

func (f File) size() int64 {
	if f.isBlob() {
		return f.Blob.Size
	}
	return int64(len(f.Content) + len(f.Secret))
}

func (f File) sum() string {
	if f.isBlob() {
		return f.Blob.SHA256
	}
	sum := sha256.Sum256([]byte(f.Content + string(f.Secret)))
	return hex.EncodeToString(sum[:])
}

func (u User) withDefaults() User {
	u.Group = cmp.Or(u.Group, u.Name)
	u.Home = cmp.Or(u.Home, "/nonexistent")
	u.Shell = cmp.Or(u.Shell, "/usr/sbin/nologin")
	return u
}

func (u Unit) state() UnitState { return cmp.Or(u.State, UnitRunning) }

// names are the full names of the units that are meant.
func (u Unit) names() []string {
	prefix, suffix, template := strings.Cut(u.Name, "@.")
	if !template {
		return []string{u.Name}
	}
	names := make([]string, len(u.Instances))
	for i, instance := range u.Instances {
		names[i] = prefix + "@" + instance + "." + suffix
	}
	return names
}

func (u Unit) reloadDebt() string  { return "reload:" + u.Name }
func (u Unit) restartDebt() string { return "restart:" + u.Name }

func (c Command) user() string           { return cmp.Or(c.User, "root") }
func (c Command) timeout() time.Duration { return cmp.Or(c.Timeout, 10*time.Minute) }
func (c Command) debt() string           { return "command:" + c.Name }

// debt is what a step owes when one of some keys changes: a reload, a restart or a run of a command.
type debt struct {
	name string
	on   []string
}

func debts(step Step) []debt {
	switch s := step.(type) {
	case Unit:
		return []debt{{s.reloadDebt(), s.ReloadOn}, {s.restartDebt(), s.RestartOn}}
	case Command:
		return []debt{{s.debt(), s.OnChange}}
	}
	return nil
}

// debtFile is the name of the file on the host by which a debt is remembered.
func debtFile(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// debtNames returns the names of all debts that a state knows, by file.
func debtNames(state State) map[string]string {
	names := map[string]string{}
	for _, step := range state.Steps {
		for _, d := range debts(step) {
			names[debtFile(d.name)] = d.name
		}
	}
	return names
}

// secretPaths are the paths of the files that are secret.
func secretPaths(state State) map[string]bool {
	paths := map[string]bool{}
	add := func(f File) { paths[f.Path] = f.Secret != "" }
	for _, step := range state.Steps {
		switch s := step.(type) {
		case File:
			add(s)
		case Config:
			for _, f := range s.Files {
				add(f)
			}
		}
	}
	return paths
}

func (d debt) owedFor(keys []string) bool {
	return slices.ContainsFunc(d.on, func(on string) bool { return matchesAny(on, keys) })
}

// byteSize prints a number of bytes for people: "41.9 MB".
func byteSize(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 10e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}
