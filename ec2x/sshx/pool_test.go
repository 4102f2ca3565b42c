package sshx_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// together uses a client in every way at once and returns what went wrong.
func together(t *testing.T, h *sshx.Client, each int) error {
	dir := t.TempDir()
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	try := func(what func() error) {
		all.Go(func() {
			if err := what(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	for i := range each {
		try(func() error { return h.Run(t.Context(), sshx.Script{Text: "sleep 0.5"}) })
		try(func() error {
			name := dir + "/" + string(rune('a'+i))
			return sshx.Upload(t.Context(), h, sshx.File{Path: name}, strings.NewReader("x"))
		})
		try(func() error {
			c, err := h.Dial(t.Context(), "tcp", "127.0.0.1:1")
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte("ping"))
			return errors.Join(err, read(c, "ping"))
		})
		try(func() error {
			var out bytes.Buffer
			err := h.Shell(t.Context(), "echo hello", sshx.Terminal{Out: &out})
			if err == nil && out.String() != "hello\n" {
				err = errors.New("the shell said " + out.String())
			}
			return err
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func read(r io.Reader, want string) error {
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil {
		return err
	}
	if string(got) != want {
		return errors.New("read " + string(got))
	}
	return nil
}

func TestAnotherConnectionWhereSessionsAreFew(t *testing.T) {
	for _, allowed := range []int{2, 3, 4} {
		s := newServer(t)
		s.allowed = allowed
		h, err := sshx.Dial(t.Context(), s.target)
		require.NoError(t, err)
		require.NoError(t, together(t, h, 12), "MaxSessions %d", allowed)
		require.LessOrEqual(t, s.accepted.Load(), int32(32))
		before := s.accepted.Load()
		require.NoError(t, h.Run(t.Context(), sshx.Script{Text: ":"}))
		require.Equal(t, before, s.accepted.Load(), "what is free again is used again")
		require.NoError(t, h.Close())
		require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.sessions == 0 }, 10*time.Second, 10*time.Millisecond,
			"closing the client closes all of its connections")
		require.ErrorIs(t, h.Run(t.Context(), sshx.Script{Text: ":"}), net.ErrClosed)
	}
}

func TestMoreThanAllConnectionsHaveWaits(t *testing.T) {
	s := newServer(t)
	s.allowed = 2 // one script a connection
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	defer h.Close()
	var all sync.WaitGroup
	errs := make([]error, 60)
	for i := range errs {
		all.Go(func() { errs[i] = h.Run(t.Context(), sshx.Script{Text: "sleep 0.2"}) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.LessOrEqual(t, s.accepted.Load(), int32(32))
}

func TestHostWithoutSessionsIsAnError(t *testing.T) {
	for _, allowed := range []int{0, 1} {
		s := newServer(t)
		s.allowed = allowed
		h, err := sshx.Dial(t.Context(), s.target)
		require.NoError(t, err)
		defer h.Close()
		var all sync.WaitGroup
		errs := make([]error, 3)
		for i := range errs {
			all.Go(func() { errs[i] = h.Run(t.Context(), sshx.Script{Text: ":"}) })
		}
		all.Wait()
		for _, err := range errs {
			require.ErrorContains(t, err, `sshx: run on "db-1": the host refuses another session on the connection: open failed; set sshd's MaxSessions to 2 at least`)
		}
	}
}

func TestDroppedConnectionsAreTriedAgain(t *testing.T) {
	s := newServer(t)
	s.allowed = 3
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	defer h.Close()
	s.refuse.Store(4) // as sshd's MaxStartups and PerSourcePenalties do
	require.NoError(t, together(t, h, 4))
}
