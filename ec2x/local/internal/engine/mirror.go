package engine

import (
	"bufio"
	"context"
	"errors"
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
	main     string // such as http://mirror.example/debian
	security string
}

// errNoMirror says that nobody named one.
var errNoMirror = errors.New("no Debian mirror is known: apt's sources on this machine name none; set Options.Mirror to one, " +
	"such as http://mirror.example/debian, or let the engine reach a registry")

var debianSuites = []string{"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}

// findMirror reads the Debian mirror that this machine uses from its apt configuration. Security updates come from
// beside it where the configuration does not say otherwise.
func findMirror(etcApt string) (mirror, error) {
	var m mirror
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
	for _, e := range entries {
		e.uri = listed(e.uri)
		if !e.usable() {
			continue
		}
		uri := strings.TrimSuffix(e.uri, "/")
		switch {
		case m.security == "" && strings.HasSuffix(e.suite, "-security"):
			m.security = uri
		case m.main == "" && slices.Contains(debianSuites, e.suite):
			m.main = uri
		}
	}
	if m.main == "" {
		return mirror{}, errNoMirror
	}
	if m.security == "" {
		m.security = m.main + "-security"
	}
	return m, nil
}

// namedMirror is one that the caller has chosen.
func namedMirror(uri string) mirror {
	uri = strings.TrimSuffix(uri, "/")
	return mirror{uri, uri + "-security"}
}

// listed is the first mirror of a list, where the URI names one as Debian's cloud images do. Source: apt-transport-mirror(1).
func listed(uri string) string {
	file, ok := strings.CutPrefix(uri, "mirror+file:")
	if !ok {
		return uri
	}
	data, _ := os.ReadFile("/" + strings.TrimLeft(file, "/"))
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			return f[0]
		}
	}
	return ""
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
		kind, rest, _ := strings.Cut(strings.Join(strings.Fields(line), " "), " ")
		if kind != "deb" {
			continue
		}
		if strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		if f := strings.Fields(rest); len(f) >= 3 {
			out = append(out, aptEntry{f[0], f[1], f[2:]})
		}
	}
	return out
}

// disabled are apt's words for no.
var disabled = []string{"no", "false", "without", "off", "disable", "0"}

// parseDeb822 reads stanzas of "Field: value". Source: sources.list(5).
func parseDeb822(text string) []aptEntry {
	var out []aptEntry
	fields := map[string]string{}
	last := ""
	flush := func() {
		if slices.Contains(strings.Fields(fields["types"]), "deb") && !slices.Contains(disabled, strings.ToLower(fields["enabled"])) {
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
