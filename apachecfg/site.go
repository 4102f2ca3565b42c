package apachecfg

import (
	"net/netip"
	"time"
)

// Site is one web site as Apache serves it: who may ask for it, what is answered from files, and which
// processes answer the rest.
type Site struct {
	// Name names the balancer, the log files and the configuration file: [a-z][a-z0-9-]{0,30}, such as "shop".
	Name string

	// Host is the canonical host name, such as "www.shop.example". Required.
	Host string

	// Aliases are other names of the site. Each is redirected to Host, path and query kept (308).
	// A name that is neither Host nor one of these is refused with 421.
	Aliases []string

	// At least one of HTTP and HTTPS has a port.
	HTTP  HTTP
	HTTPS HTTPS

	// Root is the directory of the files that Apache serves itself, on the server, such as
	// "/srv/shop/current/public". Required.
	Root string

	// Immutable are URL prefixes below which a file's name changes with its content, such as "/assets/".
	// Files there are cached for a year and served during maintenance too. Zero: none.
	Immutable []string

	// FileMaxAge is how long other files may be used without asking again. Zero: 5 minutes. Negative: always ask.
	FileMaxAge time.Duration

	// Shared are directories outside of the release whose files are served below a URL prefix, such as "/system/":
	// "/srv/shop/shared/public/system". No link below them is followed, so they are for what the app may write.
	// Zero: none.
	Shared map[string]string

	// CachedPages are directories of pages that the app wrote to be served without asking it (Rails page caching).
	// A GET or HEAD of /books without query is answered from DIR/books, DIR/books.html or DIR/books/index.html
	// where there is one. Name them by their real path: no link below them is followed. Zero: none.
	CachedPages []string

	// HealthPath is answered by the app even during maintenance, such as "/up"; no part of it begins with a dot. Apache
	// checks the processes by it too. Zero: no checks beyond connecting.
	HealthPath string

	Maintenance Maintenance
	App         App

	// Headers are added to every answer that does not have them yet. Zero: X-Content-Type-Options nosniff,
	// X-Frame-Options SAMEORIGIN, Referrer-Policy strict-origin-when-cross-origin. An empty value leaves one of
	// these out. None begins with "expr=", which Apache would compute instead of sending it.
	Headers map[string]string

	// MaxBody is the longest request body in bytes, whether it says its length or not; a longer one gets 413. Over HTTP/2
	// a visitor who sends on meanwhile gets that answer whole and then RST_STREAM (NO_ERROR), as RFC 9113 has it; curl 7.88
	// takes that for an error (92) and shows no status. Of whatever length, a body has 20 s and one more for every 4,000
	// bytes that have come, else it gets 408. Zero: 100 MiB. Negative: no limit.
	MaxBody int64

	Loopback Loopback
	Threads  Threads
}

// HTTP is the plain port.
type HTTP struct {
	// Port to listen on. Zero: no plain HTTP.
	Port uint16

	// PublicPort is the port in the visitor's address bar where it is not Port, as behind a published container
	// port. Redirects and forwarding headers use it. Zero: Port.
	PublicPort uint16

	// RedirectToHTTPS answers every request with a redirect to the same path and query over HTTPS.
	RedirectToHTTPS bool
}

// HTTPS is the encrypted port: TLS 1.2 and 1.3 as in Mozilla's intermediate recommendation, HTTP/2 and HTTP/1.1.
type HTTPS struct {
	// Port to listen on. Zero: no HTTPS.
	Port uint16

	// PublicPort is as in HTTP.
	PublicPort uint16

	// Certificate and Key are PEM files on the server; Certificate has the chain after the leaf.
	// Required with Port.
	Certificate string
	Key         string

	// HSTS is how long browsers are to remember that Host is reached over HTTPS only, such as 365 days. An app that says
	// so itself is not contradicted. Zero: they are not told.
	HSTS time.Duration
}

// Maintenance is switched on by a file and off by removing it; Apache is not reloaded. While it is on, everything
// but HealthPath and files below Immutable answers 503.
type Maintenance struct {
	// Flag is the file that switches it on, such as "/etc/shop/maintenance". Zero: none.
	// The app must not be able to write it, else it could switch the site off.
	Flag string

	// Page is the HTML that is shown meanwhile, and while no process of the app answers. Zero: Apache's own short text.
	Page string

	// RetryAfter tells clients when to ask again. Zero: 2 minutes.
	RetryAfter time.Duration
}

// App is what answers everything that is not a file. Exactly one of Processes and Proxy is set.
type App struct {
	// Processes are the app's own processes; Apache balances over them.
	Processes []netip.AddrPort

	// Proxy is a load balancer on this machine, such as HAProxy, that everything is handed to.
	Proxy netip.AddrPort

	// Timeout is how long an answer may take to begin. Zero: 60 s.
	Timeout time.Duration

	// IdleTimeout is how long a connection to a process may idle before it is not used any more. It must be below
	// the app's own (Puma: 20 s and more; HAProxy: timeout http-keep-alive). Zero: 10 s.
	IdleTimeout time.Duration

	// CheckInterval is the time between two requests for HealthPath to each process. Zero: 2 s.
	// With Proxy there are none: it checks for itself.
	CheckInterval time.Duration
}

// Loopback is a listener on 127.0.0.1 for this machine's own use: HealthPath whatever the host name,
// /server-status, and the balancer's switches that Balancer uses.
type Loopback struct {
	// Port to listen on, below 1024: any program may take a higher one while Apache is down, and Apache would not
	// start again. (Docker lets every program take any port unless net.ipv4.ip_unprivileged_port_start is set.)
	// Zero: no listener.
	Port uint16

	// SecretFile holds the password of the balancer's switches, readable by root only, without a newline; the file
	// that SecretConfPath names beside it tells Apache. Zero: no switches. Source of both: SecretScript.
	SecretFile string
}

// Threads sizes Apache (mpm_event). The number of processes is fixed, since each one that Apache ends when it is
// quiet cuts the idle connections that it held.
type Threads struct {
	// Processes, 1 to 16. Zero: 8.
	Processes int

	// PerProcess, 1 to 512. Zero: 256. Requests at one time, and visitors who are slow with their greeting, header or
	// body, are Processes × PerProcess.
	PerProcess int
}

// memberURL is how Apache calls the member at a.
func memberURL(a netip.AddrPort) string { return "http://" + a.String() }

func or[T comparable](v, zero T) T {
	var none T
	if v == none {
		return zero
	}
	return v
}
