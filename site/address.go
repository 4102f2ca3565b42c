package site

import (
	"fmt"
	"slices"

	"github.com/siteblocks/siteblocks/ec2x"
)

// address is where visitors find the site on one cloud.
type address struct {
	host        string
	http, https uint16 // as in the visitor's address bar; 0 where the site does not speak it
}

// address derives it from a server that visitors reach. Where the cloud publishes its ports on the operator's own
// machine, the canonical name is NAME.localhost, which browsers resolve to the loopback address by themselves.
func (s Site) address(front ec2x.Server) address {
	a := address{host: s.Domain}
	port := func(p uint16) uint16 { return p }
	if front.Published != nil {
		a.host = s.localName()
		port = func(p uint16) uint16 { return front.Published[p].Port() }
	}
	ports := s.Servers()[0].Ports
	if slices.Contains(ports, 80) {
		a.http = port(80)
	}
	if slices.Contains(ports, 443) {
		a.https = port(443)
	}
	return a
}

func (s Site) localName() string { return s.Name + ".localhost" }

// localNames are what a certificate of the site's own authority is for.
func (s Site) localNames() []string {
	return append([]string{s.Domain, s.localName()}, s.Aliases...)
}

// url is what a visitor types.
func (a address) url() string {
	scheme := "http"
	if a.https != 0 {
		scheme = "https"
	}
	return scheme + "://" + a.authority() + "/"
}

// authority is the Host of a visitor's request.
func (a address) authority() string {
	port, usual := a.http, uint16(80)
	if a.https != 0 {
		port, usual = a.https, 443
	}
	if port == usual {
		return a.host
	}
	return fmt.Sprintf("%s:%d", a.host, port)
}
