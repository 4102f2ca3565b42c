package haproxycfg

import (
	"cmp"
	"fmt"
	"slices"
)

func (k *checker) frontend(f Frontend, modes map[string]Mode) {
	place := fmt.Sprintf("frontend %q", f.Name)
	k.section(place, f.Name)
	k.mode(place, f.Mode)
	k.number(place, "MaxConn", f.MaxConn, 1, 10_000_000)
	k.that(len(f.Binds) > 0, place, "Binds", f.Binds, "are empty")
	for i, b := range f.Binds {
		field := fmt.Sprintf("Binds[%d]", i)
		k.bind(place, field, b.Addr)
		k.clientTLS(place, field+".TLS", b.TLS)
	}
	k.raw(place, f.Raw, rawFrontend, "")
	if f.Backend != "" {
		k.use(place, "Backend", f.Backend, f.Mode, modes)
	}
	for i, r := range f.Rules {
		k.rule(fmt.Sprintf("%s Rules[%d]", place, i), r, f.Mode, modes)
	}
	chooses := func(r Rule) bool { return r.Use != "" }
	if chosen := slices.IndexFunc(f.Rules, chooses); chosen >= 0 {
		after := slices.IndexFunc(f.Rules[chosen:], func(r Rule) bool { return !chooses(r) })
		late := chosen + max(after, 0)
		k.that(after < 0, place, fmt.Sprintf("Rules[%d]", late), f.Rules[late].words(),
			fmt.Sprintf("stands after Rules[%d], which chooses a backend; HAProxy would run it before", chosen))
	}
}

func (k *checker) mode(place string, m Mode) {
	k.that(isMode(m), place, "Mode", m, `is neither "http" nor "tcp"`)
}

func isMode(m Mode) bool { return m == "" || m == HTTP || m == TCP }

func (k *checker) use(place, field, backend string, m Mode, modes map[string]Mode) {
	mode, there := modes[backend]
	k.that(there, place, field, backend, "is no backend")
	k.that(!there || mode == cmp.Or(m, HTTP) || !isMode(mode) || !isMode(m), place, field, backend, "is of Mode "+string(mode))
}

func (k *checker) clientTLS(place, field string, t ClientTLS) {
	for i, c := range t.Certificates {
		k.path(place, fmt.Sprintf("%s.Certificates[%d]", field, i), c)
	}
	if t.ClientCA != "" {
		k.path(place, field+".ClientCA", t.ClientCA)
		k.that(len(t.Certificates) > 0, place, field+".ClientCA", t.ClientCA, "needs Certificates")
	}
}

func (k *checker) rule(place string, r Rule, m Mode, modes map[string]Mode) {
	actions := 0
	for _, there := range []bool{r.Deny != 0, r.Redirect != "", r.Set != Header{}, r.Use != "", r.Raw != ""} {
		if there {
			actions++
		}
	}
	k.that(actions == 1, place, "actions", actions, "are not exactly one of Deny, Redirect, Set, Use and Raw")
	if fact := control(r.Why); fact != "" {
		k.that(false, place, "Why", r.Why, fact)
	}
	if m == TCP {
		k.that(r.Deny == 0 && r.Redirect == "" && r.Set == Header{}, place, "Mode", m, "knows no HTTP: Use and Raw only")
	}
	k.that(r.Deny == 0 || r.Deny >= 400 && r.Deny <= 599, place, "Deny", r.Deny, "is not a status within 400 and 599")
	k.that(r.Redirect == "" || origin.MatchString(r.Redirect), place, "Redirect", r.Redirect,
		"is not an origin such as https://www.shop.example")
	if r.Set != (Header{}) {
		k.header(place, r.Set)
	}
	if r.Use != "" {
		k.use(place, "Use", r.Use, m, modes)
	}
	if r.Raw != "" {
		k.raw(place, []string{r.Raw}, rawFrontend, "")
		k.that(r.When.conditions()+r.Unless.conditions() == 0, place, "When", "…", "does not apply to Raw")
	}
	k.match(place, "When", r.When, m)
	k.match(place, "Unless", r.Unless, m)
}

func (k *checker) header(place string, h Header) {
	k.that(headerName.MatchString(h.Name), place, "Set.Name", h.Name, "is not a header name")
	k.that(h.Value != "", place, "Set.Value", h.Value, "is empty")
	if fact := control(h.Value); fact != "" {
		k.that(false, place, "Set.Value", h.Value, fact)
	}
}

func (k *checker) match(place, field string, w Match, m Mode) {
	each := func(name string, list []string, ok func(string) bool, fact string) {
		for i, v := range list {
			k.that(ok(v), place, fmt.Sprintf("%s.%s[%d]", field, name, i), v, fact)
		}
	}
	const notHost = "is not a host name in lower case, such as www.shop.example"
	each("Hosts", w.Hosts, isHost, notHost)
	each("SNI", w.SNI, isHost, notHost)
	each("Paths", w.Paths, urlPath.MatchString, "is not a URL path")
	each("PathPrefixes", w.PathPrefixes, urlPath.MatchString, "is not a URL path")
	each("Methods", w.Methods, methodName.MatchString, "is not a method, such as POST")
	k.prefixes(place, field+".Sources", w.Sources)
	if m == TCP {
		k.that(len(w.Hosts)+len(w.Paths)+len(w.PathPrefixes)+len(w.Methods) == 0, place, field, "…", "asks for HTTP in Mode tcp")
	} else {
		k.that(len(w.SNI) == 0, place, field+".SNI", w.SNI, "is for Mode tcp; Hosts does it here")
	}
}

func isHost(s string) bool { return len(s) <= 253 && hostName.MatchString(s) }

func (m Match) conditions() int {
	return len(m.Hosts) + len(m.Paths) + len(m.PathPrefixes) + len(m.Methods) + len(m.Sources) + len(m.SNI)
}
