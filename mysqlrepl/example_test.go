package mysqlrepl_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"net/netip"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/mysqlrepl"
)

// newPair describes two servers that run MariaDB with a Config that is Replicated.
func newPair(hosts map[string]sshx.Host, trust *tls.Config) *mysqlrepl.Pair {
	software, err := mysqlrepl.SoftwareFor(mysqlrepl.Debian13, mysqlrepl.MariaDB)
	if err != nil {
		log.Fatal(err)
	}
	server := func(name, address string) mysqlrepl.Server {
		return mysqlrepl.Server{
			Name: name, Host: name + ".shop.internal",
			Address: mysqlrepl.Address{TCP: netip.MustParseAddrPort(address), TLS: trust},
			Login:   mysqlrepl.Login{User: "admin", Password: "read from a file"},
			Process: mysqlrepl.Systemd{Host: hosts[name], Unit: software.Service},
		}
	}
	return &mysqlrepl.Pair{
		Servers: [2]mysqlrepl.Server{server("db-1", "10.0.1.21:3306"), server("db-2", "10.0.1.22:3306")},
		Account: mysqlrepl.ReplicationAccount{Password: "read from a file too"},
		CA:      "/etc/mysql/tls/ca.pem",
		Epochs:  mysqlrepl.FileEpochs("/var/lib/shop/epochs"),
		By:      "ops@laptop",
	}
}

// Two fresh servers become a pair.
func ExamplePair_Setup() {
	ctx := context.Background()
	hosts := map[string]sshx.Host{} // by sshx.Dial
	pair := newPair(hosts, &tls.Config{})
	software, _ := mysqlrepl.SoftwareFor(mysqlrepl.Debian13, mysqlrepl.MariaDB)
	plan, err := pair.Setup(ctx, "db-1", mysqlrepl.SeedOptions{
		Seeder: mysqlrepl.MariaDBBackup{From: hosts["db-1"], To: hosts["db-2"], Software: software},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan)
	report, err := plan.Run(ctx)
	fmt.Print(report)
	if err != nil {
		log.Fatal(err)
	}
}

func ExamplePair_Switchover() {
	ctx := context.Background()
	pair := newPair(nil, &tls.Config{})
	plan, err := pair.Switchover(ctx, "db-2", "db-1 gets a new kernel")
	if err != nil {
		log.Fatal(err)
	}
	report, err := plan.Run(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("no writes for", report.Gap)
}

func ExamplePair_Look() {
	pair := newPair(nil, &tls.Config{})
	a := mysqlrepl.Analyse(pair.Look(context.Background()), pair.Limits)
	fmt.Println(a.State, a.Reason, a.Remedy)
}

func ExampleWatch() {
	watch := mysqlrepl.Watch{Pair: newPair(nil, &tls.Config{}), Events: func(e mysqlrepl.WatchEvent) { log.Println(e) }}
	log.Fatal(watch.Run(context.Background()))
}

func ExampleRoleCheck() {
	check := &mysqlrepl.RoleCheck{
		Server: mysqlrepl.Server{Name: "db-1", Address: mysqlrepl.Address{Socket: "/run/mysqld/mysqld.sock"}, Login: mysqlrepl.Login{User: "root"}},
		Epochs: mysqlrepl.FileEpochs("/var/lib/shop/epochs"),
	}
	server := &http.Server{Addr: "10.0.1.21:3308", Handler: check, ReadHeaderTimeout: time.Second}
	log.Fatal(server.ListenAndServe())
}

func ExampleAnalyse() {
	source := mysqlrepl.Observation{Server: "db-1", Silent: 400 * time.Millisecond, Refused: true, Problem: "connection refused"}
	replica := mysqlrepl.Observation{Server: "db-2", Status: &mysqlrepl.Status{Replica: &mysqlrepl.ReplicaStatus{
		Receiver: mysqlrepl.Thread{State: mysqlrepl.ThreadConnecting}, Applier: mysqlrepl.Thread{State: mysqlrepl.ThreadRunning},
	}}}
	a := mysqlrepl.Analyse(mysqlrepl.Picture{
		Epoch: mysqlrepl.Epoch{Number: 7, Source: "db-1"}, Servers: [2]mysqlrepl.Observation{source, replica},
	}, mysqlrepl.Limits{})
	fmt.Printf("%s, %s: %s\n", a.State, a.Action, a.Reason)
	// Output: source dead, failover: db-1 refuses connections, and db-2 does not hear it either
}

func ExampleParseGTIDs() {
	old, _ := mysqlrepl.ParseGTIDs(mysqlrepl.MariaDB, "0-1-118")
	now, _ := mysqlrepl.ParseGTIDs(mysqlrepl.MariaDB, "0-1-115,0-2-140")
	extra := old.Minus(now)
	fmt.Println(extra, extra.Count())
	// Output: 0-1-118 3
}
