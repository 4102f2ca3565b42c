// Package layout says where a site's things lie on its servers and in its bucket, and what they are called there.
package layout

import "fmt"

// On a server.
const (
	Agent          = "/usr/local/lib/siteblocks/agent"
	AgentConfig    = "/etc/siteblocks/agent.json"
	Record         = "/etc/siteblocks/site.json" // the operator's Site.Record: an agent with another Site does nothing
	Environment    = "/etc/siteblocks/app.env"
	BalancerSecret = "/etc/siteblocks/balancer.secret"
	Unavailable    = "/etc/siteblocks/unavailable.html"
	Certificate    = "/etc/siteblocks/site.pem"
	CertificateKey = "/etc/siteblocks/site.key"

	// Maintenance is there while the maintenance page is on. The application cannot make it: the switch is the operator's.
	Maintenance = "/etc/siteblocks/maintenance"

	// Restoring is there from the moment when a restore stops the application until it runs again.
	Restoring = "/etc/siteblocks/restoring"

	// Started is where, by its port, each process's invocation, release and configuration are written down as it starts.
	Started = "/run/siteblocks/app"

	BackupLock = "/run/siteblocks-backup.lock"
	Scratch    = "/var/tmp" // of a unit's own: see s3backup.Schedule
)

// Units of systemd.
const (
	AppUnitFile = "/etc/systemd/system/app@.service"
	BootUnit    = "siteblocks-boot.service"
	BackupUnit  = "siteblocks-backup"
	VerifyUnit  = "siteblocks-verify"
)

// AppUnit is the unit of the process that listens on a port.
func AppUnit(port uint16) string { return fmt.Sprintf("app@%d.service", port) }

// Accounts and ports.
const (
	DeployUser = "deploy" // owns the code
	AppUser    = "app"    // runs it, and may write only to the linked directories
	StatusPort = 89       // Apache's own listener on loopback: health path, balancer; only root can take it
)

// In the bucket.
const (
	Releases     = "releases/"
	Servers      = "servers/" // where servers may write
	KeepReleases = 5
)
