package site

import (
	"fmt"
	"slices"

	"github.com/siteblocks/siteblocks/ec2x"
)

// Address is where visitors find a site on one cloud.
type Address struct {
	Host  string // the canonical name
	HTTP  uint16 // ports as in the visitor's address bar; 0 where the site does not speak it
	HTTPS uint16
}

// Address derives it from a server that visitors reach. Where the cloud publishes its ports on the operator's own
// machine, the canonical name is NAME.localhost, which browsers resolve to the loopback address by themselves.
func (s Site) Address(front ec2x.Server) Address {
	a := Address{Host: s.Domain}
	port := func(p uint16) uint16 { return p }
	if front.Published != nil {
		a.Host = s.localName()
		port = func(p uint16) uint16 { return front.Published[p].Port() }
	}
	ports := s.Web.ports()
	if slices.Contains(ports, 80) {
		a.HTTP = port(80)
	}
	if slices.Contains(ports, 443) {
		a.HTTPS = port(443)
	}
	return a
}

func (s Site) localName() string { return s.Name + ".localhost" }

// CertificateNames are what a certificate of the site's own authority is for.
func (s Site) CertificateNames() []string {
	return append([]string{s.Domain, s.localName()}, s.Aliases...)
}

// URL is what a visitor types.
func (a Address) URL() string {
	scheme := "http"
	if a.HTTPS != 0 {
		scheme = "https"
	}
	return scheme + "://" + a.Authority() + "/"
}

// Authority is the Host of a visitor's request.
func (a Address) Authority() string {
	port, usual := a.HTTP, uint16(80)
	if a.HTTPS != 0 {
		port, usual = a.HTTPS, 443
	}
	if port == usual {
		return a.Host
	}
	return fmt.Sprintf("%s:%d", a.Host, port)
}
