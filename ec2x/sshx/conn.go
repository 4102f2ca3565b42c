package sshx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// conn is one SSH connection.
type conn struct {
	ssh  *ssh.Client
	lost chan struct{} // closed when the connection has ended

	used, limit int  // sessions in use and at most, lifelines not counted; guarded by Client.mu
	users       user // who has a lifeline; guarded by Client.mu

	starting chan struct{} // holds one while a lifeline is looked up or started
	lines    [2]*lifeline  // of the login user and of root; guarded by starting
}

func newConn(sc *ssh.Client) *conn {
	cn := &conn{ssh: sc, lost: make(chan struct{}), starting: make(chan struct{}, 1)}
	go func() { _ = sc.Wait(); close(cn.lost) }()
	return cn
}

func (cn *conn) isLost() bool {
	select {
	case <-cn.lost:
		return true
	default:
		return false
	}
}

// lifeline returns the connection's lifeline for the login user or root, starting it at first need.
func (cn *conn) lifeline(ctx context.Context, sudo bool) (*lifeline, error) {
	i := 0
	if sudo {
		i = 1
	}
	select { // no mutex: a host that went silent may hold up who starts one
	case cn.starting <- struct{}{}:
		defer func() { <-cn.starting }()
	case <-cn.lost:
		return nil, errUnopened
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l := cn.lines[i]; l != nil && l.alive() {
		return l, nil
	}
	l, err := startLifeline(ctx, cn.start, sudo)
	if err != nil {
		return nil, err
	}
	cn.lines[i] = l
	return l, nil
}

// ends tells whether the connection is about to end: one of its sessions ended without a word.
func (cn *conn) ends() bool {
	select {
	case <-cn.lost:
		return true
	case <-time.After(time.Second):
		return false
	}
}

// keepAlive asks the host for a sign of life and closes the connection after three without an answer.
func (cn *conn) keepAlive(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var missed atomic.Int32
	for {
		select {
		case <-cn.lost:
			return
		case <-ticker.C:
		}
		if missed.Add(1) > 3 {
			_ = cn.ssh.Close()
			return
		}
		if missed.Load() > 1 {
			continue // the first question is still open
		}
		go func() {
			if _, _, err := cn.ssh.SendRequest("keepalive@openssh.com", true, nil); err == nil {
				missed.Store(0)
			}
		}()
	}
}

// open opens a session channel, giving up when ctx ends. A connection that is lost in the very moment never answers:
// the ssh package waits for ever then.
func (cn *conn) open(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	result := make(chan opened, 1)
	go func() {
		ch, reqs, err := cn.ssh.OpenChannel("session", nil)
		result <- opened{ch, reqs, err}
	}()
	select {
	case o := <-result:
		var refused *ssh.OpenChannelError
		if errors.As(o.err, &refused) {
			return nil, nil, fmt.Errorf("%w: %s", errFull, refused.Message)
		}
		return o.ch, o.reqs, cn.openError(o.err)
	case <-cn.lost:
		return nil, nil, errUnopened
	case <-ctx.Done():
		go func() {
			if o := <-result; o.err == nil {
				go ssh.DiscardRequests(o.reqs)
				_ = o.ch.Close()
			}
		}()
		return nil, nil, context.Cause(ctx)
	}
}

// openError tells a host that refused to open from a connection that has ended.
func (cn *conn) openError(err error) error {
	var refused *ssh.OpenChannelError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	_ = cn.ssh.Close()
	<-cn.lost
	return errUnopened
}

// start implements starter.
func (cn *conn) start(ctx context.Context, command string, stdout, stderr io.Writer) (*process, error) {
	ch, reqs, err := cn.open(ctx)
	if err != nil {
		return nil, err
	}
	s := newSession(ch, reqs)
	if err := request(ctx, ch, command); err != nil {
		_ = ch.Close()
		return nil, err
	}
	p := &process{stdin: closeWriter{ch}, done: make(chan struct{}), abort: func() { _ = ch.Close() }}
	go func() {
		p.err = s.wait(stdout, stderr)
		close(p.done)
	}()
	return p, nil
}

// request has the host run a command on a channel, and gives up its answer when ctx ends.
func request(ctx context.Context, ch ssh.Channel, command string) error {
	begun := make(chan error, 1)
	go func() {
		ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{command}))
		if err != nil || !ok { // an error is the connection's end: it has no other
			err = ErrLost
		}
		begun <- err
	}()
	select {
	case err := <-begun:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// closeWriter closes only the channel's own direction.
type closeWriter struct{ ssh.Channel }

func (c closeWriter) Close() error { return c.CloseWrite() }

// session follows one session channel to its end.
type session struct {
	ch     ssh.Channel
	exited chan struct{} // closed when the host reports the exit, or the channel is gone
	err    error
}

func newSession(ch ssh.Channel, reqs <-chan *ssh.Request) *session {
	s := &session{ch: ch, exited: make(chan struct{}), err: ErrLost}
	go s.follow(reqs)
	return s
}

func (s *session) follow(reqs <-chan *ssh.Request) {
	var once sync.Once
	report := func(err error) { once.Do(func() { s.err = err; close(s.exited) }) }
	for req := range reqs {
		switch req.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(req.Payload, &m) == nil {
				report(statusError(int(m.Status)))
			}
		case "exit-signal":
			var m struct {
				Signal string
				Core   bool
				Error  string
				Lang   string
			}
			if ssh.Unmarshal(req.Payload, &m) == nil {
				report(&ExitError{Status: 255, Signal: m.Signal})
			}
		}
		if req.WantReply {
			_ = req.Reply(false, nil)
		}
	}
	report(ErrLost)
}

func statusError(status int) error {
	if status == 0 {
		return nil
	}
	return &ExitError{Status: status}
}

// wait copies the output until the program has exited. A child that keeps the output open does not hold it up
// once nothing has come for outputTimeout.
func (s *session) wait(stdout, stderr io.Writer) error {
	var last atomic.Int64
	var copies sync.WaitGroup
	for _, c := range []struct {
		dst io.Writer
		src io.Reader
	}{{stdout, s.ch}, {stderr, s.ch.Stderr()}} {
		copies.Go(func() {
			_, err := io.CopyBuffer(activity{c.dst, &last}, struct{ io.Reader }{c.src}, make([]byte, 64<<10))
			if err != nil {
				_, _ = io.Copy(io.Discard, c.src) // a broken writer of ours must not block the program
			}
		})
	}
	drained := make(chan struct{})
	go func() { copies.Wait(); close(drained) }()
	<-s.exited
	last.Store(time.Now().UnixNano())
	for tick := time.NewTicker(outputTimeout / 4); ; {
		select {
		case <-drained:
		case <-tick.C:
			if time.Since(time.Unix(0, last.Load())) < outputTimeout {
				continue
			}
		}
		tick.Stop()
		_ = s.ch.Close()
		<-drained
		return s.err
	}
}

// activity notes when something was last written.
type activity struct {
	io.Writer
	last *atomic.Int64
}

func (a activity) Write(p []byte) (int, error) {
	n, err := a.Writer.Write(p)
	a.last.Store(time.Now().UnixNano())
	return n, err
}
