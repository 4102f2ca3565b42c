package apachecfg

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Validate reports every mistake in the site at once, each with the field's name; nil means that Render accepts it.
func (s Site) Validate() error {
	c := &checker{site: s.Name}
	c.that(siteName.MatchString(s.Name), "Name", s.Name, "is not [a-z][a-z0-9-]{0,30}")
	c.names(s)
	c.ports(s)
	c.https(s)
	c.paths(s)
	c.app(s)
	c.headers(s.Headers)
	c.within("FileMaxAge", s.FileMaxAge, -1<<62, maxAge)
	c.within("Maintenance.RetryAfter", s.Maintenance.RetryAfter, time.Second, maxAge)
	c.that(s.Threads.Processes >= 0 && s.Threads.Processes <= 16, "Threads.Processes", s.Threads.Processes,
		"is not within 1 and 16")
	c.that(s.Threads.PerProcess >= 0 && s.Threads.PerProcess <= 512, "Threads.PerProcess", s.Threads.PerProcess,
		"is not within 1 and 512")
	return errors.Join(c.errs...)
}

const maxAge = 10 * 365 * 24 * time.Hour

var (
	siteName   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	hostName   = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	filePath   = regexp.MustCompile(`^(/[A-Za-z0-9_.@+~-]+)+$`)
	urlPath    = regexp.MustCompile(`^(/[A-Za-z0-9_.~-]+)+$`)
	sharedURL  = regexp.MustCompile(`^(/[A-Za-z0-9_.@+~-]+)+/$`)
	urlPrefix  = regexp.MustCompile(`^(/[A-Za-z0-9_.~-]+)+/$`)
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

type checker struct {
	site string
	errs []error
}

func (c *checker) that(ok bool, field string, value any, fact string) {
	if ok {
		return
	}
	if _, isText := value.(string); isText {
		value = fmt.Sprintf("%q", value)
	}
	c.errs = append(c.errs, fmt.Errorf("apachecfg: site %q: %s %v %s", c.site, field, value, fact))
}

func (c *checker) within(field string, d, low, high time.Duration) {
	c.that(d == 0 || d >= low && d <= high, field, d, fmt.Sprintf("is not within %v and %v", max(low, 0), high))
	c.that(d%time.Second == 0 || d < 0, field, d, "is not whole seconds")
}

func (c *checker) names(s Site) {
	seen := map[string]bool{}
	name := func(field, host string) {
		c.that(len(host) <= 253 && hostName.MatchString(host), field, host,
			"is not a host name in lower case, such as www.shop.example")
		c.that(!seen[host], field, host, "is there twice")
		seen[host] = true
	}
	name("Host", s.Host)
	for i, a := range s.Aliases {
		name(fmt.Sprintf("Aliases[%d]", i), a)
	}
}

func (c *checker) ports(s Site) {
	taken := map[uint16]string{}
	port := func(field string, p uint16) {
		if p == 0 {
			return
		}
		c.that(taken[p] == "", field, p, "is taken by "+taken[p]+" already")
		taken[p] = field
	}
	port("HTTP.Port", s.HTTP.Port)
	port("HTTPS.Port", s.HTTPS.Port)
	port("Loopback.Port", s.Loopback.Port)
	for i, p := range s.App.Processes {
		if p.Addr().IsLoopback() {
			port(fmt.Sprintf("App.Processes[%d]", i), p.Port())
		}
	}
	if s.App.Proxy.Addr().IsLoopback() {
		port("App.Proxy", s.App.Proxy.Port())
	}
	c.that(s.HTTP.Port != 0 || s.HTTPS.Port != 0, "HTTP.Port", 0, "and HTTPS.Port 0: one of them is needed")
	c.that(s.HTTP.Port != 0 || s.HTTP.PublicPort == 0, "HTTP.PublicPort", s.HTTP.PublicPort, "needs HTTP.Port")
	c.that(s.HTTPS.Port != 0 || s.HTTPS.PublicPort == 0, "HTTPS.PublicPort", s.HTTPS.PublicPort, "needs HTTPS.Port")
	c.that(s.Loopback.Port != 0 || s.Loopback.SecretFile == "", "Loopback.SecretFile", s.Loopback.SecretFile,
		"needs Loopback.Port")
}

func (c *checker) https(s Site) {
	if s.HTTPS.Port == 0 {
		c.that(!s.HTTP.RedirectToHTTPS, "HTTP.RedirectToHTTPS", true, "needs HTTPS.Port")
		c.that(s.HTTPS.HSTS == 0, "HTTPS.HSTS", s.HTTPS.HSTS, "needs HTTPS.Port")
		return
	}
	c.path("HTTPS.Certificate", s.HTTPS.Certificate)
	c.path("HTTPS.Key", s.HTTPS.Key)
	c.within("HTTPS.HSTS", s.HTTPS.HSTS, time.Second, maxAge)
}

func (c *checker) path(field, p string) {
	c.that(filePath.MatchString(p) && !dots(p), field, p,
		"is not an absolute path of letters, digits and _.@+~- without a slash at its end")
}

// dots tells whether a path has a component that leads elsewhere.
func dots(p string) bool {
	return slices.ContainsFunc(strings.Split(p, "/"), func(e string) bool { return e == "." || e == ".." })
}

// hidden tells whether a URL path has a part that visitors never get.
func hidden(p string) bool {
	return slices.ContainsFunc(strings.Split(p, "/"), func(e string) bool {
		return strings.HasPrefix(e, ".") && e != ".well-known"
	})
}

func (c *checker) paths(s Site) {
	c.path("Root", s.Root)
	for i, d := range s.CachedPages {
		c.path(fmt.Sprintf("CachedPages[%d]", i), d)
	}
	for _, prefix := range slices.Sorted(maps.Keys(s.Shared)) {
		c.that(sharedURL.MatchString(prefix) && !hidden(prefix), "Shared", prefix,
			"is not a URL prefix between slashes without hidden parts, such as /system/")
		c.path("Shared["+prefix+"]", s.Shared[prefix])
	}
	optional := func(field, p string) {
		if p != "" {
			c.path(field, p)
		}
	}
	optional("Maintenance.Flag", s.Maintenance.Flag)
	optional("Maintenance.Page", s.Maintenance.Page)
	optional("Loopback.SecretFile", s.Loopback.SecretFile)
	for i, p := range s.Immutable {
		c.that(urlPrefix.MatchString(p) && !dots(p), fmt.Sprintf("Immutable[%d]", i), p,
			"is not a URL prefix between slashes, such as /assets/")
	}
	c.that(s.HealthPath == "" || urlPath.MatchString(s.HealthPath) && !dots(s.HealthPath), "HealthPath", s.HealthPath,
		"is not a URL path of letters, digits and _.~-, such as /up")
	c.that(!hidden(s.HealthPath), "HealthPath", s.HealthPath, "has a hidden part, which is answered 404")
}

func (c *checker) app(s Site) {
	a := s.App
	c.that(len(a.Processes) > 0 != a.Proxy.IsValid(), "App.Processes", a.Processes,
		fmt.Sprintf("and App.Proxy %v: exactly one of them is needed", a.Proxy))
	seen := map[netip.AddrPort]bool{}
	for i, p := range a.Processes {
		field := fmt.Sprintf("App.Processes[%d]", i)
		c.addr(field, p)
		c.that(!seen[p], field, p, "is there twice")
		seen[p] = true
	}
	if a.Proxy != (netip.AddrPort{}) {
		c.addr("App.Proxy", a.Proxy)
	}
	c.within("App.Timeout", a.Timeout, time.Second, 24*time.Hour)
	c.within("App.IdleTimeout", a.IdleTimeout, time.Second, time.Hour)
	c.within("App.CheckInterval", a.CheckInterval, time.Second, time.Hour)
}

func (c *checker) addr(field string, a netip.AddrPort) {
	ip := a.Addr()
	c.that(a.IsValid() && a.Port() != 0 && !ip.IsUnspecified() && ip.Zone() == "" && !ip.Is4In6(), field, a,
		"is not an address with a port that can be reached")
}

func (c *checker) headers(headers map[string]string) {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		c.that(headerName.MatchString(name), "Headers", name, "is not a header name")
		lower := strings.ToLower(name)
		c.that(seen[lower] == "", "Headers", name, "is there twice")
		c.that(!slices.Contains(ownHeaders, lower), "Headers", name, "is set by Apache itself")
		seen[lower] = name
		if fact := control(headers[name]); fact != "" {
			c.that(false, "Headers["+name+"]", headers[name], fact)
		}
		c.that(!strings.HasPrefix(strings.ToLower(headers[name]), "expr="), "Headers["+name+"]", headers[name],
			"begins with expr=, which Apache would compute")
	}
}

// ownHeaders belong to the protocol or to another field.
var ownHeaders = []string{"connection", "content-length", "transfer-encoding", "upgrade", "date", "server",
	"strict-transport-security", "retry-after", "cache-control"}
