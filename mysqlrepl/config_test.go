package mysqlrepl_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/mysqlrepl"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldens are checked here byte by byte, and by the real server in the integration tests.
var goldens = map[string]mysqlrepl.Config{
	"zero": {},
	"mariadb-11.8-shared": {
		Version: mysqlrepl.Version{Flavor: mysqlrepl.MariaDB, Major: 11, Minor: 8}, Memory: 4 << 30,
	},
	"mariadb-10.11-dedicated": {
		Version: mysqlrepl.Version{Flavor: mysqlrepl.MariaDB, Major: 10, Minor: 11}, ServerID: 2, Memory: 8 << 30, Dedicated: true,
		Listen: netip.MustParseAddr("10.0.1.21"), Port: 3307, BinlogRetention: 48 * time.Hour, MaxConnections: 400,
		SlowQuery: 250 * time.Millisecond,
	},
	"mariadb-socket-only": {
		Version: mysqlrepl.Version{Flavor: mysqlrepl.MariaDB, Major: 11, Minor: 8}, SocketOnly: true, SlowQuery: -1, BufferPool: 48 << 20,
	},
	"mariadb-11.8-replicated": {
		Version: mysqlrepl.Version{Flavor: mysqlrepl.MariaDB, Major: 11, Minor: 8}, ServerID: 2, Replicated: true, TLS: serverTLS,
		Listen: netip.MustParseAddr("10.0.1.22"), Memory: 1 << 30, Dedicated: true,
	},
	"mariadb-10.11-replicated": {
		Version: mysqlrepl.Version{Flavor: mysqlrepl.MariaDB, Major: 10, Minor: 11}, ServerID: 1, Replicated: true,
	},
	"mysql-9.7-replicated": {
		Version: mysqlrepl.Version{Flavor: mysqlrepl.MySQL, Major: 9, Minor: 7, Patch: 4}, ServerID: 1, Replicated: true, TLS: serverTLS,
		Listen: netip.MustParseAddr("10.0.1.21"), Memory: 1 << 30, Dedicated: true,
	},
	"mysql-8.0": {Version: mysqlrepl.Version{Flavor: mysqlrepl.MySQL, Major: 8, Minor: 0, Patch: 42}},
	"mysql-9.7": {Version: mysqlrepl.Version{Flavor: mysqlrepl.MySQL, Major: 9, Minor: 7, Patch: 4}, Memory: 2 << 30},
}

var serverTLS = mysqlrepl.ServerTLS{CA: "/etc/mysql/tls/ca.pem", Cert: "/etc/mysql/tls/cert.pem", Key: "/etc/mysql/tls/key.pem"}

func TestRender(t *testing.T) {
	for name, config := range goldens {
		t.Run(name, func(t *testing.T) {
			text, err := config.Render()
			require.NoError(t, err)
			file := filepath.Join("testdata", name+".cnf")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), text)
		})
	}
}

func TestConfigReportsEveryMistake(t *testing.T) {
	config := mysqlrepl.Config{
		Version: mysqlrepl.Version{Flavor: mysqlrepl.MySQL, Major: 5, Minor: 7},
		Listen:  netip.MustParseAddr("fe80::1%eth0\n[client]"), SocketOnly: true, Memory: 1 << 20, BufferPool: 2 << 20,
		Replicated: true, TLS: mysqlrepl.ServerTLS{CA: "ca.pem", Cert: "/etc/my cert.pem"},
		MaxConnections: 9, BinlogRetention: time.Minute, SlowQuery: time.Microsecond,
	}
	_, err := config.Render()
	require.EqualError(t, err, `mysqlrepl: MySQL 5.7.0 is older than MySQL 8.0
mysqlrepl: config: TLS CA "ca.pem" is not an absolute path without spaces, quotes, # and ;
mysqlrepl: config: TLS certificate "/etc/my cert.pem" is not an absolute path without spaces, quotes, # and ;
mysqlrepl: config: TLS key "" is not an absolute path without spaces, quotes, # and ;
mysqlrepl: config: replicated, and yet socket only: the other server reaches it over TCP
mysqlrepl: config: replicated, and yet without a server ID: the two servers must differ
mysqlrepl: config: listen address "fe80::1%eth0\n[client]" has a zone
mysqlrepl: config: socket only, and yet an address or a port is given
mysqlrepl: config: memory 1048576 is less than 256 MiB
mysqlrepl: config: buffer pool 2097152 is less than 16 MiB
mysqlrepl: config: buffer pool 2097152 is more than the memory 1048576
mysqlrepl: config: max connections 9 is not within 10 and 100000
mysqlrepl: config: binlog retention 1m0s is not within 1h and 2376h
mysqlrepl: config: slow query 1µs is not within 1ms and 1h`)
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"11.8.9-MariaDB-0+deb13u1 from Debian":          "MariaDB 11.8.9",
		"5.5.5-10.11.14-MariaDB-0ubuntu0.24.04.1":       "MariaDB 10.11.14",
		"8.0.42-0ubuntu0.24.04.1":                       "MySQL 8.0.42",
		"9.7.4-1":                                       "MySQL 9.7.4",
		"8.4.6":                                         "MySQL 8.4.6",
		"10.11.14-mariadb-log":                          "MariaDB 10.11.14",
		"11.4.2-MariaDB-ubu2404-log with some thing on": "MariaDB 11.4.2",
	} {
		version, err := mysqlrepl.ParseVersion(text)
		require.NoError(t, err, text)
		require.Equal(t, want, version.String())
		require.NoError(t, version.Supported())
	}
	for _, text := range []string{"", "MariaDB", "11.8", "99999999999999999999.1.1"} {
		_, err := mysqlrepl.ParseVersion(text)
		require.ErrorContains(t, err, "parse version")
	}
	require.ErrorContains(t, mysqlrepl.Version{Flavor: mysqlrepl.MariaDB, Major: 10, Minor: 6}.Supported(), "older than MariaDB 10.11")
}

func TestSoftwareFor(t *testing.T) {
	for _, distro := range []mysqlrepl.Distro{"", mysqlrepl.Debian12, mysqlrepl.Debian13, mysqlrepl.Ubuntu2404} {
		software, err := mysqlrepl.SoftwareFor(distro, mysqlrepl.MariaDB)
		require.NoError(t, err)
		require.Equal(t, []string{"mariadb-server"}, software.Packages)
		_, err = mysqlrepl.Config{Version: software.Version}.Render()
		require.NoError(t, err)
	}
	software, err := mysqlrepl.SoftwareFor(mysqlrepl.Ubuntu2404, mysqlrepl.MySQL)
	require.NoError(t, err)
	require.Equal(t, "mysqldump", software.Dump)
	_, err = mysqlrepl.SoftwareFor(mysqlrepl.Debian13, mysqlrepl.MySQL)
	require.ErrorContains(t, err, "no package of MySQL")
	_, err = mysqlrepl.SoftwareFor("plan9", mysqlrepl.MySQL)
	require.ErrorContains(t, err, "is not one of")
}

func ExampleConfig_Render() {
	_, err := mysqlrepl.Config{MaxConnections: 5}.Render()
	fmt.Println(err)
	// Output: mysqlrepl: config: max connections 5 is not within 10 and 100000
}
