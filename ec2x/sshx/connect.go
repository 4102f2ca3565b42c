package sshx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	handshakeTimeout = 20 * time.Second
	authWait         = 30 * time.Second // how long a refused key is tried again while a server is new
	authInterval     = 5 * time.Second
	dropWait         = 30 * time.Second // how long a connection that is dropped is tried again where others are there
	retryInterval    = 200 * time.Millisecond
)

// dialWaiting dials until the host answers, a final error, or the end of Target.Wait.
func (c *Client) dialWaiting(ctx context.Context) (*ssh.Client, error) {
	start := time.Now()
	for pause := retryInterval; ; pause = min(pause*3/2, 2*time.Second) {
		sc, err := c.dialOnce(ctx)
		if err == nil {
			return sc, nil
		}
		elapsed := time.Since(start)
		wait := c.patience(err)
		if elapsed >= wait || ctx.Err() != nil {
			return nil, c.dialError(ended(ctx, err), elapsed)
		}
		var auth *AuthError
		if errors.As(err, &auth) {
			pause = authInterval
		}
		select {
		case <-time.After(min(pause, wait-elapsed)):
		case <-ctx.Done():
			return nil, c.dialError(ended(ctx, err), elapsed)
		}
	}
}

// ended adds to what was last seen of a host why the caller stopped looking.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// patience is how long a host that answers with this error is tried again.
func (c *Client) patience(err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var key *HostKeyError
	var auth *AuthError
	switch {
	case errors.As(err, &key):
		return 0
	case errors.As(err, &auth):
		return min(c.target.Wait, authWait)
	case c.dialled && isDropped(err):
		return max(c.target.Wait, dropWait)
	}
	return c.target.Wait
}

// isDropped tells whether sshd let go of a connection before it said who it is, as it does when there are too many or
// when it holds something against the caller.
func isDropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (c *Client) dialError(err error, elapsed time.Duration) error {
	if isFinal(err) {
		return err
	}
	if c.target.Wait > 0 {
		err = fmt.Errorf("no answer in %s: %w", elapsed.Round(time.Second/10), err)
	}
	if c.cutOff() {
		err = fmt.Errorf("%w, and no other one comes about: %w", ErrLost, err)
	}
	return fmt.Errorf("sshx: dial %q at %s: %w", c.target.Name, c.target.Addr, err)
}

// cutOff tells whether there was a connection once, and none is left.
func (c *Client) cutOff() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dialled && len(c.conns) == 0
}

// errSilent is a host that accepts connections and then says too little, as one does whose kernel is all that still runs.
var errSilent = fmt.Errorf("it accepts connections, but no SSH handshake was done within %s: %w", handshakeTimeout, os.ErrDeadlineExceeded)

func (c *Client) dialOnce(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTimeout, errSilent)
	defer cancel()
	raw, err := c.dialTCP(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	sc, chans, reqs, err := ssh.NewClientConn(raw, c.target.Addr, c.config)
	if err != nil {
		err = c.handshakeError(err)
	}
	if !stop() && !isFinal(err) { // the error is that of a connection that was closed, or there is none yet
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return ssh.NewClient(sc, chans, reqs), nil
}

func (c *Client) dialTCP(ctx context.Context) (net.Conn, error) {
	if c.target.Bastion != nil {
		return c.target.Bastion.Dial(ctx, "tcp", c.target.Addr)
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", c.target.Addr)
}

// isFinal tells an answer of the host from a fault of the network.
func isFinal(err error) bool {
	var key *HostKeyError
	var auth *AuthError
	return errors.As(err, &key) || errors.As(err, &auth)
}

// handshakeError gives the two answers of a host that more than waiting must follow their types.
func (c *Client) handshakeError(err error) error {
	var key *HostKeyError
	var none *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &key):
		return key
	case errors.As(err, &none) && strings.Contains(err.Error(), "host key"):
		return c.hostKeyError("")
	case strings.Contains(err.Error(), "unable to authenticate"):
		return &AuthError{Host: c.target.Name, User: c.target.User, Err: err}
	}
	return err
}
