// Package site is a web site as one Go value, and what follows from that value alone: its servers, the desired state of
// each of them, its record, its picture.
//
//	shop := site.AllInOne("shop", "www.shop.example", site.Rails("./shop"))
//	shop.Web.HTTPS.Mode = site.HTTPSRedirect
//	err := shop.Validate()
//
// Its functions are pure: equal values give equal bytes. What acts is elsewhere: package operate brings a site up and
// deploys to it, package cli is its command line, and package agent is what its program does on the servers.
package site
