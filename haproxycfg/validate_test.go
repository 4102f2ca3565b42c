package haproxycfg_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

type config = haproxycfg.Config

// mistakes are configurations that would break out, or that HAProxy would take for something else.
var mistakes = map[string]struct {
	break_ func(*config)
	want   string
}{
	"name":            {func(c *config) { c.Name = "shop\nglobal" }, `config: Name "shop\nglobal" is not 1 to 64 of letters`},
	"version":         {func(c *config) { c.Version = 204 }, `config: Version 2.4 is older than 2.6`},
	"group":           {func(c *config) { c.Global.Group = "admin mode 666" }, `global: Group "admin mode 666" is not the name`},
	"global raw":      {func(c *config) { c.Global.Raw = []string{"frontend x"} }, `global: Raw[0] "frontend x" does not begin with a keyword`},
	"hard stop":       {func(c *config) { c.Global.HardStopAfter = time.Minute }, `global: HardStopAfter 1m0s would cut off requests: an idle connection and the longest answer may take 1m15s`},
	"fraction":        {func(c *config) { c.Timeouts.Server = 1500 * time.Microsecond }, `timeouts: Server 1.5ms is not whole milliseconds`},
	"negative":        {func(c *config) { c.Timeouts.Connect = -1 }, `timeouts: Connect -1ns is not within 1ms`},
	"frontend name":   {func(c *config) { c.Frontends[0].Name = "we b" }, `frontend "we b": Name "we b" is not 1 to 64`},
	"name twice":      {func(c *config) { c.Frontends[0].Name = "app" }, `backend "app": Name "app" is also that of frontend "app"`},
	"mode":            {func(c *config) { c.Frontends[0].Mode = "http\nbind :1" }, `Mode "http\nbind :1" is neither`},
	"no bind":         {func(c *config) { c.Frontends[0].Binds = nil }, `frontend "plain": Binds [] are empty`},
	"bind twice":      {func(c *config) { c.Frontends[1].Binds[0].Addr = addr("[::]:80") }, `frontend "secure": Binds[0] [::]:80 is taken by frontend "plain" already`},
	"bind zone":       {func(c *config) { c.Frontends[0].Binds[0].Addr = addr("[fe80::1%eth0]:80") }, `Binds[0] [fe80::1%eth0]:80 is not an address`},
	"certificate":     {func(c *config) { c.Frontends[1].Binds[0].TLS.Certificates[0] = "/a b" }, `Binds[0].TLS.Certificates[0] "/a b" is not an absolute path`},
	"dots":            {func(c *config) { c.Frontends[1].Binds[0].TLS.Certificates[0] = "/a/../b" }, `"/a/../b" is not an absolute path`},
	"client CA alone": {func(c *config) { c.Frontends[0].Binds[0].TLS.ClientCA = "/ca" }, `Binds[0].TLS.ClientCA "/ca" needs Certificates`},
	"no such backend": {func(c *config) { c.Frontends[1].Backend = "ap" }, `frontend "secure": Backend "ap" is no backend`},
	"other mode":      {func(c *config) { c.Backends[0].Mode = haproxycfg.TCP; c.Backends[0].Cookie = haproxycfg.Cookie{} }, `frontend "secure": Backend "app" is of Mode tcp`},
	"raw":             {func(c *config) { c.Frontends[0].Raw = []string{"option x\nlisten y"} }, `Raw[0] "option x\nlisten y" has the control byte 0x0a`},
	"raw section":     {func(c *config) { c.Backends[0].Raw = []string{"listen y"} }, `backend "app": Raw[0] "listen y" does not begin`},
	"raw quoted":      {func(c *config) { c.Backends[0].Raw = []string{`"listen" y`} }, `does not begin with a keyword`},
	"raw escaped":     {func(c *config) { c.Backends[0].Raw = []string{`lis\ten y`} }, `does not begin with a keyword`},
	"raw condition":   {func(c *config) { c.Backends[0].Raw = []string{".if 1"} }, `does not begin with a keyword`},
	"raw backslash":   {func(c *config) { c.Backends[0].Raw = []string{`option a\`} }, `ends with a backslash`},
	"no action":       {func(c *config) { c.Frontends[0].Rules[0].Redirect = "" }, `frontend "plain" Rules[0]: actions 0 are not exactly one`},
	"two actions":     {func(c *config) { c.Frontends[0].Rules[0].Deny = 403 }, `frontend "plain" Rules[0]: actions 2 are not exactly one`},
	"why":             {func(c *config) { c.Frontends[0].Rules[0].Why = "a\nbind :1" }, `Rules[0]: Why "a\nbind :1" has the control byte`},
	"deny":            {func(c *config) { c.Frontends[1].Rules[1].Deny = 200 }, `Rules[1]: Deny 200 is not a status`},
	"redirect":        {func(c *config) { c.Frontends[0].Rules[0].Redirect = "https://a/%[src]" }, `is not an origin`},
	"header name":     {func(c *config) { c.Frontends[1].Rules[2].Set.Name = "X A" }, `Set.Name "X A" is not a header name`},
	"header value":    {func(c *config) { c.Frontends[1].Rules[2].Set.Value = "a\rb" }, `Set.Value "a\rb" has the control byte 0x0d`},
	"header empty":    {func(c *config) { c.Frontends[1].Rules[2].Set.Value = "" }, `Set.Value "" is empty`},
	"order":           {func(c *config) { r := c.Frontends[1].Rules; r[2], r[3] = r[3], r[2] }, `stands after Rules[2], which chooses a backend`},
	"host":            {func(c *config) { c.Frontends[1].Rules[3].When.Hosts[0] = "a }" }, `When.Hosts[0] "a }" is not a host name`},
	"path":            {func(c *config) { c.Frontends[1].Rules[1].When.PathPrefixes[0] = "/a } { src" }, `When.PathPrefixes[0] "/a } { src" is not a URL path`},
	"method":          {func(c *config) { c.Frontends[1].Rules[3].When.Methods[0] = "get" }, `When.Methods[0] "get" is not a method`},
	"prefix":          {func(c *config) { c.Frontends[1].Rules[1].Unless.Sources[0] = netip.Prefix{} }, `Unless.Sources[0] invalid Prefix is not a prefix`},
	"SNI in HTTP":     {func(c *config) { c.Frontends[1].Rules[3].When.SNI = []string{"a"} }, `When.SNI [a] is for Mode tcp`},
	"raw with when": {func(c *config) {
		c.Frontends[1].Rules[1] = haproxycfg.Rule{Raw: "option x", When: c.Frontends[1].Rules[1].When}
	}, `does not apply to Raw`},
	"balance":                {func(c *config) { c.Backends[0].Balance = "rdp-cookie(a)" }, `Balance "rdp-cookie(a)" is none of`},
	"start down":             {func(c *config) { c.Backends[0].StartDown = true }, `backend "app": StartDown needs 3.1, host has 3.0`},
	"retries":                {func(c *config) { c.Backends[0].Retries.Count = 101 }, `Retries.Count 101 is above 100`},
	"TLS without CA":         {func(c *config) { c.Backends[0].TLS.Name = "a.example" }, `TLS.CA "" is not an absolute path`},
	"TLS without name":       {func(c *config) { c.Backends[0].TLS.CA = "/ca.pem" }, `TLS.Name "" is not the host name`},
	"cookie":                 {func(c *config) { c.Backends[0].Cookie.Name = "a b" }, `Cookie.Name "a b" is not a cookie name`},
	"cookie key":             {func(c *config) { c.Backends[0].Cookie.Key = "secret secret secret" }, `Cookie.Key "…" is not 16 to 64 letters and digits`},
	"check path":             {func(c *config) { c.Backends[0].Check.Path = "/up ver" }, `Check.Path "/up ver" is not a URL path`},
	"check host":             {func(c *config) { c.Backends[0].Check.Host = "a\nb" }, `Check.Host "a\nb" is not a host name`},
	"check status":           {func(c *config) { c.Backends[0].Check.Status = "2.." }, `Check.Status "2.." is not a status`},
	"check interval":         {func(c *config) { c.Backends[0].Check.Interval = time.Millisecond }, `Check.Interval 1ms is not within 100ms and 1h0m0s`},
	"check rise":             {func(c *config) { c.Backends[0].Check.Rise = -1 }, `Check.Rise -1 is not within 1 and 100`},
	"check off":              {func(c *config) { c.Backends[0].Check.Off = true }, `Check.Off true leaves no check`},
	"server name":            {func(c *config) { c.Backends[0].Servers[0].Name = "a/b" }, `server "a/b": Name "a/b" is not 1 to 64`},
	"server twice":           {func(c *config) { c.Backends[0].Servers[0].Name = "web-1-2" }, `server "web-1-2": Name "web-1-2" is there twice`},
	"server address":         {func(c *config) { c.Backends[0].Servers[0].Addr = addr("0.0.0.0:80") }, `Addr 0.0.0.0:80 is not an address with a port that can be reached`},
	"address twice":          {func(c *config) { c.Backends[0].Servers[0].Addr = addr("10.0.1.11:3002") }, `Addr 10.0.1.11:3002 is that of "web-1-1" too`},
	"weight":                 {func(c *config) { c.Backends[0].Servers[0].Weight = 300 }, `haproxycfg: backend "app" server "web-1-1": Weight 300 is not within 1 and 256`},
	"every way of too short": {func(c *config) { c.Backends[0].Check.Interval = 1 }, `Check.Interval 1ns is not within 100ms and 1h0m0s`},
	"check without a path":   {func(c *config) { c.Backends[0].Check = haproxycfg.Check{Timeout: time.Second} }, `Check.Path "" is needed for Host, Status and Timeout`},
	"the same server again":  {func(c *config) { s := servers(c); *s = append(*s, (*s)[0], (*s)[0]) }, `server "web-1-1": Name "web-1-1" is there twice`},
	"servers without names":  {func(c *config) { (*servers(c))[0].Name, (*servers(c))[1].Name = "", "" }, `server "": Name "" is not 1 to 64`},
	"frontend without binds": {func(c *config) {
		c.Frontends = c.Frontends[:1]
		c.Frontends[0].Binds = nil
		c.Stats = haproxycfg.Stats{}
	}, `Binds [] are empty`},
	"mode that is none": {func(c *config) { c.Backends[0].Mode = "udp" }, `Mode "udp" is neither`},
	"exclusive":         {func(c *config) { c.Backends[0].Exclusive = true }, `Exclusive true is for Mode tcp`},
	"use too early": {func(c *config) {
		r := c.Frontends[1].Rules
		r[0], r[3] = r[3], r[0]
	}, `frontend "secure": Rules[1] "http-request deny deny_status 403 if`},
	"raw of two faults":  {func(c *config) { c.Frontends[1].Raw = []string{`nonsense \\`} }, `Raw[0] "nonsense \\\\" does not begin`},
	"state":              {func(c *config) { c.Backends[0].Servers[0].State = "down" }, `State "down" is none of ready, drain and maint`},
	"stats to strangers": {func(c *config) { c.Stats.Allow = nil }, `stats: Bind 10.0.1.11:8404 is open to strangers`},
	"stats without bind": {func(c *config) { c.Stats.Bind = netip.AddrPort{} }, `needs Bind`},
	"too many words": {func(c *config) {
		for range 70 {
			c.Frontends[1].Rules[3].When.Hosts = append(c.Frontends[1].Rules[3].When.Hosts, "a.example")
		}
	}, `frontend "secure" Rules[3]: 83 words are more than the 64 that HAProxy reads of a line`},
}

func TestMistakes(t *testing.T) {
	for name, tt := range mistakes {
		t.Run(name, func(t *testing.T) {
			c := edge()
			tt.break_(&c)
			_, err := haproxycfg.Render(c)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n", "one mistake, one report")
			require.True(t, strings.HasPrefix(err.Error(), "haproxycfg: "))
			require.NotContains(t, err.Error(), "secret secret")
		})
	}
}

func TestLongTextsAreOneWord(t *testing.T) {
	c := edge()
	long := strings.Repeat("it's a word ", 40)
	c.Frontends[1].Rules[2] = haproxycfg.Rule{Why: long, Set: haproxycfg.Header{Name: "X-Long", Value: long}}
	require.NoError(t, c.Validate())
	_, err := haproxycfg.Render(c)
	require.NoError(t, err)
}

func TestMistakesOfPassThrough(t *testing.T) {
	c := passThrough()
	c.Frontends[0].Rules[0] = haproxycfg.Rule{Deny: 403, When: haproxycfg.Match{Paths: []string{"/x"}}}
	c.Backends[0].Cookie = haproxycfg.Cookie{Name: "A", Key: "0123456789abcdef"}
	c.Backends[0].TLS = haproxycfg.ServerTLS{CA: "/ca.pem", Name: "a", HTTP2: true}
	c.Backends[0].Retries.OnTimeout = true
	c.Databases = []haproxycfg.Database{{Name: "shop", Bind: addr("0.0.0.0:443"), Interval: time.Nanosecond}}
	err := c.Validate()
	for _, want := range []string{"knows no HTTP", "asks for HTTP in Mode tcp", `Cookie.Name "A" is for Mode http`, "TLS.HTTP2 true is for Mode http",
		"Retries.OnTimeout true is for Mode http", `database "shop": Name "shop" is also that of backend "shop"`, `Bind 0.0.0.0:443 is taken by frontend "secure"`,
		`RolePath "" is not a URL path`, `RolePort 0 is needed`, `Interval 1ns is not within 100ms and 1h0m0s`} {
		require.ErrorContains(t, err, want)
	}
}

func TestMistakesAllAtOnce(t *testing.T) {
	c := edge()
	names := []string{"name", "group", "bind zone", "header value", "server address", "check path"}
	for _, name := range names {
		mistakes[name].break_(&c)
	}
	var joined interface{ Unwrap() []error }
	err := c.Validate()
	require.True(t, errors.As(err, &joined))
	require.Len(t, joined.Unwrap(), len(names))
	for _, name := range names {
		require.ErrorContains(t, err, mistakes[name].want)
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]haproxycfg.Version{
		"2.6.12-1+deb12u4": haproxycfg.V26, "HAProxy version 3.0.11-1+deb13u5 2026/11/18 - https://haproxy.org/": haproxycfg.V30,
		"3.2": haproxycfg.V32, "3.3-dev5-2c2a9e": 303, "2.8.5\n": haproxycfg.V28,
	} {
		got, err := haproxycfg.ParseVersion(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "x", "2", "2.x", "-1.2"} {
		_, err := haproxycfg.ParseVersion(text)
		require.Error(t, err, text)
	}
	c := frontEnd()
	c.Backends[0].StartDown = true
	_, err := haproxycfg.Render(c)
	var version *haproxycfg.VersionError
	require.ErrorAs(t, err, &version)
	require.Equal(t, haproxycfg.Version(301), version.Needs)
	require.EqualError(t, err, `haproxycfg: backend "app": StartDown needs 3.1, host has 2.6`)
	c.Version = haproxycfg.V32
	text, err := haproxycfg.Render(c)
	require.NoError(t, err)
	require.Contains(t, string(text), "slowstart 10s init-state down\n")
}

// TestOneReportForEachDuration gives every duration of a configuration values that are wrong in several ways.
func TestOneReportForEachDuration(t *testing.T) {
	c := edge()
	c.Databases = database().Databases
	for name, d := range durations("", reflect.ValueOf(&c).Elem()) {
		for _, wrong := range []time.Duration{1, -1, -time.Second, 1500 * time.Microsecond, 1e6 * time.Hour, 1e6*time.Hour + 1} {
			was := d.Int()
			d.SetInt(int64(wrong))
			err := c.Validate()
			d.SetInt(was)
			if wrong < 0 && strings.HasSuffix(name, "SlowStart") { // none
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, name[strings.LastIndex(name, ".")+1:], name)
			require.NotContains(t, err.Error(), "\n", "%s %v", name, wrong)
		}
	}
}

// durations are the places of all durations within a value.
func durations(name string, v reflect.Value) map[string]reflect.Value {
	found := map[string]reflect.Value{}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		found[name] = v
	case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[haproxycfg.Config]().PkgPath():
		for i := range v.NumField() {
			maps.Copy(found, durations(name+"."+v.Type().Field(i).Name, v.Field(i)))
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			maps.Copy(found, durations(fmt.Sprintf("%s[%d]", name, i), v.Index(i)))
		}
	}
	return found
}

func TestNoTimeOutEndsWhatAnotherAllows(t *testing.T) {
	c := frontEnd()
	c.Timeouts.Client = 5 * time.Second
	text, err := haproxycfg.Render(c)
	require.NoError(t, err, "those that are not set follow")
	require.Contains(t, string(text), "timeout http-request 5s\n    timeout http-keep-alive 5s\n")
	c.Timeouts.KeepAlive, c.Timeouts.Request = 20*time.Second, 21*time.Second
	require.EqualError(t, c.Validate(), "haproxycfg: timeouts: Request 21s is above Client 5s, which would end it\n"+
		"haproxycfg: timeouts: KeepAlive 20s is above Client 5s, which would end it")
}
