package site

import "path"

// Where Apache's configuration lies on a server.
const (
	enabledModules = "/etc/apache2/mods-enabled/"
	sitesEnabled   = "/etc/apache2/sites-enabled"
	confEnabled    = "/etc/apache2/conf-enabled"
)

// Root is where the application's releases lie, as Capistrano has it by default.
func (s Site) Root() string { return path.Join("/var/www", s.Name) }

// DatabaseName is the application's database: the site's name with "_" for "-", which needs no quoting anywhere.
func (s Site) DatabaseName() string { return databaseName(s.Name) }

func databaseName(site string) string {
	name := []byte(site)
	for i, c := range name {
		if c == '-' {
			name[i] = '_'
		}
	}
	return string(name)
}

// Ports are those of the application's processes on one server, all on the loopback interface.
func (a App) Ports() []uint16 {
	a = a.withDefaults()
	ports := make([]uint16, a.Processes)
	for i := range ports {
		ports[i] = a.Port + uint16(i)
	}
	return ports
}
