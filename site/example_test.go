package site_test

import (
	"fmt"
	"time"

	"github.com/siteblocks/siteblocks/site"
)

// A site is a value; its servers follow from it.
func Example() {
	shop := site.AllInOne("shop", "www.shop.example", site.Rails("./shop"))
	shop.Web.HTTPS = site.HTTPS{Mode: site.HTTPSRedirect, HSTS: 365 * 24 * time.Hour}
	fmt.Println(shop.Validate())
	for _, server := range shop.Servers() {
		fmt.Println(server.Name, server.Roles, server.Ports)
	}
	fmt.Println(shop.App.Ports(), shop.Root(), shop.DatabaseName())
	fmt.Println("in no backup:", shop.NotBackedUp())
	// Output:
	// <nil>
	// web-1 [web app db] [80 443]
	// [8001 8002 8003 8004] /var/www/shop shop
	// in no backup: [public/system]
}

// Every mistake is reported at once, by its field.
func ExampleSite_Validate() {
	shop := site.AllInOne("Shop", "www.shop.example", site.Rails("./shop"))
	shop.App.Health = "up"
	fmt.Println(shop.Validate())
	// Output:
	// site: Name: "Shop" is not a lower-case letter and then up to 30 letters, digits and -
	// site: App.Health: "up" is not a path such as /up, of letters, digits and _.~- without hidden parts; / is the page that visitors see, also during maintenance
}
