package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	handshakeTimeout = 20 * time.Second
	authWait         = 30 * time.Second // how long a refused key is tried again while a server is new
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
		if c.final(err, elapsed) || ctx.Err() != nil {
			return nil, c.dialError(err, elapsed)
		}
		select {
		case <-time.After(min(pause, c.target.Wait-elapsed)):
		case <-ctx.Done():
			return nil, c.dialError(err, elapsed)
		}
	}
}

// final says whether another try is of no use.
func (c *Client) final(err error, elapsed time.Duration) bool {
	var key *HostKeyError
	var auth *AuthError
	return elapsed >= c.target.Wait || errors.As(err, &key) || errors.As(err, &auth) && elapsed > authWait
}

func (c *Client) dialError(err error, elapsed time.Duration) error {
	var key *HostKeyError
	var auth *AuthError
	switch {
	case errors.As(err, &key):
		return key
	case errors.As(err, &auth):
		return auth
	}
	if c.target.Wait > 0 {
		return fmt.Errorf("sshx: dial %q at %s: no answer in %s: %w", c.target.Name, c.target.Addr, elapsed.Round(time.Second/10), err)
	}
	return fmt.Errorf("sshx: dial %q at %s: %w", c.target.Name, c.target.Addr, err)
}

func (c *Client) dialOnce(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	raw, err := c.dialTCP(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	sc, chans, reqs, err := ssh.NewClientConn(raw, c.target.Addr, c.config)
	if !stop() && err == nil {
		_ = sc.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, c.handshakeError(err)
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
