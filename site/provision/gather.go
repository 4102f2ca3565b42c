package provision

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

//go:embed facts.sh
var factsFunctions string

//go:embed as.sh
var asFunction string

const (
	journalRoot     = "/var/lib/siteblocks/provision/journal/root"
	maxText         = 64 << 10 // of a file that is shown as a diff
	defaultLockWait = 3 * time.Minute
)

// Gather finds out, by one script, what of the state the host has. It changes nothing on the host. It waits for a
// run that is changing the host, for at most 3 minutes, and returns ErrLocked then. An invalid state is not asked for.
func Gather(ctx context.Context, host sshx.Host, state State) (Facts, error) {
	return gather(ctx, host, state, defaultLockWait)
}

func gather(ctx context.Context, host sshx.Host, state State, wait time.Duration) (Facts, error) {
	if err := state.Validate(); err != nil {
		return Facts{}, err
	}
	var out, errout bytes.Buffer
	script := sshx.Script{Text: factsScript(state, wait), Root: true, Stdout: &out, Stderr: &errout}
	if err := host.Run(ctx, script); err != nil {
		return Facts{}, fmt.Errorf("provision: gather facts: %w", err)
	}
	facts, err := parseFacts(out.Bytes(), state)
	if err != nil && !errors.Is(err, ErrLocked) {
		err = fmt.Errorf("%w; the host said: %s", err, strings.TrimSpace(errout.String()))
	}
	return facts, err
}

// wanted are the names that a state asks facts for, in order.
type wanted struct {
	paths, files, texts     []string // texts: sum and path in turn
	packages, users, groups []string
	units, templates        []string
	owned                   []string
	guards                  [][4]string // name, user, unless, only if
}

func (w *wanted) file(f File) {
	w.paths = append(w.paths, f.Path)
	w.files = append(w.files, f.Path)
	if f.showable() {
		w.texts = append(w.texts, f.sum(), f.Path)
	}
}

func (w *wanted) step(step Step) {
	switch s := step.(type) {
	case Group:
		w.groups = append(w.groups, s.Name)
	case User:
		w.users = append(w.users, s.Name)
	case Packages:
		w.packages = append(w.packages, s.Names...)
	case Dir:
		w.paths = append(w.paths, s.Path)
	case File:
		w.file(s)
	case Config:
		for _, f := range s.Files {
			w.file(f)
		}
		for _, l := range s.Links {
			w.paths = append(w.paths, l.Path)
		}
		w.paths = append(w.paths, s.Absent...)
		w.owned = append(w.owned, s.Owns...)
	case Link:
		w.paths = append(w.paths, s.Path)
	case Absent:
		w.paths = append(w.paths, s.Path)
	case Unit:
		w.units = append(w.units, s.names()...)
		if strings.Contains(s.Name, "@.") {
			w.templates = append(w.templates, s.Name)
		}
	case Command:
		if s.Unless != "" || s.OnlyIf != "" {
			w.guards = append(w.guards, [4]string{s.Name, s.user(), s.Unless, s.OnlyIf})
		}
	}
}

func factsScript(state State, wait time.Duration) string {
	var w wanted
	for _, step := range state.Steps {
		w.step(step)
	}
	var b strings.Builder
	b.WriteString(factsFunctions)
	b.WriteString(asFunction)
	b.WriteString("\n")
	call(&b, "lock", seconds(wait))
	call(&b, "system")
	for _, list := range []struct {
		function string
		args     []string
	}{
		{"paths", w.paths}, {"sums", w.files}, {"texts", w.texts}, {"packages", w.packages},
		{"users", w.users}, {"groups", w.groups}, {"units", w.units}, {"entries", w.owned},
	} {
		if len(list.args) > 0 {
			call(&b, list.function, list.args...)
		}
	}
	for _, t := range w.templates {
		call(&b, "instances", t)
	}
	for _, g := range w.guards {
		call(&b, "guard", g[:]...)
	}
	b.WriteString("emit end\n")
	return b.String()
}

