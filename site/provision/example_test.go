package provision_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/provision"
)

// The state of a web server is a list of steps in the order in which they are brought about.
func Example() {
	state := provision.State{Steps: []provision.Step{
		provision.Packages{Names: []string{"apache2"}},
		provision.Config{
			Name:  "apache2",
			Files: []provision.File{{Path: "/etc/apache2/sites-available/shop.conf", Content: "<VirtualHost *:80>\n</VirtualHost>\n"}},
			Links: []provision.Link{{Path: "/etc/apache2/sites-enabled/shop.conf", Target: "../sites-available/shop.conf"}},
			Check: "apache2ctl -t",
		},
		provision.Unit{Name: "apache2.service", ReloadOn: []string{"/etc/apache2/"}},
		provision.File{Path: "/etc/app/database.password", Secret: "correct horse"},
	}}
	fmt.Println(state.Validate())

	// What a bare host is found to be; Gather finds it out.
	facts := provision.Facts{Candidates: map[string]bool{"apache2": true}}
	fmt.Print(provision.Compare(state, facts))
	// Output:
	// <nil>
	// install packages apache2 (apache2)
	// update config apache2
	//     create /etc/apache2/sites-available/shop.conf (34 bytes, 0644 root:root)
	//         --- /dev/null
	//         +++ b/etc/apache2/sites-available/shop.conf
	//         @@ -0,0 +1,2 @@
	//         +<VirtualHost *:80>
	//         +</VirtualHost>
	//     create /etc/apache2/sites-enabled/shop.conf (→ ../sites-available/shop.conf)
	// enable, start unit apache2.service
	// create file /etc/app/database.password (secret, 0600 root:root)
}

// A single file is checked in a temporary place before it replaces the good one.
func ExampleFile_check() {
	state := provision.State{Steps: []provision.Step{
		provision.File{Path: "/etc/haproxy/haproxy.cfg", Content: "defaults\n\tmode http\n", Check: "haproxy -c -dW -f {}"},
		provision.Unit{Name: "haproxy.service", ReloadOn: []string{"/etc/haproxy/haproxy.cfg"}},
	}}
	facts := provision.Facts{
		Paths: map[string]provision.PathFact{"/etc/haproxy/haproxy.cfg": {
			Type: "f", Mode: 0o644, Owner: "root", Group: "root", SHA256: "another", Content: "defaults\n\tmode tcp\n", HasText: true,
		}},
		Units: map[string]provision.UnitFact{"haproxy.service": {Load: "loaded", Active: "active", File: "enabled"}},
	}
	fmt.Print(provision.Compare(state, facts))
	// Output:
	// update file /etc/haproxy/haproxy.cfg
	//     --- a/etc/haproxy/haproxy.cfg
	//     +++ b/etc/haproxy/haproxy.cfg
	//     @@ -1,2 +1,2 @@
	//      defaults
	//     -	mode tcp
	//     +	mode http
	// reload unit haproxy.service
}

// Run brings several hosts to their states at once; with DryRun it only says what differs.
func ExampleRun() {
	targets := []provision.Target{{
		Name: "localhost",
		Host: sshx.Local{},
		State: provision.State{Steps: []provision.Step{
			provision.File{Path: "/etc/motd", Content: "Look at the plan first.\n"},
		}},
	}}
	results, err := provision.Run(context.Background(), targets, provision.Options{
		DryRun: true,
		Events: func(e provision.Event) { log.Print(e) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		_ = r.Plan.Print(os.Stdout)
	}
}

// A command says by its guards when it has something to do.
func ExampleCommand() {
	state := provision.State{Steps: []provision.Step{
		provision.Unit{Name: "mariadb.service"},
		provision.Command{
			Name:   "create account app",
			Script: "mariadb",
			Stdin:  "CREATE USER app@localhost IDENTIFIED BY 'correct horse';",
			Unless: `test "$(mariadb -N -e "SELECT 1 FROM mysql.user WHERE User = 'app'")" = 1`,
		},
	}}
	running := provision.UnitFact{Load: "loaded", Active: "active", File: "enabled"}
	facts := provision.Facts{Units: map[string]provision.UnitFact{"mariadb.service": running}}
	fmt.Print(provision.Compare(state, facts))
	// Output:
	// run command create account app
}
