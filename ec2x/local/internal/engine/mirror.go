package engine

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mirror is where Debian's packages come from.
type mirror struct {
	main     string // such as http://deb.debian.org/debian
	security string
}

const (
	defaultMain     = "http://deb.debian.org/debian"
	defaultSecurity = "http://deb.debian.org/debian-security"
)

var debianSuites = []string{"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}

// findMirror reads the Debian mirror that this machine uses from its apt configuration; Debian's own where it
// uses none.
func findMirror(etcApt, suite string) mirror {
	m := mirror{defaultMain, defaultSecurity}
	var entries []aptEntry
	for _, pattern := range []string{"sources.list", "sources.list.d/*.list", "sources.list.d/*.sources"} {
		files, _ := filepath.Glob(filepath.Join(etcApt, pattern))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			if strings.HasSuffix(f, ".sources") {
				entries = append(entries, parseDeb822(string(data))...)
			} else {
				entries = append(entries, parseOneLine(string(data))...)
			}
		}
	}
	foundMain, foundSecurity := false, false
	for _, e := range entries {
		if !e.usable() {
			continue
		}
		uri := strings.TrimSuffix(e.uri, "/")
		switch {
		case !foundSecurity && strings.HasSuffix(e.suite, "-security"):
			m.security, foundSecurity = uri, true
		case !foundMain && slices.Contains(debianSuites, e.suite):
			m.main, foundMain = uri, true
		}
	}
	return m
}

// aptEntry is one source of packages.
type aptEntry struct {
	uri, suite string
	components []string
}

// usable says whether e is a source of Debian itself over HTTP, and not somebody's archive for Debian.
func (e aptEntry) usable() bool {
	base, _, _ := strings.Cut(e.suite, "-")
	return (strings.HasPrefix(e.uri, "http://") || strings.HasPrefix(e.uri, "https://")) &&
		strings.Contains(e.uri, "/debian") && slices.Contains(debianSuites, base) && slices.Contains(e.components, "main")
}

// parseOneLine reads "deb [options] uri suite component…" lines. Source: sources.list(5).
func parseOneLine(text string) []aptEntry {
	var out []aptEntry
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		if f := strings.Fields(rest); len(f) >= 3 {
			out = append(out, aptEntry{f[0], f[1], f[2:]})
		}
	}
	return out
}

// parseDeb822 reads stanzas of "Field: value". Source: sources.list(5).
func parseDeb822(text string) []aptEntry {
	var out []aptEntry
	fields := map[string]string{}
	last := ""
	flush := func() {
		if slices.Contains(strings.Fields(fields["types"]), "deb") && strings.ToLower(fields["enabled"]) != "no" {
			for _, uri := range strings.Fields(fields["uris"]) {
				for _, suite := range strings.Fields(fields["suites"]) {
					out = append(out, aptEntry{uri, suite, strings.Fields(fields["components"])})
				}
			}
		}
		clear(fields)
	}
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += " " + strings.TrimSpace(line)
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	flush()
	return out
}

// sources is the sources.list of the new system: updates and security only where the mirrors have them.
func (m mirror) sources(ctx context.Context, suite string) string {
	list := fmt.Sprintf("deb %s %s main\n", m.main, suite)
	for _, more := range []struct{ uri, suite string }{{m.main, suite + "-updates"}, {m.security, suite + "-security"}} {
		if answers(ctx, more.uri+"/dists/"+more.suite+"/InRelease") {
			list += fmt.Sprintf("deb %s %s main\n", more.uri, more.suite)
		}
	}
	return list
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}