// call appends a call of a shell function; it is the only way by which a value enters a script.
func call(b *strings.Builder, function string, args ...string) {
	b.WriteString(function)
	for _, a := range args {
		b.WriteByte(' ')
		b.WriteString(sshx.Quote(a))
	}
	b.WriteByte('\n')
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// factFields is the number of tokens after each tag.
var factFields = map[string]int{
	"locked": 1, "os": 4, "generation": 1, "interrupted": 1, "leftover": 1, "owed": 1, "free": 2, "path": 9, "sums": 1,
	"text": 2, "package": 2, "policy": 1, "user": 4, "group": 1, "unit": 2, "instances": 2, "guard": 4, "end": 0,
}

func parseFacts(out []byte, state State) (Facts, error) {
	f := Facts{
		Paths: map[string]PathFact{}, Packages: map[string]string{}, Candidates: map[string]bool{},
		Users: map[string]UserFact{}, Groups: map[string]bool{}, Units: map[string]UnitFact{},
		Instances: map[string][]string{}, Guards: map[string]GuardFact{}, Free: map[string]int64{}, Owed: map[string]bool{},
	}
	tokens := strings.Split(string(out), "\x00")
	debts, hidden := debtNames(state), secretPaths(state)
	for len(tokens) > 0 {
		tag := tokens[0]
		n, known := factFields[tag]
		if !known || len(tokens) <= n+1 {
			return Facts{}, fmt.Errorf("provision: gather facts: answer ends at %.40q", tag)
		}
		fields := tokens[1 : n+1]
		tokens = tokens[n+1:]
		switch tag {
		case "end":
			return f, nil
		case "locked":
			return Facts{}, fmt.Errorf("provision: gather facts: %w (%s)", ErrLocked, fields[0])
		case "owed":
			if name := debts[fields[0]]; name != "" {
				f.Owed[name] = true
			}
		default:
			f.record(tag, fields, hidden)
		}
	}
	return Facts{}, errors.New("provision: gather facts: the answer has no end")
}

func (f *Facts) record(tag string, v []string, hidden map[string]bool) {
	switch tag {
	case "os":
		f.OS = OS{ID: v[0], Version: v[1], Codename: v[2], Arch: v[3]}
	case "generation":
		f.Generation = v[0]
	case "interrupted":
		f.Interrupted = v[0]
	case "leftover":
		f.Leftover = true
	case "free":
		kib, _ := strconv.ParseInt(v[1], 10, 64)
		f.Free[v[0]] = kib << 10
	case "path":
		mode, _ := strconv.ParseUint(v[2], 8, 32)
		size, _ := strconv.ParseInt(v[7], 10, 64)
		f.Paths[strings.TrimPrefix(v[0], journalRoot)] = PathFact{Type: v[1], Mode: uint32(mode), Owner: v[3], Group: v[4],
			UID: v[5], GID: v[6], Size: size, Target: v[8]}
	case "sums":
		f.sums(v[0])
	case "text":
		f.text(strings.TrimPrefix(v[0], journalRoot), v[1], hidden)
	case "package":
		f.Packages[v[0]] = v[1]
	case "policy":
		f.policy(v[0])
	case "user":
		if entry := strings.Split(v[1], ":"); len(entry) >= 7 {
			f.Users[v[0]] = UserFact{Group: v[2], Groups: strings.Fields(v[3]), Home: entry[5], Shell: entry[6]}
		}
	case "group":
		f.Groups[v[0]] = true
	case "unit":
		f.Units[v[0]] = parseUnit(v[1])
	case "instances":
		f.Instances[v[0]] = instanceNames(v[1])
	case "guard":
		f.Guards[v[0]] = GuardFact{Satisfied: v[1] != "", Excluded: v[2] != "", Said: v[3]}
	}
}

func (f *Facts) sums(lines string) {
	for line := range strings.SplitSeq(lines, "\n") {
		if sum, path, ok := strings.Cut(line, "  "); ok {
			path = strings.TrimPrefix(path, journalRoot)
			fact := f.Paths[path]
			fact.SHA256 = sum
			f.Paths[path] = fact
		}
	}
}

func (f *Facts) text(path, encoded string, hidden map[string]bool) {
	content, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(content) > maxText || !printable(string(content)) {
		return
	}
	fact := f.Paths[path]
	fact.HasText = true
	if hidden[path] {
		fact.Hidden = Secret(content)
	} else {
		fact.Content = string(content)
	}
	f.Paths[path] = fact
}

// printable says whether a content can be shown as a diff.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f
	})
}

// policy reads which packages have a candidate out of the answer of apt-cache policy.
func (f *Facts) policy(answer string) {
	name := ""
	for line := range strings.SplitSeq(answer, "\n") {
		switch {
		case strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " "):
			name = strings.TrimSuffix(line, ":")
		case strings.HasPrefix(line, "  Candidate: "):
			f.Candidates[name] = !strings.HasSuffix(line, "(none)")
		}
	}
}

func parseUnit(answer string) UnitFact {
	var u UnitFact
	for line := range strings.SplitSeq(answer, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "LoadState":
			u.Load = value
		case "ActiveState":
			u.Active = value
		case "SubState":
			u.Sub = value
		case "UnitFileState":
			u.File = value
		case "NeedDaemonReload":
			u.NeedReload = value == "yes"
		}
	}
	return u
}

// instanceNames returns the distinct unit names of an answer, sorted.
func instanceNames(answer string) []string {
	names := strings.Fields(answer)
	slices.Sort(names)
	return slices.Compact(names)
}
