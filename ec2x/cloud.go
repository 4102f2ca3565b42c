// Package ec2x launches and finds the servers of a site.
package ec2x

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Cloud is what a site needs of a cloud. ec2x/local implements it with Docker containers.
// Package cloudtest holds the tests that every implementation passes.
type Cloud interface {
	// Launch starts a server and returns once the cloud knows it: it may still be booting, and is waited for by
	// dialling it (sshx.Target.Wait). It is idempotent: a second launch with the same Site and Name, also at the same
	// time, returns the server that is there, with the host key, the ports and the tags of its first launch; one that
	// was stopped is started. What a program that was killed left half made is made anew. Every mistake in spec
	// is reported at once, before anything is made.
	Launch(ctx context.Context, spec Spec) (Server, error)

	// Servers lists the site's servers that are not terminated, sorted by name. A site that nobody
	// has heard of has none.
	Servers(ctx context.Context, site string) ([]Server, error)

	// Terminate ends servers by ID. One that is already gone is no error.
	Terminate(ctx context.Context, ids ...string) error

	// Storage makes sure that the site's bucket exists and says how to reach it. The bucket checks signatures and
	// checksums and has conditional writes: of several writers with the same If-None-Match or If-Match one wins,
	// the others get PreconditionFailed. (An ETag follows from the content, so what is written under If-Match
	// must never be the same twice.)
	Storage(ctx context.Context, site string) (Storage, error)

	// FindStorage is Storage for a bucket that exists. It makes none: the error is ErrNoStorage.
	FindStorage(ctx context.Context, site string) (Storage, error)

	// Delete removes what the site has besides servers: network, firewall and addresses. The site's bucket stays,
	// with everything in it, unless o asks for its end. It refuses while servers are there. A site that is gone is
	// no error.
	Delete(ctx context.Context, site string, o DeleteOptions) error
}

// ErrNoStorage means that a site has no bucket: it was never brought up, or its data was deleted.
var ErrNoStorage = errors.New("there is no storage")

// DeleteOptions say what Delete destroys for ever. The zero value destroys nothing.
type DeleteOptions struct {
	// Data removes the site's bucket too: every backup, release and secret in it. Zero keeps it, and a later Storage
	// finds it again with the same content and credentials.
	Data bool
}

// Spec says what to launch.
type Spec struct {
	Site  string   // the site's name, [a-z][a-z0-9-]{0,30}
	Name  string   // the server's name within the site, such as "web-1"
	Roles []string // such as "web", "app", "db"
	Image string   // "" is Debian 13 (trixie); or "debian-12", "ubuntu-24.04"
	Type  string   // instance type; "" is the cloud's smallest sensible one. Ignored locally.

	// Ports are the TCP ports that the world may reach. Locally each is published on 127.0.0.1,
	// on a port that stays the same for the life of the site, also when the server is replaced (see
	// Server.Published). SSH is not one of them: it is reached always.
	Ports []uint16

	HostKey       string // private SSH host key, OpenSSH PEM, put on the server before it is first reached
	AuthorizedKey string // public key of the operator, one authorized_keys line
	Tags          map[string]string
}

// Server is a server as the cloud's tags and addresses describe it.
type Server struct {
	ID       string
	Site     string
	Name     string
	Roles    []string
	State    State
	Arch     string         // "amd64" or "arm64", in Go's words
	Private  netip.Addr     // address for the site's other servers
	Public   netip.Addr     // address for the world; zero where there is none
	SSH      netip.AddrPort // where the operator's machine reaches sshd
	User     string         // login user, with password-less sudo
	HostKey  string         // public host key, one line without comment, from the tag written at launch
	Launched time.Time

	// Published maps a port of the server to the address at which a browser on the operator's machine reaches it.
	// nil means the server's own public address and port.
	Published map[uint16]netip.AddrPort
	Tags      map[string]string
}

// State is a server's state in EC2's words.
type State string

// The states of a server.
const (
	Pending  State = "pending"
	Running  State = "running"
	Stopping State = "stopping"
	Stopped  State = "stopped"
)

// Storage is a site's bucket and how to reach it.
type Storage struct {
	Bucket string
	Region string

	// Endpoint is the S3 URL for this program, ServerEndpoint the one for the site's servers.
	// Empty means Amazon's.
	Endpoint       string
	ServerEndpoint string

	Credentials aws.CredentialsProvider // for this program

	// ServerCredentials are for the site's servers. They list what is below "releases/" and "servers/", read all of the
	// bucket but what is below "private/", write below "servers/" only, and delete nothing: whoever breaks into a server
	// takes away no backup, changes no release, and reads no operator's key, nor its name. What they write under the
	// bucket's object lock (s3:PutObjectRetention, in governance mode) they do not write over either; on Amazon's S3 the
	// bucket must be made with it.
	// Zero means that the servers have their own (an instance profile).
	ServerCredentials aws.Credentials
}
