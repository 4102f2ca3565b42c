package haproxycfg_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/haproxycfg"
)

// droppedByApache are the headers of a visitor that the block apachecfg drops.
func droppedByApache(t *testing.T) []string {
	file, err := apachecfg.Render(apachecfg.Site{Name: "shop", Host: "www.shop.example", HTTP: apachecfg.HTTP{Port: 80},
		Root: "/srv/shop/current/public", App: apachecfg.App{Processes: []netip.AddrPort{addr("127.0.0.1:3001")}}})
	require.NoError(t, err)
	var names []string
	for _, found := range regexp.MustCompile(`(?m)^RequestHeader unset (\S+)$`).FindAllStringSubmatch(string(file), -1) {
		if found[1] != "Connection" { // which Apache sets anew, and HAProxy by itself
			names = append(names, found[1])
		}
	}
	require.Greater(t, len(names), 60)
	return names
}

// droppedByHAProxy tells whether the file drops a header. HAProxy has names in lower case.
func droppedByHAProxy(file, name string) bool {
	name = strings.ToLower(name)
	for _, found := range regexp.MustCompile(`(?m)^ *http-request del-header (\S+) -m (\w+)$`).FindAllStringSubmatch(file, -1) {
		matches := map[string]func() bool{
			"sub": func() bool { return strings.Contains(name, found[1]) },
			"beg": func() bool { return strings.HasPrefix(name, found[1]) },
			"reg": func() bool { return regexp.MustCompile(found[1]).MatchString(name) },
		}
		if matches[found[2]]() {
			return true
		}
	}
	return false
}

// TestForgedHeaders compares what HAProxy alone in front and Apache in front drop.
func TestForgedHeaders(t *testing.T) {
	out, err := haproxycfg.Render(edge())
	require.NoError(t, err)
	file, apache := string(out), droppedByApache(t)
	for _, name := range apache {
		require.True(t, droppedByHAProxy(file, name), name)
		require.True(t, droppedByHAProxy(file, strings.ReplaceAll(name, "-", "_")), name)
	}
	for _, name := range []string{"Host", "Connection", "Cookie", "Authorization", "X-Requested-With", "X-Csrf-Token", "Accept",
		"Content-Type", "Content-Length", "Transfer-Encoding", "User-Agent", "Origin", "Referer", "Upgrade", "X-Shop"} {
		require.False(t, droppedByHAProxy(file, name), name)
	}
	alternatives := 0
	for _, line := range haproxycfg.Forged {
		for name := range strings.SplitSeq(expand(line), "|") {
			alternatives++
			require.True(t, containsFold(apache, name), "%s is dropped here, and not by apachecfg", name)
		}
	}
	require.Greater(t, alternatives, 50)
}

// expand writes a-(b|c) as a-b|a-c.
func expand(line string) string {
	return regexp.MustCompile(`([a-z-]+)\(([^)]*)\)`).ReplaceAllStringFunc(line, func(s string) string {
		before, within, _ := strings.Cut(strings.TrimSuffix(s, ")"), "(")
		return before + strings.ReplaceAll(within, "|", "|"+before)
	})
}

func containsFold(list []string, name string) bool {
	for _, l := range list {
		if strings.EqualFold(l, name) {
			return true
		}
	}
	return false
}
