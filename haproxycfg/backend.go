package haproxycfg

import (
	"net/netip"
	"time"
)

// Backend is a group of servers that can all answer the same requests.
type Backend struct {
	// Name as in Frontend.
	Name string

	// Mode is that of the frontends that use it. Zero: HTTP.
	Mode Mode

	// Balance chooses among the servers. Zero: RoundRobin.
	Balance Balance

	Servers []Server
	Check   Check
	Retries Retries
	TLS     ServerTLS
	Cookie  Cookie

	// SendProxy tells servers the client's address by the PROXY protocol, version 2, which they must expect.
	SendProxy bool

	// SlowStart is how long a server that has come up gets less than its share. Zero: 10 s. Negative: none.
	SlowStart time.Duration

	// StartDown sends nothing to a server before its first check has passed, at HAProxy's own start too. It needs 3.1.
	// Zero: at the start servers are taken for well; those that join later are not.
	StartDown bool

	// Timeout is how long an answer may take to begin. Zero: Timeouts.Server. In Mode TCP, which knows no answers, it is
	// how long a connection may be silent on both sides. Zero: Timeouts.Tunnel.
	Timeout time.Duration

	// Exclusive gives one server all connections for as long as its checks pass, and closes them at once when they fail:
	// then the next one, in the order of Servers, gets all. A server that was away and comes back waits like the others.
	// It is for Mode TCP and servers of which one alone may be written to. Zero: all usable servers share.
	Exclusive bool

	// Raw is as in Frontend.
	Raw []string
}

// Balance is how a server is chosen. With each of these servers can be added while HAProxy runs.
type Balance string

const (
	RoundRobin Balance = "roundrobin" // by weight, exactly
	LeastConn  Balance = "leastconn"  // fewest connections; ignores weights when it is quiet
	Random     Balance = "random"     // the less busy of two
	Source     Balance = "source"     // by the client's address
)

// Server is one address that answers.
type Server struct {
	// Name is unique in its backend, such as "web-1". It says who the server is: another address under the same name
	// is another server, for which the old one leaves.
	Name string

	// Addr is an address, never a host name: what a name stands for would be found out once, at the start.
	Addr netip.AddrPort

	// Weight is the server's share, 1 to 256. Zero: 1, HAProxy's own.
	Weight int

	// State. Zero: Ready.
	State State

	// Backup gets requests only while no other server is usable.
	Backup bool

	// MaxConn is how many requests at one time; others wait (Timeouts.Queue). Zero: no limit.
	MaxConn int
}

// State is what an operator wants of a server, in HAProxy's words.
type State string

const (
	Ready State = "ready" // it gets requests as its checks allow; the default
	Drain State = "drain" // it gets no new ones (but from visitors that a cookie sends to it)
	Maint State = "maint" // it gets none, and is not checked
)

// Check finds out which servers are well. No visitor's request is ever used for it.
type Check struct {
	// Path is asked for over HTTP, such as "/up". Zero: a connection is all that is asked.
	Path string

	// Host is the check's Host header. Zero: "localhost".
	Host string

	// Status are the good ones, such as "200" or "200-299". Zero: "200-399".
	Status string

	// Port is asked instead of the server's own. Zero: its own.
	Port uint16

	// Interval is the time between two checks of a server that is well. A quarter of it passes while the answers
	// change, half of it while it is down. Zero: 2 s.
	Interval time.Duration

	// Timeout is how long the answer to a check may take; it goes with Path. Zero: 2 s. For the connection before it,
	// a check has Interval and Timeouts.Connect, whichever is shorter.
	Timeout time.Duration

	// Rise and Fall are how many checks in a row make a server usable and unusable. Zero: 2 and 3.
	Rise int
	Fall int

	// Off checks nothing: every server is taken for well for ever.
	Off bool
}

// Retries say what happens to a request whose server fails it. A server that refuses the connection is always passed
// over. A GET or HEAD that is left without a word of answer is asked of another one. Nothing else is ever sent twice.
type Retries struct {
	// Count is how often at most. Zero: 3. Negative: never.
	Count int

	// OnTimeout asks another server too when Backend.Timeout has passed: for servers that may hang, with a short
	// Timeout. Zero: the client gets 504.
	OnTimeout bool
}

// ServerTLS encrypts the way to the servers. There is no way not to check their certificates.
type ServerTLS struct {
	// CA is a PEM file on this server with the authorities that are believed. Zero: no TLS.
	CA string

	// Name is the host name that the servers' certificates must have; it is sent as SNI too. Required with CA.
	Name string

	// HTTP2 speaks HTTP/2 to servers that offer it. Zero: HTTP/1.1.
	HTTP2 bool
}

// Cookie sends a visitor to the server that answered first, as long as it is there.
type Cookie struct {
	// Name of the cookie, such as "SERVER". Zero: none.
	Name string

	// Key is a secret from which the cookies' values are made, so that they do not tell the servers' names:
	// 16 to 64 letters and digits. Required with Name. Every front end has the same.
	Key string
}
