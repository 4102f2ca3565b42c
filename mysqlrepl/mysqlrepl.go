// Package mysqlrepl configures and looks after MySQL and MariaDB servers: the text of my.cnf, the application's
// account and a connection through any dialer. It speaks SQL and never a shell; installing the packages and laying
// the file is left to whoever owns the host.
//
//	version, _ := mysqlrepl.ParseVersion("11.8.3-MariaDB")
//	text, err := mysqlrepl.Config{Version: version, Memory: 4 << 30}.Render()
//
//	db, err := mysqlrepl.Open(ctx, host.Dial, mysqlrepl.Address{Socket: "/run/mysqld/mysqld.sock"}, mysqlrepl.Login{User: "root"})
//	changes, err := mysqlrepl.Ensure(ctx, db, mysqlrepl.Account{Name: "shop", Database: "shop", Password: secret})
//
// It will not tune queries. Accounts of other names, other databases and other files stay as they are, but for what
// MariaDB grants to PUBLIC: everybody has that, and so Ensure takes it back from everybody.
package mysqlrepl

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
)

// Flavor is whose server it is. The two agree on most SQL and on hardly a name in administration.
type Flavor string

// The flavors.
const (
	MariaDB Flavor = "mariadb" // 10.11 and later
	MySQL   Flavor = "mysql"   // 8.0, 8.4, 9
)

// Version is a server's flavor and version.
type Version struct {
	Flavor              Flavor // zero is MariaDB
	Major, Minor, Patch int    // zero is the oldest supported: MariaDB 10.11.0, MySQL 8.0.0
}

var versionText = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)(.*)$`)

// ParseVersion reads what SELECT VERSION() answers, such as "11.8.3-MariaDB-0+deb13u1 from Debian" or "9.7.4-1".
func ParseVersion(text string) (Version, error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return Version{}, fmt.Errorf("mysqlrepl: parse version %q: it does not begin with three numbers", text)
	}
	v := Version{Flavor: MySQL}
	for i, to := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return Version{}, fmt.Errorf("mysqlrepl: parse version %q: %w", text, err)
		}
		*to = n
	}
	if mariaDBText.MatchString(m[4]) {
		v.Flavor = MariaDB
	}
	return v, nil
}

var mariaDBText = regexp.MustCompile(`(?i)mariadb`)

// String gives "MariaDB 11.8.3".
func (v Version) String() string {
	name := "MariaDB"
	if v.Flavor == MySQL {
		name = "MySQL"
	}
	return fmt.Sprintf("%s %d.%d.%d", name, v.Major, v.Minor, v.Patch)
}

// AtLeast reports whether v is major.minor or later, whatever its flavor.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Supported returns an error for a server that is older than MariaDB 10.11 or MySQL 8.0.
func (v Version) Supported() error {
	switch {
	case v.Flavor == MySQL && !v.AtLeast(8, 0):
		return fmt.Errorf("mysqlrepl: %s is older than MySQL 8.0", v)
	case v.Flavor == MariaDB && !v.AtLeast(10, 11):
		return fmt.Errorf("mysqlrepl: %s is older than MariaDB 10.11", v)
	}
	return nil
}

func (v Version) orDefault() Version {
	if v.Flavor == "" {
		v.Flavor = MariaDB
	}
	if v.Major == 0 && v.Flavor == MariaDB {
		v.Major, v.Minor = 10, 11
	}
	if v.Major == 0 {
		v.Major = 8
	}
	return v
}

// Detect asks a server for its flavor and version. The error of a server that is too old says so.
func Detect(ctx context.Context, db *sql.DB) (Version, error) {
	var text, comment string
	if err := db.QueryRowContext(ctx, "SELECT VERSION(), @@version_comment").Scan(&text, &comment); err != nil {
		return Version{}, fmt.Errorf("mysqlrepl: detect version: %w", err)
	}
	v, err := ParseVersion(text)
	if err != nil {
		return Version{}, err
	}
	// The version text can be set by the administrator, the comment of a MariaDB build names it too.
	if mariaDBText.MatchString(comment) {
		v.Flavor = MariaDB
	}
	return v, v.Supported()
}

// Secret is a password. It prints as REDACTED.
type Secret string

func (Secret) String() string               { return "REDACTED" }
func (Secret) GoString() string             { return "REDACTED" }
func (Secret) LogValue() slog.Value         { return slog.StringValue("REDACTED") }
func (Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }
