package haproxycfg

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Validate reports every mistake in the configuration at once, each once and with the field's name; nil means that Render
// accepts it.
func (c Config) Validate() error {
	k := &checker{sections: map[string]string{}, binds: map[netip.AddrPort]string{}}
	k.that(configName.MatchString(c.Name), "config", "Name", c.Name, "is not 1 to 64 of letters, digits and _.-")
	k.that(c.Version == 0 || c.Version >= V26 && c.Version < 10000, "config", "Version", c.Version, "is older than 2.6")
	k.global(c)
	k.timeouts(c)
	modes := map[string]Mode{}
	for _, b := range c.Backends {
		modes[b.Name] = cmp.Or(b.Mode, HTTP)
	}
	for _, f := range c.Frontends {
		k.frontend(f, modes)
	}
	for _, b := range c.Backends {
		k.backend(b, cmp.Or(c.Version, V26))
		k.cookie(fmt.Sprintf("backend %q", b.Name), b)
	}
	for _, d := range c.Databases {
		k.database(d)
	}
	k.stats(c.Stats)
	k.that(len(c.Frontends)+len(c.Databases) > 0 || c.Stats.Bind.IsValid(), "config", "Frontends", 0,
		"have no address to listen on, and nothing else has")
	return errors.Join(k.errs...)
}

var (
	configName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)
	objectName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$`)
	groupName  = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	hostName   = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	filePath   = regexp.MustCompile(`^(/[A-Za-z0-9_.@+~-]+)+$`)
	urlPath    = regexp.MustCompile(`^/[A-Za-z0-9_.~/?=&%+-]*$`)
	origin     = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]{1,5})?$`)
	headerName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	methodName = regexp.MustCompile(`^[A-Z]{1,32}$`)
	cookieName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	cookieKey  = regexp.MustCompile(`^[A-Za-z0-9]{16,64}$`)
	statuses   = regexp.MustCompile(`^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$`)
)

type checker struct {
	errs     []error
	sections map[string]string
	binds    map[netip.AddrPort]string
}

// that notes a mistake unless ok. The place is where the field is, such as `backend "web"`.
func (k *checker) that(ok bool, place, field string, value any, fact string) {
	if ok {
		return
	}
	switch value.(type) {
	case string, Mode, Balance, State:
		value = fmt.Sprintf("%q", value)
	}
	err := fmt.Errorf("haproxycfg: %s: %s %v %s", place, field, value, fact)
	if !slices.ContainsFunc(k.errs, func(e error) bool { return e.Error() == err.Error() }) {
		k.errs = append(k.errs, err)
	}
}

func (k *checker) number(place, field string, v, low, high int) {
	k.that(v == 0 || v >= low && v <= high, place, field, v, fmt.Sprintf("is not within %d and %d", low, high))
}

// time checks a duration, zero being none, and tells whether it is good.
func (k *checker) time(place, field string, d, low, high time.Duration) bool {
	within := d == 0 || d >= low && d <= high
	k.that(within, place, field, d, fmt.Sprintf("is not within %v and %v", low, high))
	whole := !within || d%time.Millisecond == 0
	k.that(whole, place, field, d, "is not whole milliseconds")
	return within && whole
}

func (k *checker) path(place, field, p string) {
	dots := slices.ContainsFunc(strings.Split(p, "/"), func(e string) bool { return e == "." || e == ".." })
	k.that(filePath.MatchString(p) && !dots, place, field, p, "is not an absolute path of letters, digits and _.@+~-")
}

// section notes a name, of which there is one only.
func (k *checker) section(place, name string) {
	switch {
	case !objectName.MatchString(name):
		k.that(false, place, "Name", name, "is not 1 to 64 of letters, digits and _.:-")
	case name == statsName:
		k.that(false, place, "Name", name, "is that of the page of figures")
	default:
		k.that(k.sections[name] == "", place, "Name", name, "is also that of "+k.sections[name])
		k.sections[name] = place
	}
}

// bind tells whether the address can be listened on.
func (k *checker) bind(place, field string, a netip.AddrPort) bool {
	ok := a.IsValid() && a.Port() != 0 && a.Addr().Zone() == "" && !a.Addr().Is4In6()
	k.that(ok, place, field, a, "is not an address with a port to listen on")
	k.that(!ok || k.binds[a] == "", place, field, a, "is taken by "+k.binds[a]+" already")
	k.binds[a] = place
	return ok
}

func (k *checker) raw(place string, lines, known []string, prefix string) {
	for i, line := range lines {
		field := fmt.Sprintf("Raw[%d]", i)
		if fact := control(line); fact != "" {
			k.that(false, place, field, line, fact)
			continue
		}
		word, _, _ := strings.Cut(line, " ")
		ok := slices.Contains(known, word) || prefix != "" && strings.HasPrefix(word, prefix)
		k.that(ok, place, field, line, "does not begin with a keyword that may stand in this section")
		k.that(!ok || !strings.HasSuffix(line, `\`), place, field, line, "ends with a backslash")
	}
}

func (k *checker) global(c Config) {
	g := c.Global
	k.that(g.Group == "" || groupName.MatchString(g.Group), "global", "Group", g.Group, "is not the name of a Unix group")
	k.number("global", "MaxConn", g.MaxConn, 1, 10_000_000)
	good := k.time("global", "HardStopAfter", g.HardStopAfter, time.Millisecond, 7*24*time.Hour)
	if longest := c.longest(); good && g.HardStopAfter != 0 {
		k.that(g.HardStopAfter > longest, "global", "HardStopAfter", g.HardStopAfter,
			fmt.Sprintf("would cut off requests: an idle connection and the longest answer may take %v", longest))
	}
	k.raw("global", g.Raw, rawGlobal, "tune.")
}

func (k *checker) timeouts(c Config) {
	t := c.Timeouts
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"Connect", t.Connect}, {"Client", t.Client}, {"Server", t.Server}, {"Queue", t.Queue}, {"Request", t.Request},
		{"KeepAlive", t.KeepAlive}, {"Tunnel", t.Tunnel}} {
		k.time("timeouts", f.name, f.d, time.Millisecond, 24*time.Hour)
	}
	// HAProxy ends an idle connection, and one whose header is not complete, by the shorter of two time-outs.
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"Request", t.Request}, {"KeepAlive", t.KeepAlive}} {
		k.that(t.Client <= 0 || f.d <= t.Client, "timeouts", f.name, f.d, fmt.Sprintf("is above Client %v, which would end it", t.Client))
	}
}

func (k *checker) stats(s Stats) {
	if !s.Bind.IsValid() {
		k.that(len(s.Allow) == 0, "stats", "Allow", s.Allow, "needs Bind")
		return
	}
	ok := k.bind("stats", "Bind", s.Bind)
	k.that(!ok || s.Bind.Addr().IsLoopback() || len(s.Allow) > 0, "stats", "Bind", s.Bind,
		"is open to strangers: Allow must name who may read it")
	k.prefixes("stats", "Allow", s.Allow)
}

func (k *checker) prefixes(place, field string, list []netip.Prefix) {
	for i, p := range list {
		k.that(p.IsValid() && !p.Addr().Is4In6(), place, fmt.Sprintf("%s[%d]", field, i), p, "is not a prefix of addresses")
	}
}
