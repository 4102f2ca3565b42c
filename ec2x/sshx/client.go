package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Target says which host to reach and how.
type Target struct {
	Name string // the host's name in errors, such as "web-1"; zero is Addr
	Addr string // "host:port" of sshd
	User string // login user

	// Key is the user's private key in PEM. Signer is used instead where set, for an agent or a hardware key.
	Key    string
	Signer ssh.Signer

	// HostKey is the host's public key, one authorized_keys line. It is required: an empty one refuses to dial.
	HostKey string

	// Bastion is the host from which Addr is dialled; nil dials from this machine.
	Bastion Host

	// Wait is how long a host that does not answer yet is tried again: refused and timed-out connections while it
	// boots, and for the first 30 s also a refused key, as a new server gets its users shortly after sshd is up. A key
	// is shown every 5 s only, since sshd shuts out who fails often (PerSourcePenalties).
	// Zero tries once. A wrong host key is never tried again. Once a Client has reached the host, further connections
	// that sshd drops for there being too many (MaxStartups) are tried again for 30 s, whatever Wait is.
	Wait time.Duration

	// KeepAliveInterval is the time between keep-alive messages; zero is 15 s. After three without an answer
	// the connection is given up and whatever uses it gets ErrLost.
	KeepAliveInterval time.Duration
}

// Client reaches one host over SSH. It is safe for concurrent use: scripts and tunnels share a connection, and
// another one is opened where the host refuses more sessions on it (sshd's MaxSessions, 10 by default), or it was lost.
// Up to 32 are open at one time; what needs more waits for its turn.
type Client struct {
	target Target
	config *ssh.ClientConfig
	want   ssh.PublicKey

	mu       sync.Mutex
	conns    []*conn
	dialing  *attempt // the one dial in progress, or nil
	closed   bool
	dialled  bool          // once at least: the host is there
	separate bool          // the host has no room for two lifelines on one connection
	changed  chan struct{} // closed when a session or a connection has ended
}

var _ Host = (*Client)(nil)

// Dial connects to a host. Errors to tell apart: *HostKeyError, *AuthError; anything else is the network's.
func Dial(ctx context.Context, t Target) (*Client, error) {
	if t.Name == "" {
		t.Name = t.Addr
	}
	c := &Client{target: t, changed: make(chan struct{})}
	if err := c.configure(); err != nil {
		return nil, fmt.Errorf("sshx: dial %q: %w", t.Name, err)
	}
	if err := c.with(ctx, anyUser, func(*conn) error { return nil }); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Client) configure() error {
	var errs []error
	if c.target.User == "" {
		errs = append(errs, errors.New("no user"))
	}
	if c.target.KeepAliveInterval <= 0 {
		c.target.KeepAliveInterval = 15 * time.Second
	}
	signer := c.target.Signer
	if signer == nil {
		var err error
		if signer, err = ssh.ParsePrivateKey([]byte(c.target.Key)); err != nil {
			errs = append(errs, fmt.Errorf("private key: %w", err))
		}
	}
	if c.target.HostKey == "" {
		errs = append(errs, errors.New("no host key; a host whose key is not known is not dialled"))
	} else {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.target.HostKey))
		if err != nil {
			errs = append(errs, fmt.Errorf("host key: %w", err))
		}
		c.want = key
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.config = &ssh.ClientConfig{
		User:              c.target.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   c.checkHostKey,
		HostKeyAlgorithms: hostKeyAlgorithms(c.want.Type()),
		ClientVersion:     "SSH-2.0-siteblocks",
	}
	return nil
}

// hostKeyAlgorithms makes the host show the key of the type that is expected.
func hostKeyAlgorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

func (c *Client) checkHostKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	if slices.Equal(key.Marshal(), c.want.Marshal()) {
		return nil
	}
	return c.hostKeyError(ssh.FingerprintSHA256(key))
}

func (c *Client) hostKeyError(got string) error {
	return &HostKeyError{Host: c.target.Name, Addr: c.target.Addr, Want: ssh.FingerprintSHA256(c.want), Got: got}
}

// Name is the host's name as in Target.Name.
func (c *Client) Name() string { return c.target.Name }

// Close ends all connections; scripts that still run are ended on the host.
func (c *Client) Close() error {
	c.mu.Lock()
	conns := c.conns
	c.conns, c.closed = nil, true
	c.change()
	c.mu.Unlock()
	for _, cn := range conns {
		_ = cn.ssh.Close()
	}
	return nil
}

// Run implements Host.
func (c *Client) Run(ctx context.Context, s Script) error {
	return hostError(c.target.Name, c.run(ctx, s))
}

func (c *Client) run(ctx context.Context, s Script) error {
	sudo := s.Root && c.target.User != "root"
	return c.with(ctx, userOf(sudo), func(cn *conn) error {
		line, err := cn.lifeline(ctx, sudo)
		if errors.Is(err, ErrLost) && cn.ends() {
			return errUnopened
		}
		if err != nil {
			return err
		}
		return runScript(ctx, cn.start, line, sudo, s)
	})
}
