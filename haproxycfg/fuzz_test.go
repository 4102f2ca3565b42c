package haproxycfg_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

// wordsOf reads a line as HAProxy does: a backslash takes the next byte for itself, but not within single quotes; the
// environment is read within double quotes. It says whether the line is whole.
func wordsOf(line string) (words []string, ok bool) {
	var word strings.Builder
	inside, quoted := false, byte(0)
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case quoted == '\'' && b != '\'':
			word.WriteByte(b)
		case b == quoted && quoted != 0:
			quoted = 0
		case quoted == 0 && (b == '\'' || b == '"'):
			quoted, inside = b, true
		case b == '\\':
			if i++; i == len(line) {
				return nil, false
			}
			word.WriteByte(line[i])
			inside = true
		case quoted == 0 && b == '#':
			i = len(line)
		case quoted == 0 && (b == ' ' || b == '\t'):
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteByte(b)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words, quoted == 0
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a b", `\`, `'`, `\'`, "${PATH}", `"$PATH"`, "%[src]", "%%", "#", "a\\", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\x00\n\r") {
			t.Skip("refused by Validate")
		}
		words, ok := wordsOf("set " + haproxycfg.Quote(s) + " if { a }")
		require.True(t, ok)
		require.Equal(t, []string{"set", s, "if", "{", "a", "}"}, words)
		words, ok = wordsOf(haproxycfg.QuoteFormat(s))
		require.True(t, ok)
		require.Equal(t, s, strings.ReplaceAll(words[0], "%%", "%"))
		require.NotContains(t, strings.ReplaceAll(words[0], "%%", ""), "%")
	})
}

// everything has something in every field that takes a text.
func everything() config {
	c := edge()
	c.Version = haproxycfg.V32
	c.Backends[1].TLS = haproxycfg.ServerTLS{CA: "/ca.pem", Name: "a.example", HTTP2: true}
	c.Frontends[1].Binds[0].TLS.ClientCA = "/ca.pem"
	c.Frontends[1].Rules[3].When.Paths = []string{"/x"}
	c.Frontends[1].Rules[3].Unless = haproxycfg.Match{Hosts: []string{"b.example"}, Paths: []string{"/y"}}
	c.Frontends = append(c.Frontends, passThrough().Frontends...)
	c.Frontends[2].Name, c.Frontends[2].Binds[0].Addr = "through", addr("0.0.0.0:8443")
	c.Backends = append(c.Backends, passThrough().Backends...)
	c.Backends[2].Raw = []string{"option tcp-check"}
	c.Databases = database().Databases
	c.Databases[0].Raw = []string{"option tcpka"}
	return c
}

// keywords are the first words of all lines, comments included.
func keywords(t testing.TB, file []byte) []string {
	var list []string
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSuffix(line, "\n")
		require.False(t, strings.ContainsAny(line, "\r\x00"), line)
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			list = append(list, "#")
			continue
		}
		words, ok := wordsOf(line)
		require.True(t, ok, line)
		if len(words) > 0 && words[0] != "hash-type" { // comes with one of the ways to balance
			list = append(list, words[0])
		}
	}
	return list
}

// FuzzRender puts one text into every field in turn: what is accepted stays in its place.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"a", "app", "/a", "a\nlisten x", "a b", "a;b", "'", `"`, `\`, "a }", "%[src]", "${PATH}", "www.a.example", "option a",
		"200-399", "https://a.example", "http", "tcp", "drain", "GET", "0123456789abcdef", "#", "a # b", "frontend x", "acl a path /x\nlisten y"} {
		for i := range fields {
			f.Add(s, uint16(80), uint8(i))
		}
	}
	plain := make([][]string, len(fields))
	for i, set := range fields {
		if neutral[i] == "" {
			continue
		}
		c := everything()
		set(&c, neutral[i], 0)
		file, err := haproxycfg.Render(c)
		require.NoError(f, err)
		plain[i] = keywords(f, file)
	}
	f.Fuzz(func(t *testing.T, s string, n uint16, field uint8) {
		i := int(field) % len(fields)
		c := everything()
		fields[i](&c, s, n)
		file, err := haproxycfg.Render(c)
		if err != nil {
			return
		}
		again, err := haproxycfg.Render(c)
		require.NoError(t, err)
		require.Equal(t, file, again)
		require.False(t, haproxycfg.Edited(file))
		require.Len(t, haproxycfg.Sections(file), sections)
		if plain[i] != nil && s != "" {
			require.Equal(t, plain[i], keywords(t, file), "field %d %q", i, s)
		}
	})
}

// sections is how many everything has.
const sections = 2 + 3 + 4 + 1 + 1

