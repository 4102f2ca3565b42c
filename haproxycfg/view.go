package haproxycfg

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// view is the configuration with every zero filled in, in the words of the file.
type view struct {
	Global                                                     Global
	Socket, State, HardStop, Ciphers                           string
	TLS                                                        bool
	Forged                                                     []string
	GlobalRaw                                                  []line
	Connect, Client, Server, Queue, Request, KeepAlive, Tunnel string
	Frontends                                                  []frontendView
	Backends                                                   []pool
	Databases                                                  []databaseView
	Stats                                                      *statsView
}

// line is one line of a section, with the field that it comes from.
type line struct{ Why, Text, At string }

type frontendView struct {
	Name, At, Timeout string
	TCP, SNI          bool
	TrustForwarded    bool
	MaxConn           int
	MaxConnAt         string
	Backend           string
	Binds, Raw, Rules []line
}

type databaseView struct {
	Name, At, Bind, BindAt, Timeout string
	Pool                            pool
}

type statsView struct {
	Name  string
	Bind  netip.AddrPort
	Allow []netip.Prefix
}

const statsName = "figures"

func newView(c Config) view {
	t := c.Timeouts
	v := view{
		Global: c.Global, Socket: SocketPath, State: StatePath, HardStop: span(c.hardStop()), Ciphers: ciphers, TLS: c.tls(), Forged: forged,
		GlobalRaw: rawLines("global", c.Global.Raw),
		Connect:   span(cmp.Or(t.Connect, 2*time.Second)), Client: span(t.client()), Server: span(t.server()),
		Queue: span(t.queue()), Request: span(t.request()),
		KeepAlive: span(t.keepAlive()), Tunnel: span(t.tunnel()),
	}
	for _, f := range c.Frontends {
		v.Frontends = append(v.Frontends, newFrontend(f, t))
	}
	for _, b := range c.Backends {
		v.Backends = append(v.Backends, newPool(fmt.Sprintf("backend %q", b.Name), b, t))
	}
	for _, d := range c.Databases {
		at := fmt.Sprintf("database %q", d.Name)
		pool := newPool(at, d.Backend(), t)
		pool.Raw = rawLines(at, d.Raw)
		v.Databases = append(v.Databases, databaseView{Name: d.Name, At: at, Bind: d.Bind.String(), BindAt: at + ": Bind",
			Timeout: span(t.waits(d.Backend().Timeout)), Pool: pool})
	}
	if c.Stats.Bind.IsValid() {
		v.Stats = &statsView{statsName, c.Stats.Bind, c.Stats.Allow}
	}
	return v
}

func (t Timeouts) server() time.Duration  { return cmp.Or(t.Server, time.Minute) }
func (t Timeouts) queue() time.Duration   { return cmp.Or(t.Queue, 10*time.Second) }
func (t Timeouts) tunnel() time.Duration  { return cmp.Or(t.Tunnel, time.Hour) }
func (t Timeouts) client() time.Duration  { return cmp.Or(t.Client, time.Minute) }
func (t Timeouts) request() time.Duration { return cmp.Or(t.Request, min(10*time.Second, t.client())) }
func (t Timeouts) keepAlive() time.Duration {
	return cmp.Or(t.KeepAlive, min(15*time.Second, t.client()))
}

// waits is how long a client in Mode TCP may say nothing before it has a server. HAProxy counts the queue.
func (t Timeouts) waits(silence time.Duration) time.Duration { return max(silence, t.queue()) }

// longest is how long a process that was replaced may have work that is not a stream.
func (c Config) longest() time.Duration {
	longest := c.Timeouts.server()
	for _, b := range c.Backends {
		if b.Mode != TCP {
			longest = max(longest, b.Timeout)
		}
	}
	return longest + c.Timeouts.keepAlive()
}

func (c Config) hardStop() time.Duration {
	return cmp.Or(c.Global.HardStopAfter, max(5*time.Minute, c.longest()+30*time.Second))
}

