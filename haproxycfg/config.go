package haproxycfg

import (
	"cmp"
	"net/netip"
	"time"
)

// Config is everything that one HAProxy does. It survives encoding/json: whoever plans the way from one configuration to
// the next (see Plan) may keep the last one as JSON.
type Config struct {
	// Name is written into the file's header: 1 to 64 letters, digits and _.-, such as "shop" or "LB01".
	Name string

	// Version of the HAProxy that reads the file. Zero: V26, which every later one reads too.
	Version Version

	Global    Global
	Timeouts  Timeouts
	Frontends []Frontend
	Backends  []Backend
	Databases []Database
	Stats     Stats
}

// Global is what concerns the process.
type Global struct {
	// Group is the Unix group whose members may use SocketPath, as Runtime does when it comes as the login user.
	// Whoever may use it may change where requests go. Zero: root only.
	Group string

	// MaxConn is how many connections at most. Zero: as many as the file descriptors allow.
	MaxConn int

	// HardStopAfter is when a process that was replaced by a reload closes what it still has. It is longer than
	// Timeouts.KeepAlive and the longest request together. Zero: 5 min, or more where the time-outs ask for it.
	HardStopAfter time.Duration

	// Raw are further lines of the section, such as "nbthread 4". See Frontend.Raw.
	Raw []string
}

// Timeouts hold where a frontend or backend does not say otherwise. All are whole milliseconds.
type Timeouts struct {
	Connect   time.Duration // to a server. Zero: 2 s
	Client    time.Duration // a client that is silent in mid-request, or reads no answer. Zero: 1 min
	Server    time.Duration // until a server's answer begins, and between parts of it. Zero: 1 min
	Queue     time.Duration // waiting for a free place where Server.MaxConn is reached. Zero: 10 s
	Request   time.Duration // for a client to send the header; at most Client. Zero: 10 s, or Client if that is shorter
	KeepAlive time.Duration // an idle client; at most Client, and below the servers' own (Puma: 20 s). Zero: 15 s, or Client if that is shorter
	Tunnel    time.Duration // a WebSocket, or a connection in Mode TCP, that is silent on both sides. Zero: 1 h
}

// Mode is what HAProxy understands of a connection.
type Mode string

const (
	HTTP Mode = "http" // the default
	TCP  Mode = "tcp"  // passed through as it comes
)

// Stats is a listener with a page for people at / and figures for Prometheus at /metrics.
type Stats struct {
	// Bind is its address, such as 127.0.0.1:8404. Zero: none.
	Bind netip.AddrPort

	// Allow are the addresses that may read it. Required unless Bind is a loopback address.
	Allow []netip.Prefix
}

// Database is a listener that leads to whichever database server says that it is the source: applications connect to
// it and need not know where the source is. A server that stops saying so loses its connections at once, since what
// is written there would be lost.
//
// Where several say so, one alone gets all connections, since their data would part: the one that has them already,
// until it stops saying so, and the first of Servers where none has. An old source that comes back and does not know
// that it was replaced thus takes nothing from the new one. The price: a connection that the source refuses is tried
// again there and nowhere else. What HAProxy remembers for it ends with its process. A process that was replaced by a
// reload asks for no roles any more and keeps its connections up to Global.HardStopAfter: give databases an HAProxy of
// their own, for which servers come and go without a reload.
type Database struct {
	// Name of the section, such as "database".
	Name string

	// Bind is where applications connect to, such as 127.0.0.1:3306.
	Bind netip.AddrPort

	// Servers are all of them, sources and replicas. None is a Backup or in Drain: it would share the writes.
	Servers []Server

	// RolePath is asked of each server over HTTP, and answered by 200 on the source alone, such as "/source".
	RolePath string

	// RolePort is where it is answered. Required.
	RolePort uint16

	// Interval is the time between two questions. Two without 200 in a row make a server unusable. Zero: 1 s.
	Interval time.Duration

	// IdleTimeout is how long a connection may be silent on both sides, whatever Timeouts say. Zero: 8 h, MySQL's own.
	IdleTimeout time.Duration

	// Raw is as in Frontend.
	Raw []string
}

// Backend is the database's servers as a Backend, for Runtime.
func (d Database) Backend() Backend {
	return Backend{
		Name: d.Name, Mode: TCP, Servers: d.Servers, SlowStart: -1, Timeout: cmp.Or(d.IdleTimeout, 8*time.Hour),
		Check:     Check{Path: d.RolePath, Port: d.RolePort, Status: "200", Interval: cmp.Or(d.Interval, time.Second), Rise: 1, Fall: 2},
		Exclusive: true,
	}
}
