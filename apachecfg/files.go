package apachecfg

import (
	_ "embed" // logrotate.conf
	"io/fs"
	"slices"
)

// Paths on the server.
const (
	// PortsPath is Debian's list of ports. The site's own file names them, so it is replaced by a remark.
	PortsPath = "/etc/apache2/ports.conf"

	// LuaPath is the script that looks at every request.
	LuaPath = "/etc/apache2/request.lua"

	// DropInPath is where DropIn belongs.
	DropInPath = "/etc/systemd/system/apache2.service.d/threads.conf"

	// LogrotatePath is Debian's own rule for Apache's logs. It is replaced by one that needs no reload.
	LogrotatePath = "/etc/logrotate.d/apache2"

	// Unit is Apache's systemd unit, User the account that it serves as.
	Unit = "apache2.service"
	User = "www-data"
)

// ConfigPath is where the file of the site with this name belongs.
func ConfigPath(name string) string { return "/etc/apache2/sites-available/" + name + ".conf" }

// EnabledPath is the symbolic link to ConfigPath that makes Apache read it. Debian's 000-default.conf beside it
// is to be removed: it would answer for unknown names.
func EnabledPath(name string) string { return "/etc/apache2/sites-enabled/" + name + ".conf" }

// DefaultPath is Debian's welcome page, which is to go.
const DefaultPath = "/etc/apache2/sites-enabled/000-default.conf"

// DropIn goes with systemd's unit of Apache on servers of less than 4 GiB: by default a service gets 15 % of the threads
// that the kernel allows, which are then fewer than Threads asks for, twice over during a reload.
const DropIn = "# Apache's own configuration limits its threads.\n[Service]\nTasksMax=infinity\n"

//go:embed logrotate.conf
var logrotate []byte

// File is a file of the configuration, owned by root.
type File struct {
	Path    string
	Mode    fs.FileMode
	Content []byte
}

// Files are all files that the site needs on the server: the configuration itself, first, and what it refers to.
func Files(s Site) ([]File, error) {
	conf, err := Render(s)
	if err != nil {
		return nil, err
	}
	return []File{
		{Path: ConfigPath(s.Name), Mode: 0o644, Content: conf},
		{Path: PortsPath, Mode: 0o644, Content: []byte("# The ports are in sites-enabled.\n")},
		{Path: LuaPath, Mode: 0o644, Content: []byte(requestScript)},
		{Path: LogrotatePath, Mode: 0o644, Content: logrotate},
	}, nil
}

// Packages are the Debian packages that the site needs. With openssl Preflight compares key and certificate, with ss of
// iproute2 a Balancer sees which processes are idle.
func Packages(s Site) []string {
	p := []string{"apache2", "logrotate"}
	if s.HTTPS.Port != 0 {
		p = append(p, "openssl")
	}
	if s.Loopback.Port != 0 {
		p = append(p, "iproute2")
	}
	slices.Sort(p)
	return p
}

// Modules are the modules that the site needs, sorted, as a2enmod calls them. Debian enables some of them by itself.
func Modules(s Site) []string {
	m := []string{"alias", "authz_core", "authz_host", "env", "headers", "lbmethod_byrequests", "lua", "mime",
		"mpm_event", "proxy", "proxy_balancer", "proxy_http", "reqtimeout", "rewrite", "setenvif", "slotmem_shm"}
	if s.checked() {
		m = append(m, "proxy_hcheck")
	}
	if s.HTTPS.Port != 0 {
		m = append(m, "http2", "socache_shmcb", "ssl")
	}
	if s.Loopback.Port != 0 {
		m = append(m, "status")
	}
	slices.Sort(m)
	return m
}