func (c Config) tls() bool {
	for _, f := range c.Frontends {
		for _, b := range f.Binds {
			if len(b.TLS.Certificates) > 0 {
				return true
			}
		}
	}
	for _, b := range c.Backends {
		if b.TLS.CA != "" {
			return true
		}
	}
	return false
}

func rawLines(place string, raw []string) []line {
	var list []line
	for i, text := range raw {
		list = append(list, line{Text: text, At: fmt.Sprintf("%s: Raw[%d]", place, i)})
	}
	if len(list) > 0 {
		list[0].Why = "Written by hand."
	}
	return list
}

func newFrontend(f Frontend, t Timeouts) frontendView {
	at := fmt.Sprintf("frontend %q", f.Name)
	v := frontendView{Name: f.Name, At: at, TCP: f.Mode == TCP, TrustForwarded: f.TrustForwarded, MaxConn: f.MaxConn, MaxConnAt: at + ": MaxConn",
		Backend: f.Backend, Raw: rawLines(at, f.Raw), Timeout: span(t.waits(t.tunnel()))}
	for i, b := range f.Binds {
		v.Binds = append(v.Binds, line{Text: b.words(f.Mode), At: fmt.Sprintf("%s: Binds[%d]", at, i)})
	}
	for i, r := range f.Rules {
		v.Rules = append(v.Rules, line{Why: r.Why, Text: r.words(), At: fmt.Sprintf("%s Rules[%d]", at, i)})
		v.SNI = v.SNI || len(r.When.SNI)+len(r.Unless.SNI) > 0
	}
	if len(v.Rules) > 0 && v.Rules[0].Why == "" {
		v.Rules[0].Why = "The first that applies."
	}
	return v
}

func (b Bind) words(m Mode) string {
	w := []string{b.Addr.String()}
	if b.Addr.Addr() == netip.IPv6Unspecified() {
		w = append(w, "v4v6")
	}
	if b.AcceptProxy {
		w = append(w, "accept-proxy")
	}
	if len(b.TLS.Certificates) > 0 {
		w = append(w, "ssl")
		for _, c := range b.TLS.Certificates {
			w = append(w, "crt", c)
		}
		if m != TCP {
			w = append(w, "alpn", "h2,http/1.1")
		}
	}
	if b.TLS.ClientCA != "" {
		w = append(w, "verify", "required", "ca-file", b.TLS.ClientCA)
	}
	return strings.Join(w, " ")
}

func (r Rule) words() string {
	switch {
	case r.Deny != 0:
		return fmt.Sprintf("http-request deny deny_status %d", r.Deny) + r.condition()
	case r.Redirect != "":
		return "http-request redirect prefix " + r.Redirect + " code 308" + r.condition()
	case r.Set != Header{}:
		return "http-request set-header " + r.Set.Name + " " + quoteFormat(r.Set.Value) + r.condition()
	case r.Use != "":
		return "use_backend " + r.Use + r.condition()
	}
	return r.Raw
}

// condition is the end of the rule's line, or nothing where everything matches. HAProxy joins tests by "and", and such
// groups by "or": what is to match unless both a and b do, matches where a does not or b does not.
func (r Rule) condition() string {
	all := strings.Join(r.When.tests(), " ")
	var groups []string
	for _, t := range r.Unless.tests() {
		groups = append(groups, strings.TrimSpace(all+" !"+t))
	}
	switch {
	case len(groups) > 0:
		return " if " + strings.Join(groups, " or ")
	case all != "":
		return " if " + all
	}
	return ""
}

func (m Match) tests() []string {
	var tests []string
	test := func(fetch string, list []string) {
		if len(list) > 0 {
			tests = append(tests, "{ "+fetch+" "+strings.Join(list, " ")+" }")
		}
	}
	var sources []string
	for _, p := range m.Sources {
		sources = append(sources, p.String())
	}
	test("src", sources)
	test("req.ssl_sni -i", m.SNI)
	test("req.hdr(host),host_only -i", m.Hosts)
	test("method", m.Methods)
	test("path", m.Paths)
	test("path_beg", m.PathPrefixes)
	return tests
}
