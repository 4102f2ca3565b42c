package site

import (
	"fmt"
	"path"
)

// Where things lie on a server.
const (
	agentPath       = "/usr/local/lib/siteblocks/agent"
	agentConfig     = "/etc/siteblocks/agent.json"
	recordPath      = "/etc/siteblocks/site.json" // the operator's Site.Record: an agent with another Site does nothing
	envPath         = "/etc/siteblocks/app.env"
	balancerKey     = "/etc/siteblocks/balancer.secret"
	unavailablePath = "/etc/siteblocks/unavailable.html"
	certPath        = "/etc/siteblocks/site.pem"
	keyPath         = "/etc/siteblocks/site.key"
	appUnitPath     = "/etc/systemd/system/app@.service"
	bootUnit        = "siteblocks-boot.service"

	enabledModules = "/etc/apache2/mods-enabled/"
	sitesEnabled   = "/etc/apache2/sites-enabled"
	confEnabled    = "/etc/apache2/conf-enabled"

	deployUser = "deploy" // owns the code
	appUser    = "app"    // runs it, and may write only to the linked directories
	statusPort = 89       // Apache's own listener on loopback: health path, balancer; only root can take it
)

// root is where the application's releases lie, as Capistrano has it by default.
func (s Site) root() string { return path.Join("/var/www", s.Name) }

// maintenanceFlag is there while the maintenance page is on. The application cannot make it: the switch is the operator's.
func (s Site) maintenanceFlag() string { return "/etc/siteblocks/maintenance" }

func (s Site) database() string { return databaseName(s.Name) }

// databaseName turns "my-shop" into "my_shop", which needs no quoting anywhere.
func databaseName(site string) string {
	name := []byte(site)
	for i, c := range name {
		if c == '-' {
			name[i] = '_'
		}
	}
	return string(name)
}

// ports of the application's processes on one server.
func (a App) ports() []uint16 {
	a = a.withDefaults()
	ports := make([]uint16, a.Processes)
	for i := range ports {
		ports[i] = a.Port + uint16(i)
	}
	return ports
}

func appUnit(port uint16) string { return fmt.Sprintf("app@%d.service", port) }
