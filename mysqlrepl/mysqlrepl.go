// Package mysqlrepl configures and looks after MySQL and MariaDB servers: the text of my.cnf, the application's
// account, a connection through any dialer, and pairs of servers that replicate. It speaks SQL; only Systemd and
// MariaDBBackup run commands on a host. Installing the packages and laying the file is left to whoever owns the host.
//
//	version, _ := mysqlrepl.ParseVersion("11.8.3-MariaDB")
//	text, err := mysqlrepl.Config{Version: version, Memory: 4 << 30}.Render()
//
//	db, err := mysqlrepl.Open(ctx, host.Dial, mysqlrepl.Address{Socket: "/run/mysqld/mysqld.sock"}, mysqlrepl.Login{User: "root"})
//	changes, err := mysqlrepl.Ensure(ctx, db, mysqlrepl.Account{Name: "shop", Database: "shop", Password: secret})
//
// # A pair that loses nothing
//
// Two servers whose Config is Replicated become a Pair: one accepts writes, the other acknowledges each before its client
// hears of success. Setup makes the pair, Switchover, Failover, Rejoin and Reseed change it, and a Watch does what has
// to be done by itself. Each verb returns a Plan that can be printed; running it gives a Report of what each step did,
// how long it took, and what was lost.
//
//	pair := &mysqlrepl.Pair{Servers: …, Account: …, CA: "/etc/mysql/tls/ca.pem", Epochs: mysqlrepl.FileEpochs("epochs"), By: "ops@laptop"}
//	plan, err := pair.Setup(ctx, "db-1", mysqlrepl.SeedOptions{Seeder: mysqlrepl.MariaDBBackup{…}})
//	fmt.Print(plan)
//	report, err := plan.Run(ctx)
//
// What holds it together:
//
//   - The Epoch says who is source. It lies outside of both servers, and is changed by compare-and-swap before anything else
//     is. Each server remembers the highest epoch that it was told of and refuses work for an older one.
//   - The source waits for an acknowledgment without end (semi-synchronous replication, AFTER_SYNC). It is let off only by
//     Degrade, which is an epoch of its own with a reason; as long as that holds, the replica does not take over by itself.
//   - A source that its replica still hears is never failed over, however slow it is; see Analyse.
//   - What a replica received is applied before it accepts writes, also where it crashed in between.
//
// A transaction that was acknowledged to its client survives the crash, the hang or the isolation of either server, the crash of
// both server processes, and a power failure of either host. After a power failure of both hosts at once the source's disk is
// needed: a replica acknowledges what it has written, not what its disk has confirmed, since the servers would confirm each of a
// transaction's events by itself (measured: 50 rows a second instead of hundreds, and a replica that never catches up). Nothing
// survives the loss of both disks, or of the source while the epoch is degraded. A transaction that was under way may
// be kept or not; its client learns neither. While a source is cut off it can still be read, and what is read there
// may be out of date.
//
// TestChaos plays faults against a pair with a Watch, eight clients that write where the epoch says and one that stays at
// each server, and then looks every acknowledged row up. From one run of each on two containers that shared two busy cores,
// MariaDB 11.8.9; the gap is the longest time in the five seconds after the fault in which nobody's write was acknowledged:
//
//	fault                                                acknowledged rows lost   gap
//	source killed                                                             0   0.6 s
//	source hung                                                               0   1.8 s
//	source hung, its host out of reach                                        0   2.8 s
//	source cut off                                                            0   3.1 s
//	replica killed; hung; cut off                                             0   1.5 s; 1.5 s; 1.4 s
//	replication cut                                                           0   1.6 s
//	both killed                                                               0   above 5 s: the source is started
//	both killed with rows not applied, the source stays away                  0   above 5 s: the replica is started
//	source killed while the applier is held up for 2 s                        0   3.2 s
//	source killed with 100 MB in one transaction under way                    0   2.0 s
//	source killed with DDL under way                                          0   0.6 s; DDL at the end of the log is not taken back
//	caller killed within a switchover                                         0   1.4 s
//	control: source lost while degraded, the loss accepted                  1,992   (reported as unknown)
//
// Not tried: pairs of MariaDB 10.11, whose words are the same; a full disk; power failures of whole hosts; many seeds of each
// fault.
//
// Not here: pairs of MySQL servers (their configuration, accounts and sets of GTIDs are, their replication is not: a verb says
// so), more than one replica, a Seeder that copies straight from server to server without this program in between, and one that
// restores a logical backup (Seeder is the interface for both). Transactions of other storage engines than InnoDB cannot be taken
// back when an old source returns, and neither can DDL; such a server is refused with a DivergedError and has to be seeded anew.
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
