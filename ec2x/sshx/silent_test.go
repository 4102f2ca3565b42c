package sshx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// wire makes a bastion of a server: what is dialled from it reaches the server over pipes, so that a test's clock may
// run ahead of real time.
type wire struct {
	sshx.Host
	server *server
}

func (w wire) Dial(context.Context, string, string) (net.Conn, error) {
	client, far := net.Pipe()
	w.server.accepted.Add(1)
	go w.server.serve(&freezer{newBuffered(far), &w.server.frozen})
	return newBuffered(client), nil
}

// buffered is a pipe into which more than the reader takes can be written, as SSH needs: both sides speak first.
type buffered struct {
	net.Conn
	out  chan []byte
	done chan struct{}
	once sync.Once
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, out: make(chan []byte, 1000), done: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-b.out:
				_, _ = c.Write(p)
			case <-b.done:
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.out <- append([]byte(nil), p...):
		return len(p), nil
	case <-b.done:
		return 0, net.ErrClosed
	}
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Conn.Close()
}

// many calls a client in three ways at once, and returns what they gave and when the last one came back.
func many(c *sshx.Client, ctx func(i int) context.Context, calls int) (errs []error, took time.Duration) {
	start := time.Now()
	errs = make([]error, calls)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			switch i % 3 {
			case 0:
				errs[i] = c.Run(ctx(i), sshx.Script{Text: ":"})
			case 1:
				errs[i] = sshx.Upload(ctx(i), c, sshx.File{Path: "/x"}, strings.NewReader("x"))
			case 2:
				_, errs[i] = c.Dial(ctx(i), "tcp", "127.0.0.1:1")
			}
		})
	}
	all.Wait()
	return errs, time.Since(start)
}

func TestManyCallersOfASilentHostShareOneDial(t *testing.T) {
	s := newServer(t)
	synctest.Test(t, func(t *testing.T) {
		target := s.target
		target.Bastion = wire{server: s}
		target.KeepAliveInterval = time.Second
		c, err := sshx.Dial(t.Context(), target)
		require.NoError(t, err)
		defer c.Close()
		s.frozen.Store(true)
		errs, took := many(c, func(int) context.Context { return t.Context() }, 24)
		for i, err := range errs {
			require.ErrorIs(t, err, sshx.ErrLost, i)
			require.ErrorContains(t, err, "it accepts connections, but no SSH handshake was done within 20s", i)
		}
		require.Less(t, took, 50*time.Second, "the keep-alive's time, and two dials at most")
		require.LessOrEqual(t, s.accepted.Load(), int32(3))

		s.frozen.Store(false)
		conn, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1")
		require.NoError(t, err, "a failed dial is not remembered")
		require.NoError(t, conn.Close())
	})
}

func TestHasteOfOneCallerIsNotTheOthersError(t *testing.T) {
	s := newServer(t)
	synctest.Test(t, func(t *testing.T) {
		target := s.target
		target.Bastion = wire{server: s}
		target.KeepAliveInterval = time.Second
		c, err := sshx.Dial(t.Context(), target)
		require.NoError(t, err)
		defer c.Close()
		s.frozen.Store(true)
		require.Error(t, c.Run(t.Context(), sshx.Script{Text: ":"}), "the connection is lost for it")
		hasty, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		errs, _ := many(c, func(i int) context.Context {
			if i == 0 {
				return hasty
			}
			time.Sleep(time.Second)
			return t.Context()
		}, 9)
		require.ErrorIs(t, errs[0], context.DeadlineExceeded)
		for _, err := range errs[1:] {
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, sshx.ErrLost)
		}
	})
}

func TestDialSaysWhyItStopped(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	why := errors.New("the operator has had enough")
	for _, wait := range []time.Duration{0, time.Minute} {
		target := newServer(t).target
		target.Addr, target.Wait = l.Addr().String(), wait
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
		_, err = sshx.Dial(ctx, target)
		require.ErrorIs(t, err, why)
		require.NotErrorIs(t, err, net.ErrClosed)
		require.NotErrorIs(t, err, sshx.ErrLost, "it was never connected")
	}

	s := newServer(t)
	s.refuse.Store(1000)
	s.target.Wait = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond) // it is tried at 0, 200 and 500 ms
	defer cancel()
	_, err = sshx.Dial(ctx, s.target)
	require.ErrorIs(t, err, context.DeadlineExceeded, "between two tries")
	require.ErrorContains(t, err, "no answer in")
}

func TestCommandThatIsNotAnswered(t *testing.T) {
	s := newServer(t)
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	defer h.Close()
	s.mute.Store(true)
	first := make(chan error, 1)
	go func() { first <- h.Run(t.Context(), sshx.Script{Text: ":"}) }()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.Run(ctx, sshx.Script{Text: ":"}), context.DeadlineExceeded, "it waits behind the first one, but not for ever")
	s.mute.Store(false)
	s.cut()
	require.NoError(t, <-first, "nothing was begun on the lost connection, so another one is used")
}
