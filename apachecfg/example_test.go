package apachecfg_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/siteblocks/siteblocks/apachecfg"
)

func Example() {
	conf, err := apachecfg.Render(apachecfg.Site{
		Name: "shop",
		Host: "www.shop.example",
		HTTP: apachecfg.HTTP{Port: 80},
		Root: "/srv/shop/current/public",
		App: apachecfg.App{Processes: []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.1:3001"),
			netip.MustParseAddrPort("127.0.0.1:3002"),
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(string(conf)) {
		if strings.Contains(line, "BalancerMember") || strings.HasPrefix(line, "Listen") {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output:
	// Listen 80
	// BalancerMember "http://127.0.0.1:3001" retry=1 connectiontimeout=2 ttl=10 upgrade=websocket
	// BalancerMember "http://127.0.0.1:3002" retry=1 connectiontimeout=2 ttl=10 upgrade=websocket
}

func ExampleSite_Validate() {
	fmt.Println(apachecfg.Site{
		Name: "shop",
		Host: "www.shop.example\nListen 23",
		HTTP: apachecfg.HTTP{Port: 80, RedirectToHTTPS: true},
		Root: "public",
		App:  apachecfg.App{Proxy: netip.MustParseAddrPort("127.0.0.1:80")},
	}.Validate())
	// Output:
	// apachecfg: site "shop": Host "www.shop.example\nListen 23" is not a host name in lower case, such as www.shop.example
	// apachecfg: site "shop": App.Proxy 80 is taken by HTTP.Port already
	// apachecfg: site "shop": HTTP.RedirectToHTTPS true needs HTTPS.Port
	// apachecfg: site "shop": Root "public" is not an absolute path of letters, digits and _.@+~- without a slash at its end
}

func ExampleEdited() {
	conf, _ := apachecfg.Render(smallest())
	fmt.Println(apachecfg.Edited(conf))
	fmt.Println(apachecfg.Edited(bytes.Replace(conf, []byte("Timeout 60"), []byte("Timeout 6"), 1)))
	// Output:
	// false
	// true
}

func ExampleModules() {
	fmt.Println("a2enmod", strings.Join(apachecfg.Modules(smallest()), " "))
	// Output:
	// a2enmod alias authz_core authz_host env headers lbmethod_byrequests lua mime mpm_event proxy proxy_balancer proxy_http reqtimeout rewrite setenvif slotmem_shm
}
