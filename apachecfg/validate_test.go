package apachecfg_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
)

func TestMistakes(t *testing.T) {
	tests := map[string]struct {
		break_ func(*apachecfg.Site)
		want   string
	}{
		"newline in host":     {func(s *apachecfg.Site) { s.Host = "a\nListen 23" }, `Host "a\nListen 23" is not a host name`},
		"upper case alias":    {func(s *apachecfg.Site) { s.Aliases = []string{"WWW.x"} }, `Aliases[0] "WWW.x" is not a host name`},
		"alias is the host":   {func(s *apachecfg.Site) { s.Aliases = []string{s.Host} }, `is there twice`},
		"no port":             {func(s *apachecfg.Site) { s.HTTP.Port = 0 }, `HTTP.Port 0 and HTTPS.Port 0: one of them is needed`},
		"same port":           {func(s *apachecfg.Site) { s.Loopback.Port = 80 }, `Loopback.Port 80 is taken by HTTP.Port already`},
		"port of the app":     {func(s *apachecfg.Site) { s.HTTP.Port = 3001 }, `App.Processes[0] 3001 is taken by HTTP.Port already`},
		"redirect to nothing": {func(s *apachecfg.Site) { s.HTTP.RedirectToHTTPS = true }, `HTTP.RedirectToHTTPS true needs HTTPS.Port`},
		"no certificate":      {func(s *apachecfg.Site) { s.HTTPS.Port = 443 }, `HTTPS.Certificate "" is not an absolute path`},
		"name":                {func(s *apachecfg.Site) { s.Name = `x"` }, `Name "x\"" is not [a-z]`},
		"relative root":       {func(s *apachecfg.Site) { s.Root = "public" }, `Root "public" is not an absolute path`},
		"path upwards":        {func(s *apachecfg.Site) { s.Root = "/srv/../etc" }, `Root "/srv/../etc" is not an absolute path`},
		"quote in a path":     {func(s *apachecfg.Site) { s.CachedPages = []string{`/srv/"x`} }, `CachedPages[0]`},
		"variable in a path":  {func(s *apachecfg.Site) { s.Maintenance.Flag = "/srv/${HOME}" }, `Maintenance.Flag`},
		"immutable":           {func(s *apachecfg.Site) { s.Immutable = []string{"assets"} }, `Immutable[0] "assets" is not a URL prefix`},
		"health path":         {func(s *apachecfg.Site) { s.HealthPath = "/up now" }, `HealthPath "/up now" is not a URL path`},
		"hidden health path":  {func(s *apachecfg.Site) { s.HealthPath = "/.git/up" }, `HealthPath "/.git/up" has a hidden part`},
		"shared prefix":       {func(s *apachecfg.Site) { s.Shared = map[string]string{"system": "/srv/x"} }, `Shared "system" is not a URL prefix`},
		"hidden prefix":       {func(s *apachecfg.Site) { s.Shared = map[string]string{"/.git/": "/srv/x"} }, `Shared "/.git/" is not a URL prefix`},
		"shared directory":    {func(s *apachecfg.Site) { s.Shared = map[string]string{"/system/": "x"} }, `Shared[/system/] "x" is not an absolute path`},
		"no app":              {func(s *apachecfg.Site) { s.App = apachecfg.App{} }, `exactly one of them is needed`},
		"two apps":            {func(s *apachecfg.Site) { s.App.Proxy = netip.MustParseAddrPort("127.0.0.1:9") }, `exactly one of them is needed`},
		"port 0":              {func(s *apachecfg.Site) { s.App.Processes[0] = netip.MustParseAddrPort("127.0.0.1:0") }, `App.Processes[0] 127.0.0.1:0 is not an address`},
		"zone":                {func(s *apachecfg.Site) { s.App.Processes[0] = netip.MustParseAddrPort("[fe80::1%a]:1") }, `App.Processes[0] [fe80::1%a]:1 is not an address`},
		"half a second":       {func(s *apachecfg.Site) { s.App.Timeout = 1500 * time.Millisecond }, `App.Timeout 1.5s is not whole seconds`},
		"header newline":      {func(s *apachecfg.Site) { s.Headers = map[string]string{"X-A": "a\nb"} }, `Headers[X-A] "a\nb" has the control byte 0x0a`},
		"header expression":   {func(s *apachecfg.Site) { s.Headers = map[string]string{"X-A": "expr=abc"} }, `Headers[X-A] "expr=abc" begins with expr=`},
		"header name":         {func(s *apachecfg.Site) { s.Headers = map[string]string{"X A": "a"} }, `Headers "X A" is not a header name`},
		"header twice":        {func(s *apachecfg.Site) { s.Headers = map[string]string{"X-A": "a", "x-a": "b"} }, `is there twice`},
		"threads":             {func(s *apachecfg.Site) { s.Threads.PerProcess = 513 }, `Threads.PerProcess 513 is not within 1 and 512`},
		"retry after":         {func(s *apachecfg.Site) { s.Maintenance.RetryAfter = -time.Second }, `Maintenance.RetryAfter -1s is not within`},
		"secret without port": {func(s *apachecfg.Site) { s.Loopback.SecretFile = "/x" }, `Loopback.SecretFile "/x" needs Loopback.Port`},
	}
	all, want := smallest(), []string{}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := smallest()
			tt.break_(&s)
			_, err := apachecfg.Render(s)
			require.ErrorContains(t, err, tt.want)
			require.True(t, strings.HasPrefix(err.Error(), "apachecfg: site "))
		})
	}
	// All at once.
	for _, name := range []string{"newline in host", "relative root", "health path", "no app", "threads"} {
		tests[name].break_(&all)
		want = append(want, tests[name].want)
	}
	_, err := apachecfg.Render(all)
	var joined interface{ Unwrap() []error }
	require.True(t, errors.As(err, &joined))
	require.Len(t, joined.Unwrap(), len(want))
	for _, w := range want {
		require.ErrorContains(t, err, w)
	}
}

func TestGoodSites(t *testing.T) {
	for name, site := range golden {
		require.NoError(t, site().Validate(), name)
	}
}

func TestPreflightDecision(t *testing.T) {
	site := allInOne()
	require.NoError(t, apachecfg.Judge(site, "syntax Syntax OK", "main 0"))
	require.NoError(t, apachecfg.Judge(site, "syntax AH00112: a warning", "syntax Syntax OK", "main 7", "own 4711", "listen 0050 4711"))
	require.ErrorContains(t, apachecfg.Judge(site, "syntax Syntax OK", "main 7", "own 4711", "listen 0050 4712"),
		"port 80 is taken by another program")
	require.ErrorContains(t, apachecfg.Judge(site, "main 0"), "Apache refuses the configuration")
	err := apachecfg.Judge(allInOneHTTPS(), "syntax Syntax error on line 3", "listen 01BB 1", "pair no")
	for _, want := range []string{"Syntax error on line 3", "port 443 is taken", "does not belong", "no certificate in it"} {
		require.ErrorContains(t, err, want)
	}
}
