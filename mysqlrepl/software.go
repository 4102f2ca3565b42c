package mysqlrepl

import "fmt"

// Distro is a distribution and its version, in the words that cloud images use: "debian-13".
type Distro string

// The distributions whose names are known here.
const (
	Debian12   Distro = "debian-12"
	Debian13   Distro = "debian-13"
	Ubuntu2404 Distro = "ubuntu-24.04"
)

// Software is what a flavor is called on a distribution.
type Software struct {
	Packages []string // for apt-get install; they bring the clients and the dump program with them
	Service  string   // systemd unit
	Config   string   // file for Config.Render: read after the distribution's own, so that it wins
	User     string   // owner of the server process
	Socket   string   // where root is let in without a password
	DataDir  string

	// Check is a command that refuses a bad file without touching the running server; the file's name is appended.
	Check []string
	// Dump is the dump program, Client the interactive one.
	Dump, Client string
	// Version is what the distribution ships.
	Version Version
}

// SoftwareFor looks names up. MySQL on Debian is in no stable release: the error says what to do instead.
// An empty distro is Debian 13.
func SoftwareFor(distro Distro, flavor Flavor) (Software, error) {
	if distro == "" {
		distro = Debian13
	}
	versions := map[Distro]Version{
		Debian12:   {MariaDB, 10, 11, 0},
		Debian13:   {MariaDB, 11, 8, 0},
		Ubuntu2404: {MariaDB, 10, 11, 0},
	}
	version, known := versions[distro]
	if !known {
		return Software{}, fmt.Errorf("mysqlrepl: distribution %q is not one of debian-12, debian-13, ubuntu-24.04", distro)
	}
	switch flavor {
	case MariaDB, "":
		return Software{
			Packages: []string{"mariadb-server"}, Service: "mariadb.service",
			Config: "/etc/mysql/mariadb.conf.d/90-siteblocks.cnf",
			User:   "mysql", Socket: "/run/mysqld/mysqld.sock", DataDir: "/var/lib/mysql",
			Check: []string{"/usr/sbin/mariadbd", "--help", "--verbose"},
			Dump:  "mariadb-dump", Client: "mariadb", Version: version,
		}, nil
	case MySQL:
		software := Software{
			Packages: []string{"mysql-server"}, Service: "mysql.service",
			Config: "/etc/mysql/mysql.conf.d/90-siteblocks.cnf",
			User:   "mysql", Socket: "/run/mysqld/mysqld.sock", DataDir: "/var/lib/mysql",
			Check: []string{"/usr/sbin/mysqld", "--validate-config"},
			Dump:  "mysqldump", Client: "mysql", Version: Version{MySQL, 8, 0, 0},
		}
		if distro != Ubuntu2404 {
			return software, fmt.Errorf("mysqlrepl: %s has no package of MySQL; use MariaDB, or add MySQL's own apt repository", distro)
		}
		return software, nil
	}
	return Software{}, fmt.Errorf("mysqlrepl: flavor %q is neither mariadb nor mysql", flavor)
}
