// Package agent is what a site's program does on one of the site's servers, where it runs as root: it lays out releases,
// starts and restarts the application's processes, makes backups, and reports how the server stands.
//
// The operator's verbs call it over SSH, systemd calls it at boot and by timers. It does nothing on a server whose record
// is that of another Site than the program's own: see site.Site.CheckRecord.
package agent
