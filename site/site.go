package site

import (
	"cmp"
	"slices"
	"time"
)

// Site is one web site: everything else is derived from this value.
type Site struct {
	// Name identifies the site in tags, paths, units and the database: a lower-case letter, then up to 30 of a–z, 0–9 and "-".
	Name string

	// Domain is the canonical host name, such as "www.shop.example". Every other name is redirected to it.
	// On the local cloud it is NAME.localhost with the published port instead.
	Domain string

	// Aliases are further names that are redirected to Domain. Names in neither list are refused.
	Aliases []string

	App      App
	Web      Web
	Database Database
	Backup   Backup

	// Image is the servers' operating system: "" (Debian 13), "debian-12" or "ubuntu-24.04".
	Image string

	// Type is the cloud's instance type; "" is its smallest sensible one.
	Type string
}

// App is the application: processes that each answer HTTP on a port of the loopback interface.
type App struct {
	// Source is the folder with the code, relative to where the program is started, or a Git working tree with Revision.
	Source string

	// Revision is the Git revision to deploy, such as "main". Empty deploys the folder as it is.
	Revision string

	// Command starts one process in the release's folder, by /bin/sh, with PORT in its environment. It must stay in the foreground.
	Command string

	// Build prepares a release before it is published, in its folder; Migrate is run once for each deploy. Empty runs nothing.
	// The build does not see the linked directories: what the application wrote there must not run with the code owner's rights.
	Build   string
	Migrate string

	// Processes is how many run on each app server. Zero: 4. They listen on Port, Port+1, …; zero: 8001.
	Processes int
	Port      uint16

	// Health is the path that answers 200 when the process can serve. Empty: "/up".
	Health string

	// Packages are the operating system's packages that the application needs.
	Packages []string

	// Env is its environment besides PORT, HOST_NAME, DATABASE_URL and SECRET_KEY_BASE. Plans print its
	// names, never its values. It must not come from the operator's own environment, which the servers do not have (see
	// CheckRecord): a secret belongs in a file of LinkedFiles.
	Env map[string]string

	// LinkedDirs and LinkedFiles live in shared/ and are linked into every release, as Capistrano does. No backup has
	// them: what people upload into them is lost with the server. Keep uploads in the database or in a bucket of the
	// application's.
	LinkedDirs  []string
	LinkedFiles []string

	// Memory limits what one process may use, in bytes, at least 64 MiB; one that wants more is killed and started
	// again. Zero: half of the server's memory, which keeps a process that grows without end from taking all of it.
	Memory int64

	// BootTimeout bounds how long a process that starts may do nothing: be on a CPU for less than a hundredth of the
	// time, and answer no request. From its first answer of any kind on, it bounds the time to a healthy one. A process
	// that goes on working without an answer is given up after ten times BootTimeout. Zero: 60 s.
	BootTimeout time.Duration
}

// Web is what Apache does in front of the application.
type Web struct {
	HTTPS HTTPS

	// PageCache is the folder below public/ in which the application leaves whole pages; Apache serves them before
	// the application is asked. Empty: "cache". "-" switches it off.
	PageCache string

	// MaxBody bounds a request's body in bytes. Zero: 64 MiB.
	MaxBody int64
}

// HTTPS says whether the site speaks TLS. The zero value is plain HTTP.
type HTTPS struct {
	Mode HTTPSMode

	// CertFile and KeyFile are PEM files on the operator's machine. Both empty: a certificate from the site's own
	// authority, which browsers do not trust.
	CertFile string
	KeyFile  string

	// HSTS is how long browsers are to remember that the site is reached over HTTPS only, in whole seconds, such as 365
	// days. It cannot be taken back before. Zero: they are not told.
	HSTS time.Duration
}

// HTTPSMode is how HTTP and HTTPS go together.
type HTTPSMode string

// The modes of HTTPS.
const (
	HTTPOnly      HTTPSMode = ""         // port 80 only
	HTTPAndHTTPS  HTTPSMode = "both"     // ports 80 and 443 serve alike
	HTTPSRedirect HTTPSMode = "redirect" // port 80 redirects to port 443
)

// Database is the site's database.
type Database struct {
	// Engine is "mariadb" (also when empty) or "mysql".
	Engine string
}

// The roles of a server, as its tags say.
const (
	RoleWeb = "web" // Apache
	RoleApp = "app" // the application's processes
	RoleDB  = "db"  // the database
)

// AllInOne is a site on one server: Apache in front of the application's processes and the database.
func AllInOne(name, domain string, app App) Site {
	return Site{Name: name, Domain: domain, App: app}
}

// Rails is a Rails application in a folder: Puma runs it, with the gems of the operating system's own packages.
// Its fields may be changed; Source is required.
func Rails(source string) App {
	return App{
		Source:     source,
		Command:    "exec puma -C config/puma.rb -b tcp://127.0.0.1:$PORT",
		Migrate:    "bin/rails db:migrate",
		Packages:   []string{"rails", "puma", "ruby-mysql2"},
		Env:        map[string]string{"RAILS_ENV": "production", "RACK_ENV": "production", "RAILS_LOG_TO_STDOUT": "1", "LANG": "C.UTF-8"},
		LinkedDirs: []string{"log", "tmp", "public/cache", "public/system"},
	}
}

// WithDefaults is the site with every default filled in that its zero values stand for.
func (s Site) WithDefaults() Site {
	s.App, s.Web, s.Backup = s.App.withDefaults(), s.Web.withDefaults(), s.Backup.withDefaults()
	s.Image, s.Database.Engine = cmp.Or(s.Image, "debian-13"), cmp.Or(s.Database.Engine, "mariadb")
	return s
}

func (a App) withDefaults() App {
	a.Processes = cmp.Or(a.Processes, 4)
	a.Port = cmp.Or(a.Port, 8001)
	a.Health = cmp.Or(a.Health, "/up")
	a.BootTimeout = cmp.Or(a.BootTimeout, time.Minute)
	return a
}

func (w Web) withDefaults() Web {
	w.PageCache = cmp.Or(w.PageCache, "cache")
	w.MaxBody = cmp.Or(w.MaxBody, 64<<20)
	return w
}

// Server is one server of the topology, before it has an address.
type Server struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	Ports []uint16 `json:"ports"` // that the world may reach
}

// Servers is the topology as a list of servers, sorted by name.
func (s Site) Servers() []Server {
	return []Server{{Name: "web-1", Roles: []string{RoleWeb, RoleApp, RoleDB}, Ports: s.Web.ports()}}
}

// With are the servers of the topology that have a role, sorted by name.
func (s Site) With(role string) []Server {
	return slices.DeleteFunc(s.Servers(), func(v Server) bool { return !slices.Contains(v.Roles, role) })
}

// ports of a front end that the world may reach.
func (w Web) ports() []uint16 {
	if w.HTTPS.Mode == HTTPOnly {
		return []uint16{80}
	}
	return []uint16{80, 443}
}
