package provision_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/site/provision"
)

// An in-house tool lays Apache's configuration down as one checked whole.
func ExampleConfig_apache() {
	shop := apachecfg.Site{
		Name: "shop", Host: "www.shop.example", HTTP: apachecfg.HTTP{Port: 80}, Root: "/srv/shop/public",
		App: apachecfg.App{Processes: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:3001")}}, HealthPath: "/up",
	}
	files, err := apachecfg.Files(shop)
	if err != nil {
		fmt.Println(err)
		return
	}
	config := provision.Config{Name: "apache2", Check: "apache2ctl -t", Absent: []string{apachecfg.DefaultPath}}
	for _, f := range files {
		config.Files = append(config.Files, provision.File{Path: f.Path, Content: string(f.Content), Mode: uint32(f.Mode.Perm())})
	}
	for _, m := range apachecfg.Modules(shop) {
		config.Links = append(config.Links, provision.Link{Path: "/etc/apache2/mods-enabled/" + m + ".load", Target: "../mods-available/" + m + ".load"})
	}
	config.Links = append(config.Links, provision.Link{Path: apachecfg.EnabledPath(shop.Name), Target: apachecfg.ConfigPath(shop.Name)})
	state := provision.State{Steps: []provision.Step{
		provision.Packages{Names: apachecfg.Packages(shop)},
		provision.File{Path: apachecfg.DropInPath, Content: apachecfg.DropIn},
		config,
		provision.Unit{Name: apachecfg.Unit, ReloadOn: []string{"config:apache2"}, RestartOn: []string{"/etc/apache2/mods-enabled/"}},
	}}
	fmt.Println(state.Validate())
	facts := provision.Facts{Candidates: map[string]bool{"apache2": true, "logrotate": true}}
	for line := range strings.Lines(provision.Compare(state, facts).String()) {
		if !strings.HasPrefix(line, " ") {
			fmt.Print(line)
		}
	}
	// Output:
	// <nil>
	// install packages apache2 logrotate (apache2, logrotate)
	// create file /etc/systemd/system/apache2.service.d/threads.conf (77 bytes, 0644 root:root)
	// update config apache2
	// enable, start unit apache2.service
}
