package haproxycfg

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

var v31 = Version(301)

func (k *checker) backend(b Backend, v Version) {
	place := fmt.Sprintf("backend %q", b.Name)
	k.section(place, b.Name)
	k.mode(place, b.Mode)
	k.that(slices.Contains([]Balance{"", RoundRobin, LeastConn, Random, Source}, b.Balance), place, "Balance", b.Balance,
		"is none of roundrobin, leastconn, random and source")
	if b.StartDown && v >= V26 && v < v31 { // an older one is reported by itself
		k.errs = append(k.errs, &VersionError{What: place + ": StartDown", Needs: v31, Has: v})
	}
	if b.SlowStart > 0 {
		k.time(place, "SlowStart", b.SlowStart, time.Millisecond, time.Hour)
	}
	k.time(place, "Timeout", b.Timeout, time.Millisecond, 24*time.Hour)
	k.that(b.Retries.Count <= 100, place, "Retries.Count", b.Retries.Count, "is above 100")
	k.that(b.Mode != TCP || b.Retries == Retries{Count: b.Retries.Count}, place, "Retries.OnTimeout", true, "is for Mode http")
	k.serverTLS(place, b)
	k.check(place, b.Check)
	k.servers(place, b.Servers)
	if b.Exclusive {
		k.that(b.Mode == TCP, place, "Exclusive", true, "is for Mode tcp")
		k.exclusive(place, b.Servers)
	}
	k.raw(place, b.Raw, rawBackend, "")
}

// exclusive refuses what would have a second server work beside the first.
func (k *checker) exclusive(place string, list []Server) {
	for _, s := range list {
		at := fmt.Sprintf("%s server %q", place, s.Name)
		k.that(!s.Backup, at, "Backup", true, "says nothing where one server gets everything; the order of Servers does")
		k.that(s.State != Drain, at, "State", s.State, "would keep its connections beside those of the next server; maint ends them")
	}
}

func (k *checker) serverTLS(place string, b Backend) {
	if b.TLS == (ServerTLS{}) {
		return
	}
	k.path(place, "TLS.CA", b.TLS.CA)
	k.that(isHost(b.TLS.Name), place, "TLS.Name", b.TLS.Name, "is not the host name of the servers' certificates")
	k.that(b.Mode != TCP || !b.TLS.HTTP2, place, "TLS.HTTP2", true, "is for Mode http")
}

func (k *checker) cookie(place string, b Backend) {
	if b.Cookie == (Cookie{}) {
		return
	}
	k.that(cookieName.MatchString(b.Cookie.Name), place, "Cookie.Name", b.Cookie.Name, "is not a cookie name")
	k.that(cookieKey.MatchString(b.Cookie.Key), place, "Cookie.Key", "…", "is not 16 to 64 letters and digits")
	k.that(b.Mode != TCP, place, "Cookie.Name", b.Cookie.Name, "is for Mode http")
}

func (k *checker) check(place string, c Check) {
	if c.Off {
		k.that(c == Check{Off: true}, place, "Check.Off", true, "leaves no check to describe")
		return
	}
	k.that(c.Path == "" || urlPath.MatchString(c.Path), place, "Check.Path", c.Path, "is not a URL path, such as /up")
	k.that(c.Host == "" || isHost(c.Host), place, "Check.Host", c.Host, "is not a host name")
	k.that(c.Status == "" || statuses.MatchString(c.Status), place, "Check.Status", c.Status, "is not a status or range, such as 200-399")
	k.that(c.Path != "" || c.Host == "" && c.Status == "" && c.Timeout == 0, place, "Check.Path", c.Path, "is needed for Host, Status and Timeout")
	k.time(place, "Check.Interval", c.Interval, 100*time.Millisecond, time.Hour)
	k.time(place, "Check.Timeout", c.Timeout, time.Millisecond, time.Hour)
	k.number(place, "Check.Rise", c.Rise, 1, 100)
	k.number(place, "Check.Fall", c.Fall, 1, 100)
}

func (k *checker) servers(place string, list []Server) {
	names, addrs := map[string]bool{}, map[netip.AddrPort]string{}
	for _, s := range list {
		at := fmt.Sprintf("%s server %q", place, s.Name)
		named := objectName.MatchString(s.Name)
		k.that(named, at, "Name", s.Name, "is not 1 to 64 of letters, digits and _.:-")
		k.that(!named || !names[s.Name], at, "Name", s.Name, "is there twice")
		ip := s.Addr.Addr()
		reachable := s.Addr.IsValid() && s.Addr.Port() != 0 && !ip.IsUnspecified() && ip.Zone() == "" && !ip.Is4In6()
		k.that(reachable, at, "Addr", s.Addr, "is not an address with a port that can be reached")
		other, taken := addrs[s.Addr]
		k.that(!reachable || !taken || names[s.Name], at, "Addr", s.Addr, fmt.Sprintf("is that of %q too", other))
		names[s.Name], addrs[s.Addr] = true, s.Name
		k.number(at, "Weight", s.Weight, 1, 256)
		k.number(at, "MaxConn", s.MaxConn, 1, 1_000_000)
		k.that(slices.Contains([]State{"", Ready, Drain, Maint}, s.State), at, "State", s.State, "is none of ready, drain and maint")
	}
}

func (k *checker) database(d Database) {
	place := fmt.Sprintf("database %q", d.Name)
	k.section(place, d.Name)
	k.bind(place, "Bind", d.Bind)
	k.that(urlPath.MatchString(d.RolePath), place, "RolePath", d.RolePath, "is not a URL path, such as /source")
	k.that(d.RolePort != 0, place, "RolePort", d.RolePort, "is needed: who asks a database for its role over HTTP?")
	k.time(place, "Interval", d.Interval, 100*time.Millisecond, time.Hour)
	k.time(place, "IdleTimeout", d.IdleTimeout, time.Millisecond, 20*24*time.Hour)
	k.servers(place, d.Servers)
	k.exclusive(place, d.Servers)
	k.raw(place, d.Raw, rawBackend, "")
}
