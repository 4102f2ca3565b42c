package apachecfg_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
)

// unquote reads an argument as Apache does: variables first, then quotes and backslashes. It says where it ended.
func unquote(s string) (value, rest string, ok bool) {
	s = strings.ReplaceAll(s, "${"+apachecfg.Dollar+"}", "\x00")
	if strings.Contains(s, "${") {
		return "", "", false // a variable that is not ours
	}
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '"'):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return strings.ReplaceAll(b.String(), "\x00", "$"), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a b", `\`, `"`, `\"`, "${PATH}", "$${x", "%{x}e", "a\\", "${" + apachecfg.Dollar + "}", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\x00\n\r") {
			t.Skip("refused by Validate")
		}
		value, rest, ok := unquote(apachecfg.Quote(s))
		require.True(t, ok)
		require.Empty(t, rest)
		require.Equal(t, s, value)
		value, rest, ok = unquote(apachecfg.QuoteHeader(s))
		require.True(t, ok)
		require.Empty(t, rest)
		require.Equal(t, s, strings.NewReplacer("%%", "%", `\\`, `\`).Replace(value))
		left := strings.NewReplacer("%%", "", `\\`, "").Replace(value)
		require.NotContains(t, left, "%")
		require.NotContains(t, left, `\`)
	})
}

// FuzzRender puts one text into every field: what is accepted stays in its place.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"a", "/a", "/a/", "a\nListen 1", `/"`, "/${X}", "/a b", "/a>", "a.example", `x" "expr=true`, "expr=1", "</VirtualHost>"} {
		f.Add(s, uint16(80))
	}
	plain, err := apachecfg.Render(everything("/x", 1))
	require.NoError(f, err)
	lines := strings.Count(string(plain), "\n")
	f.Fuzz(func(t *testing.T, s string, port uint16) {
		for _, set := range fields {
			site := everything("/x", 1)
			set(&site, s, port)
			got, err := apachecfg.Render(site)
			if err != nil {
				continue
			}
			again, err := apachecfg.Render(site)
			require.NoError(t, err)
			require.Equal(t, got, again)
			require.False(t, apachecfg.Edited(got))
			require.LessOrEqual(t, strings.Count(string(got), "\n"), lines+1)
			for line := range strings.Lines(string(got)) {
				require.NotContains(t, strings.TrimSuffix(line, "\n"), "\r")
				require.NotContains(t, line, "\x00")
				require.NotContains(t, line, `X-Fuzz "expr=`, "Apache would compute it")
				require.Zero(t, strings.Count(strings.ReplaceAll(strings.ReplaceAll(line, `\\`, ""), `\"`, ""), `"`)%2, line)
			}
		}
	})
}

func everything(path string, port uint16) apachecfg.Site {
	s := allInOneHTTPS()
	s.CachedPages = []string{"/srv" + path}
	s.Headers = map[string]string{"X-Fuzz": path}
	return s
}

var fields = []func(s *apachecfg.Site, text string, port uint16){
	func(s *apachecfg.Site, text string, _ uint16) { s.Name = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Host = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Aliases[1] = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Root = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Immutable[0] = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.CachedPages[0] = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.HealthPath = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Maintenance.Flag = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Maintenance.Page = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Headers["X-Fuzz"] = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.Headers = map[string]string{text: "x"} },
	func(s *apachecfg.Site, text string, _ uint16) { s.Loopback.SecretFile = text },
	func(s *apachecfg.Site, text string, _ uint16) { s.HTTPS.Certificate, s.HTTPS.Key = text, text },
	func(s *apachecfg.Site, _ string, port uint16) { s.HTTP.Port, s.HTTPS.PublicPort = port, port },
	func(s *apachecfg.Site, text string, port uint16) {
		if a, err := netip.ParseAddr(text); err == nil {
			s.App.Processes[0] = netip.AddrPortFrom(a, port)
		}
	},
}
