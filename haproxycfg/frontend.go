package haproxycfg

import "net/netip"

// Frontend is where clients come in.
type Frontend struct {
	// Name of the section: letters, digits and _.:- as in all names here. No two sections have the same.
	Name string

	// Mode. Zero: HTTP. TCP with rules by Match.SNI passes TLS through to the servers.
	Mode Mode

	// Binds are the addresses that it listens on. At least one.
	Binds []Bind

	// Rules are applied in their order; the first that redirects, denies or chooses a backend ends them.
	Rules []Rule

	// Backend gets what no rule has chosen another one for. Zero: such a request gets 503, such a connection is
	// closed.
	Backend string

	// TrustForwarded keeps X-Forwarded-For and its like as the client sent them, for a frontend that only a proxy of
	// one's own reaches. Zero: they are dropped and set anew, since any client can write them; so are the headers of other
	// proxies and clouds (True-Client-IP, X-Remote-User and their like) and all whose names have an underscore.
	TrustForwarded bool

	// MaxConn is how many connections at most. Zero: Global.MaxConn.
	MaxConn int

	// Raw are further lines of the section, in HAProxy's words, placed before the rules. Each begins with a keyword
	// that exists in the section. Quotes are HAProxy's, and ${NAME} within double quotes is replaced by it.
	Raw []string
}

// Bind is one address.
type Bind struct {
	// Addr to listen on. 0.0.0.0 is every IPv4 address; [::] is every address, IPv4 too.
	Addr netip.AddrPort

	// TLS ends there. Zero: plain.
	TLS ClientTLS

	// AcceptProxy expects the PROXY protocol from every client. Zero: none sends it.
	AcceptProxy bool
}

// ClientTLS is TLS 1.2 and 1.3 as in Mozilla's intermediate recommendation, HTTP/2 and HTTP/1.1.
type ClientTLS struct {
	// Certificates are PEM files on the server, each with a key and its certificate chain, the leaf first. The client's
	// SNI chooses; the first serves everyone else. Zero: no TLS.
	Certificates []string

	// ClientCA is a PEM file; where set, a client needs a certificate of one of its authorities.
	ClientCA string
}

// Rule does one thing with the requests that match. Exactly one of Deny, Redirect, Set, Use and Raw is there.
type Rule struct {
	// Why is the comment above the rule. Zero: none.
	Why string

	// When says which requests. Zero: all. Unless says which of them not. Zero: none.
	When   Match
	Unless Match

	// Deny answers with this status, such as 403.
	Deny int

	// Redirect answers 308 to the same path and query below this origin, such as "https://www.shop.example".
	Redirect string

	// Set sets a header of the request.
	Set Header

	// Use hands the request to this backend. Rules after it may only choose backends too: HAProxy would run
	// others before it.
	Use string

	// Raw is a whole line in HAProxy's words. When and Unless do not apply to it.
	Raw string
}

// Header is a header with its value, which is sent as it is written.
type Header struct{ Name, Value string }

// Match is met when each field that is set is met; a list is met by any of its elements.
type Match struct {
	Hosts        []string       // names in the Host header, without port, such as "www.shop.example"
	Paths        []string       // whole paths
	PathPrefixes []string       // beginnings of paths, such as "/api/"
	Methods      []string       // such as "POST"
	Sources      []netip.Prefix // clients' addresses
	SNI          []string       // names asked for in the TLS greeting; in Mode TCP only
}
