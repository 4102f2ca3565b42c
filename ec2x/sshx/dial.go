package sshx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dial implements Host: "tcp" and "unix" addresses as the host sees them. Connections honour deadlines and
// have CloseWrite, as those of package net do.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var raw net.Conn
	err := checkAddress(network, address)
	if err == nil {
		err = c.with(ctx, anyUser, func(cn *conn) (err error) {
			raw, err = cn.dial(ctx, network, address)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("sshx: dial %q from %q: %w", address, c.target.Name, err)
	}
	return newTunnelConn(raw), nil
}

func checkAddress(network, address string) error {
	switch network {
	case "unix":
		return nil
	case "tcp":
		_, port, err := net.SplitHostPort(address)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		return err
	}
	return net.UnknownNetworkError(network)
}

// dial opens a tunnel. It counts as a session until it is open only: sshd's limit is one of sessions, not of tunnels.
func (cn *conn) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-cn.lost:
			cancel(errUnopened)
		case <-ctx.Done():
		}
	}()
	raw, err := cn.ssh.DialContext(ctx, network, address)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) && refused.Reason == ssh.ResourceShortage {
		return nil, fmt.Errorf("%w: %s", errFull, refused.Message)
	}
	return raw, cn.openError(err)
}

// tunnelConn gives a channel deadlines, which x/crypto/ssh leaves out and database drivers need.
type tunnelConn struct {
	net.Conn
	chunks chan chunk
	closed chan struct{}
	once   sync.Once

	reading sync.Mutex
	rest    []byte
	readErr error

	writing     sync.Mutex
	writeBroken bool

	read, write deadline
}

type chunk struct {
	data []byte
	err  error
}

func newTunnelConn(raw net.Conn) *tunnelConn {
	t := &tunnelConn{Conn: raw, chunks: make(chan chunk), closed: make(chan struct{})}
	t.read.init()
	t.write.init()
	go t.pump()
	return t
}

// pump reads ahead by one chunk, so that a Read can be left without losing data.
func (t *tunnelConn) pump() {
	for {
		buf := make([]byte, 32<<10)
		n, err := t.Conn.Read(buf)
		select {
		case t.chunks <- chunk{buf[:n], err}:
		case <-t.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

func (t *tunnelConn) Read(p []byte) (int, error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	for len(t.rest) == 0 {
		if t.readErr != nil {
			return 0, t.readErr
		}
		expired := t.read.wait()
		select {
		case <-expired: // also when data is there: a past deadline always fails
			return 0, os.ErrDeadlineExceeded
		default:
		}
		select {
		case c := <-t.chunks:
			t.rest, t.readErr = c.data, c.err
		case <-expired:
			return 0, os.ErrDeadlineExceeded
		case <-t.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// Write honours the deadline by leaving the rest of the write behind; the connection takes no more after that.
func (t *tunnelConn) Write(p []byte) (int, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	expired := t.write.wait()
	select {
	case <-expired:
		return 0, os.ErrDeadlineExceeded
	default:
	}
	if t.writeBroken {
		return 0, os.ErrDeadlineExceeded
	}
	if !t.write.set() {
		return t.Conn.Write(p)
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	data := append([]byte(nil), p...)
	go func() {
		n, err := t.Conn.Write(data)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-expired:
		t.writeBroken = true
		return 0, os.ErrDeadlineExceeded
	case <-t.closed:
		return 0, net.ErrClosed
	}
}

// CloseWrite ends the own direction, as net.TCPConn's does.
func (t *tunnelConn) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

func (t *tunnelConn) Close() error {
	err := net.ErrClosed
	t.once.Do(func() {
		close(t.closed)
		if err = t.Conn.Close(); err == io.EOF { // the other side was first
			err = nil
		}
	})
	return err
}

func (t *tunnelConn) SetDeadline(at time.Time) error {
	t.read.at(at)
	t.write.at(at)
	return nil
}

func (t *tunnelConn) SetReadDeadline(at time.Time) error {
	t.read.at(at)
	return nil
}

func (t *tunnelConn) SetWriteDeadline(at time.Time) error {
	t.write.at(at)
	return nil
}

// deadline is a channel that closes at a time which may be moved, as in net.Pipe.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{}
}

func (d *deadline) init() { d.expired = make(chan struct{}) }

func (d *deadline) at(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.expired // the timer has fired; let it finish
	}
	d.timer = nil
	select {
	case <-d.expired:
		d.expired = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	expired := d.expired
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(expired) })
		return
	}
	close(expired)
}

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expired
}

// set says whether a deadline lies ahead.
func (d *deadline) set() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.timer != nil
}