var fields = []func(c *config, s string, n uint16){
	func(c *config, s string, _ uint16) { c.Name = s },
	func(c *config, s string, _ uint16) { c.Global.Group = s },
	func(c *config, s string, _ uint16) { c.Frontends[0].Name = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Binds[0].TLS.Certificates[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Binds[0].TLS.ClientCA = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[0].Redirect = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[2].Why = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[2].Set.Name = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[2].Set.Value = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[3].When.Hosts[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[3].When.Paths[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[1].When.PathPrefixes[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[3].When.Methods[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[3].Unless.Hosts[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[2].Rules[0].When.SNI[0] = s },
	func(c *config, s string, _ uint16) { c.Backends[1].Name, c.Frontends[1].Rules[3].Use = s, s },
	func(c *config, s string, _ uint16) { c.Backends[0].Servers[0].Name = s },
	func(c *config, s string, _ uint16) { c.Backends[0].Check.Path = s },
	func(c *config, s string, _ uint16) { c.Backends[0].Check.Host = s },
	func(c *config, s string, _ uint16) { c.Backends[0].Check.Status = s },
	func(c *config, s string, _ uint16) { c.Backends[0].Cookie.Name = s },
	func(c *config, s string, _ uint16) { c.Backends[0].Cookie.Key = s },
	func(c *config, s string, _ uint16) { c.Backends[1].TLS.CA = s },
	func(c *config, s string, _ uint16) { c.Backends[1].TLS.Name = s },
	func(c *config, s string, _ uint16) { c.Databases[0].RolePath = s },
	func(c *config, s string, n uint16) {
		if a, err := netip.ParseAddr(s); err == nil && n != 0 {
			c.Backends[0].Servers[0].Addr = netip.AddrPortFrom(a, n)
		}
	},
	func(c *config, s string, _ uint16) { c.Backends[0].Balance = haproxycfg.Balance(s) },
	func(c *config, s string, _ uint16) { c.Backends[3].Mode = haproxycfg.Mode(s) },
	func(c *config, s string, _ uint16) { c.Backends[0].Servers[0].State = haproxycfg.State(s) },
	func(c *config, s string, _ uint16) { c.Global.Raw[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Raw[0] = s },
	func(c *config, s string, _ uint16) { c.Backends[2].Raw[0] = s },
	func(c *config, s string, _ uint16) { c.Databases[0].Raw[0] = s },
	func(c *config, s string, _ uint16) { c.Frontends[1].Rules[1] = haproxycfg.Rule{Raw: s} },
}

// neutral has for each field a text that it accepts; none where the text is a line of its own.
var neutral = []string{"shop", "admin", "plain", "/a.pem", "/ca.pem", "https://www.shop.example", "Because.", "X-A", "a", "api.shop.example", "/x",
	"/reports/", "GET", "b.example", "www.shop.example", "api", "web-1-1", "/up", "www.shop.example", "200", "SERVER", "0123456789abcdef",
	"/ca.pem", "a.example", "/source", "x", "leastconn", "tcp", "ready", "", "", "", "", ""}

// FuzzCommand puts texts into everything that a command is made of: what HAProxy gets is the commands that are meant.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"a", "a\nset server app/app-1 state maint", "a;b", "a <<", "/a", "a.example", "0123456789abcdef", "SERVER"} {
		f.Add(s, s, 1)
	}
	f.Fuzz(func(t *testing.T, a, b string, n int) {
		host := newFake()
		r := haproxycfg.Runtime{Host: host, DrainTimeout: 1}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		back := edge().Backends[0]
		back.Name, back.TLS, back.Cookie = a, haproxycfg.ServerTLS{CA: b, Name: a}, haproxycfg.Cookie{Name: a, Key: b}
		for _, cookie := range []haproxycfg.Cookie{{}, {Name: a, Key: b}} {
			for _, tls := range []haproxycfg.ServerTLS{{}, {CA: b, Name: a}} {
				back.Cookie, back.TLS = cookie, tls
				_ = r.Join(ctx, back, haproxycfg.Server{Name: b, Addr: addr("10.0.1.9:1"), Weight: n, MaxConn: n, State: haproxycfg.State(a)})
			}
		}
		_ = r.SetWeight(ctx, a, b, n)
		_ = r.SetMaxConn(ctx, a, b, n)
		_ = r.Drain(ctx, a, b)
		_ = r.Maint(ctx, a, b)
		_ = r.Ready(ctx, "app", "app-1")
		_, _ = r.Leave(ctx, "app", "app-1")
		_, _ = r.Servers(ctx, a)
		for _, line := range host.sent() {
			for command := range strings.SplitSeq(line, "; ") {
				words := strings.Fields(command)
				known := slices.ContainsFunc([]string{"add server", "enable health", "enable server", "enable dynamic-cookie", "set server",
					"set maxconn", "del server", "shutdown sessions"}, func(verb string) bool { return strings.HasPrefix(command, verb+" ") })
				require.True(t, known, line)
				require.NotContains(t, command, ";")
				if strings.HasPrefix(command, "set server ") {
					require.Len(t, words, 5, command)
				}
			}
		}
	})
}
