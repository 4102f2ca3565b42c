package haproxycfg_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

func TestExplainNamesTheField(t *testing.T) {
	c := edge()
	for text, want := range map[string]string{
		"server web-1-3 ":             `backend "app" server "web-1-3"`,
		"server api-2 ":               `backend "api" server "api-2"`,
		"tune.bufsize":                `global: Raw[0]`,
		"chroot":                      "global",
		"timeout queue":               "timeouts: Queue",
		"v4v6 ssl":                    `frontend "secure": Binds[0]`,
		"deny_status 403":             `frontend "secure" Rules[1]`,
		"# Reports are":               `frontend "secure"`,
		"Strict-Transport":            `frontend "secure": Raw[0]`,
		"balance leastconn":           `backend "api": Balance`,
		"http-check send":             `backend "app": Check.Path`,
		"dynamic-cookie-key":          `backend "app": Cookie`,
		"bind 10.0.1.11:8404":         "stats: Bind",
		"deny unless { src 10.0.0.0/": "stats: Allow",
	} {
		line, field := haproxycfg.LineOf(c, text)
		require.Equal(t, want, field, text)
		err := haproxycfg.Explain(c, fmt.Sprintf("[NOTICE]   (7) : haproxy version is 2.6.12\n"+
			"[ALERT]    (7) : config : parsing [/etc/haproxy/haproxy.cfg.new:%d] : unknown keyword.\n"+
			"[ALERT]    (7) : config : Error(s) found in configuration file : /etc/haproxy/haproxy.cfg.new\n"+
			"[ALERT]    (7) : config : Fatal errors found in configuration.\n", line))
		require.EqualError(t, err, fmt.Sprintf("haproxycfg: %s: HAProxy says of line %d: unknown keyword.", want, line))
		var p haproxycfg.Problem
		require.ErrorAs(t, err, &p)
		require.Equal(t, line, p.Line)
	}
}

func TestExplainWithoutALine(t *testing.T) {
	require.NoError(t, haproxycfg.Explain(edge(), "Configuration file is valid\n"))
	err := haproxycfg.Explain(edge(), "[WARNING]  (7) : config : Can't open global server state file '/x': No such file or directory\n"+
		"[ALERT]    (7) : config : Some warnings were found and 'zero-warning' is set. Aborting.\n"+
		"[ALERT]    (7) : config : parsing [/x:9999] : far away.\n")
	require.EqualError(t, err, "haproxycfg: HAProxy says: Can't open global server state file '/x': No such file or directory\n"+
		"haproxycfg: HAProxy says: far away.")
}

func TestPreflightDecision(t *testing.T) {
	c := frontEnd()
	good := []string{"version HAProxy version 2.6.12-1+deb12u4 2026/10/17", "valid yes", "check Configuration file is valid"}
	require.NoError(t, haproxycfg.Judge(c, good...))
	ours := append(good, "bound 127.0.0.1:8000", "listen 0100007F:1F40")
	require.NoError(t, haproxycfg.Judge(c, ours...))
	require.NoError(t, haproxycfg.Judge(c, append(good, "bound *:8000", "listen 00000000:1F40")...))
	require.NoError(t, haproxycfg.Judge(c, append(good, "bound /run/x.sock", "listen 0200007F:1F40")...), "another address")
	for _, taken := range []string{"0100007F:1F40", "00000000:1F40", "00000000000000000000000000000000:1F40", "0000000000000000FFFF00000100007F:1F40"} {
		require.ErrorContains(t, haproxycfg.Judge(c, append(good, "listen "+taken)...),
			`frontend "web": Binds[0] 127.0.0.1:8000: another program listens on`, taken)
	}
	require.ErrorContains(t, haproxycfg.Judge(c), "is it installed?")
	require.ErrorContains(t, haproxycfg.Judge(c, append(good, "listen zz:1")...), `listener "zz:1"`)

	err := haproxycfg.Judge(edge(), "version HAProxy version 2.6.12-1 2026/10/17", "check [ALERT]    (9) : config : parsing [/x:1] : oh.",
		"listen 00000000:0050", "listen 0B01000A:20D4")
	for _, want := range []string{"config: Version needs 3.0, host has 2.6", "oh.", `frontend "plain": Binds[0] [::]:80: another program`,
		"stats: Bind 10.0.1.11:8404: another program", `certificate "/etc/haproxy/shop.pem": there is none in it`} {
		require.ErrorContains(t, err, want)
	}
}
