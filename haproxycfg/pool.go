package haproxycfg

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// pool is a backend in the words of the file.
type pool struct {
	Name, At            string
	TCP, Exclusive      bool
	Balance, BalanceAt  string
	Timeout, TimeoutAt  string
	Count               int
	OnTimeout           bool
	Cookie              *Cookie
	CookieAt            string
	Check, Raw, Servers []line
	Options             string // that its servers have in common
}

func newPool(at string, b Backend, t Timeouts) pool {
	p := pool{Name: b.Name, At: at, TCP: b.Mode == TCP, Exclusive: b.Exclusive, Balance: string(cmp.Or(b.Balance, RoundRobin)), BalanceAt: at + ": Balance",
		TimeoutAt: at + ": Timeout", Count: max(cmp.Or(b.Retries.Count, 3), 0), OnTimeout: b.Retries.OnTimeout,
		CookieAt: at + ": Cookie", Raw: rawLines(at, b.Raw), Options: b.options(), Check: b.Check.lines(at + ": Check")}
	if d := b.silence(t); d != 0 {
		p.Timeout = span(d)
	}
	if b.Cookie.Name != "" {
		p.Cookie = &b.Cookie
	}
	for _, s := range b.Servers {
		p.Servers = append(p.Servers, line{Text: s.words(), At: fmt.Sprintf("%s server %q", at, s.Name)})
	}
	return p
}

// silence is the time-out that the backend has for itself. In Mode TCP it always has one: HAProxy would use that of
// WebSockets.
func (b Backend) silence(t Timeouts) time.Duration {
	if b.Mode == TCP {
		return cmp.Or(b.Timeout, t.tunnel())
	}
	return b.Timeout
}

func (c Check) lines(at string) []line {
	if c.Off || c.Path == "" {
		return nil
	}
	return []line{
		{Why: "A server is well if it says so.", Text: "option httpchk", At: at},
		{Text: fmt.Sprintf("http-check send meth GET uri %s ver HTTP/1.1 hdr Host %s", c.Path, cmp.Or(c.Host, "localhost")), At: at + ".Path"},
		{Text: "http-check expect status " + cmp.Or(c.Status, "200-399"), At: at + ".Status"},
		{Text: "timeout check " + span(cmp.Or(c.Timeout, 2*time.Second)), At: at + ".Timeout"},
	}
}

// words is the server's line in the file. A server that is drained at the start has no share.
func (s Server) words() string {
	w := s.Name + " " + s.Addr.String() + s.options()
	if s.State == Maint {
		w += " disabled"
	}
	return w
}

// options are those that a server has for itself, each after a space.
func (s Server) options() string {
	w := ""
	switch {
	case s.State == Drain:
		w += " weight 0"
	case s.Weight != 0:
		w += fmt.Sprintf(" weight %d", s.Weight)
	}
	if s.MaxConn != 0 {
		w += fmt.Sprintf(" maxconn %d", s.MaxConn)
	}
	if s.Backup {
		w += " backup"
	}
	return w
}

// options are those that all servers of the backend have. A server that joins at run time is given them one by one,
// since it does not inherit them.
func (b Backend) options() string {
	var w []string
	if b.SendProxy {
		w = append(w, "send-proxy-v2")
	}
	w = append(w, b.TLS.options(b)...)
	if !b.Check.Off {
		c := b.Check
		interval := cmp.Or(c.Interval, 2*time.Second)
		w = append(w, "check")
		if c.Port != 0 {
			w = append(w, fmt.Sprintf("port %d", c.Port))
		}
		w = append(w, "inter "+span(interval), "fastinter "+span(part(interval, 4)), "downinter "+span(part(interval, 2)),
			fmt.Sprintf("rise %d fall %d", cmp.Or(c.Rise, 2), cmp.Or(c.Fall, 3)))
	}
	if b.SlowStart >= 0 && !b.Check.Off {
		w = append(w, "slowstart "+span(cmp.Or(b.SlowStart, 10*time.Second)))
	}
	if b.StartDown {
		w = append(w, "init-state down")
	}
	if b.Exclusive {
		w = append(w, "backup", "on-marked-down shutdown-sessions")
	}
	return strings.Join(w, " ")
}

func (t ServerTLS) options(b Backend) []string {
	if t.CA == "" {
		return nil
	}
	w := []string{"ssl", "verify required", "ca-file", t.CA, "verifyhost", t.Name, "sni", "str(" + t.Name + ")"}
	if !b.Check.Off {
		w = append(w, "check-ssl", "check-sni", t.Name) // a server that joins would be checked without TLS
	}
	if t.HTTP2 {
		w = append(w, "alpn", "h2,http/1.1")
		if !b.Check.Off {
			w = append(w, "check-alpn", "http/1.1")
		}
	}
	return w
}

// part is a fraction of an interval in whole milliseconds.
func part(d time.Duration, n int64) time.Duration {
	return (d / time.Duration(n)).Truncate(time.Millisecond)
}
