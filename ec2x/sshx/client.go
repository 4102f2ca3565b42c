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
	// boots, and for the first 30 s also a refused key, as a new server gets its users shortly after sshd is up.
	// Zero tries once. A wrong host key is never tried again.
	Wait time.Duration

	// KeepAliveInterval is the time between keep-alive messages; zero is 15 s. After three without an answer
	// the connection is given up and whatever uses it gets ErrLost.
	KeepAliveInterval time.Duration
}

// sessionsPerConnection stays below sshd's MaxSessions of 10, two of which are lifelines.
const sessionsPerConnection = 7

// Client reaches one host over SSH. It is safe for concurrent use: scripts and tunnels share a connection, and
// another one is opened where sshd's limit of sessions per connection would be passed, or the first was lost.
type Client struct {
	target  Target
	config  *ssh.ClientConfig
	want    ssh.PublicKey
	dialing chan struct{} // one dial at a time

	mu     sync.Mutex
	conns  []*conn
	closed bool
}

var _ Host = (*Client)(nil)

// Dial connects to a host. Errors to tell apart: *HostKeyError, *AuthError; anything else is the network's.
func Dial(ctx context.Context, t Target) (*Client, error) {
	if t.Name == "" {
		t.Name = t.Addr
	}
	c := &Client{target: t, dialing: make(chan struct{}, 1)}
	if err := c.configure(); err != nil {
		return nil, fmt.Errorf("sshx: dial %q: %w", t.Name, err)
	}
	if err := c.with(ctx, func(*conn) error { return nil }); err != nil {
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
	return c.with(ctx, func(cn *conn) error {
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

// with lets use have a connection; where that one turns out lost before anything was begun, another one, in the end
// one that was dialled for it.
func (c *Client) with(ctx context.Context, use func(cn *conn) error) error {
	for {
		cn, dialled, err := c.acquire(ctx)
		if err != nil {
			return err
		}
		err = use(cn)
		c.release(cn)
		if dialled || !errors.Is(err, errUnopened) {
			return err
		}
	}
}

// acquire returns a live connection with a free session, dialling another one where needed.
func (c *Client) acquire(ctx context.Context) (cn *conn, dialled bool, err error) {
	if cn, err := c.free(); cn != nil || err != nil {
		return cn, false, err
	}
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	if cn, err := c.free(); cn != nil || err != nil {
		return cn, false, err
	}
	sc, err := c.dialWaiting(ctx)
	if err != nil {
		return nil, false, err
	}
	cn = newConn(sc)
	cn.used = 1
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = sc.Close()
		return nil, false, net.ErrClosed
	}
	c.conns = append(c.conns, cn)
	go c.watch(cn)
	return cn, true, nil
}

func (c *Client) free() (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	for _, cn := range c.conns {
		if cn.used < sessionsPerConnection && !cn.isLost() {
			cn.used++
			return cn, nil
		}
	}
	return nil, nil
}

func (c *Client) release(cn *conn) {
	c.mu.Lock()
	cn.used--
	c.mu.Unlock()
}

// watch keeps a connection alive and forgets it when it is lost.
func (c *Client) watch(cn *conn) {
	go cn.keepAlive(c.target.KeepAliveInterval)
	<-cn.lost
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = slices.DeleteFunc(c.conns, func(other *conn) bool { return other == cn })
}
