// Command allinone runs the guest book of examples/app on one server: Apache in front of four Rails processes and MariaDB.
//
//	go run ./examples/allinone up
package main

import (
	"os"

	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/cli"
)

func main() {
	guestbook := site.AllInOne("guestbook", "www.guestbook.example", site.Rails("./examples/app"))
	os.Exit(cli.Main(guestbook))
}
