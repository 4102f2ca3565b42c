package sshx_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// server is an SSH server in this process, for what a real sshd cannot be made to do at will.
type server struct {
	target sshx.Target
	config *ssh.ServerConfig

	mu       sync.Mutex
	sessions int // how many are open on all connections
	most     int
	allowed  int // sessions on a connection, as sshd's MaxSessions
	conns    []net.Conn

	refuse   atomic.Int32 // how many connections are closed before anything is said
	accepted atomic.Int32
	mute     atomic.Bool // a command that is to run is not answered
	frozen   atomic.Bool // nothing that arrives is answered any more
}

func newServer(t *testing.T) *server {
	t.Helper()
	hostKey, hostPub := sshx.NewKey()
	userKey, userPub := sshx.NewKey()
	signer, err := ssh.ParsePrivateKey([]byte(hostKey))
	require.NoError(t, err)
	s := &server{allowed: 10, config: &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if want, _, _, _, _ := ssh.ParseAuthorizedKey([]byte(userPub)); string(want.Marshal()) == string(key.Marshal()) {
				return nil, nil
			}
			return nil, errors.New("another key")
		},
	}}
	s.config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go s.accept(l)
	s.target = sshx.Target{Name: "db-1", Addr: l.Addr().String(), User: "root", Key: userKey, HostKey: hostPub}
	return s
}

func (s *server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		if s.refuse.Add(-1) >= 0 {
			_ = c.Close()
			continue
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		go s.serve(&freezer{c, &s.frozen})
	}
}

// cut ends every connection.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// freezer swallows what is written once it is frozen.
type freezer struct {
	net.Conn
	frozen *atomic.Bool
}

func (f *freezer) Write(p []byte) (int, error) {
	if f.frozen.Load() {
		return len(p), nil
	}
	return f.Conn.Write(p)
}

func (s *server) serve(c net.Conn) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		return
	}
	go func() {
		for r := range requests {
			_ = r.Reply(false, nil)
		}
	}()
	var open atomic.Int32
	for n := range channels {
		if n.ChannelType() != "session" {
			go tunnel(n)
			continue
		}
		if open.Add(1) > int32(s.allowed) {
			open.Add(-1)
			_ = n.Reject(ssh.ConnectionFailed, "open failed")
			continue
		}
		go func() { s.session(n); open.Add(-1) }()
	}
}

// tunnel sends back what it is sent.
func tunnel(n ssh.NewChannel) {
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	_, _ = io.Copy(ch, ch)
	_ = ch.Close()
}

func (s *server) session(n ssh.NewChannel) {
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	s.count(1)
	defer s.count(-1)
	for r := range requests {
		var m struct{ Command string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &m) != nil {
			_ = r.Reply(false, nil)
			continue
		}
		if s.mute.Load() {
			continue
		}
		_ = r.Reply(true, nil)
		cmd := exec.Command("/bin/sh", "-c", m.Command)
		cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
		stdin, _ := cmd.StdinPipe()
		go func() { _, _ = io.Copy(stdin, ch); _ = stdin.Close() }()
		_ = cmd.Run()
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(cmd.ProcessState.ExitCode())}))
		return
	}
}

func (s *server) count(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions += by
	s.most = max(s.most, s.sessions)
}

func TestDialWaitsForABootingHost(t *testing.T) {
	s := newServer(t)
	s.refuse.Store(3)
	_, err := sshx.Dial(t.Context(), s.target)
	require.ErrorContains(t, err, `sshx: dial "db-1"`)
	s.target.Wait = 10 * time.Second
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	require.NoError(t, h.Close())
	require.EqualValues(t, 4, s.accepted.Load())
}

func TestDialGivesUpAfterWait(t *testing.T) {
	s := newServer(t)
	s.refuse.Store(1000)
	s.target.Wait = time.Second
	start := time.Now()
	_, err := sshx.Dial(t.Context(), s.target)
	require.ErrorContains(t, err, "no answer in 1")
	require.Less(t, time.Since(start), 4*time.Second)
}

func TestDialNeverRetriesAWrongHostKey(t *testing.T) {
	s := newServer(t)
	_, s.target.HostKey = sshx.NewKey()
	s.target.Wait = time.Minute
	_, err := sshx.Dial(t.Context(), s.target)
	var wrong *sshx.HostKeyError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "db-1", wrong.Host)
	require.NotEqual(t, wrong.Want, wrong.Got)
	require.EqualValues(t, 1, s.accepted.Load())
}

func TestDialRefusesWhatItCannotCheck(t *testing.T) {
	s := newServer(t)
	_, err := sshx.Dial(t.Context(), sshx.Target{Name: "db-1", Addr: s.target.Addr, Key: "junk"})
	for _, mistake := range []string{"no user", "private key", "no host key"} {
		require.ErrorContains(t, err, mistake)
	}
	s.target.HostKey = "ssh-ed25519 junk"
	_, err = sshx.Dial(t.Context(), s.target)
	require.ErrorContains(t, err, "host key")
	require.Zero(t, s.accepted.Load(), "nothing was dialled")
}

func TestDialRefusedKey(t *testing.T) {
	s := newServer(t)
	s.target.Key, _ = sshx.NewKey()
	_, err := sshx.Dial(t.Context(), s.target)
	var refused *sshx.AuthError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "root", refused.User)
}

func TestKeepAliveGivesAHungHostUp(t *testing.T) {
	s := newServer(t)
	s.target.KeepAliveInterval = 50 * time.Millisecond
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	defer h.Close()
	require.NoError(t, h.Run(t.Context(), sshx.Script{Text: "sleep 0.5"}), "a quiet script is no hung host")
	done := make(chan error, 1)
	go func() { done <- h.Run(t.Context(), sshx.Script{Text: "sleep 3"}) }()
	time.Sleep(200 * time.Millisecond)
	s.frozen.Store(true)
	start := time.Now()
	require.ErrorIs(t, <-done, sshx.ErrLost)
	require.Less(t, time.Since(start), 2*time.Second)
}

func TestLostConnectionIsReplaced(t *testing.T) {
	s := newServer(t)
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	defer h.Close()
	for i := range 100 {
		if i%10 == 0 { // several connections, all of which are lost
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() { _ = h.Run(t.Context(), sshx.Script{Text: "sleep 0.1"}) })
			}
			all.Wait()
		}
		s.cut()
		if i%2 == 0 {
			runtime.Gosched()
		}
		require.NoError(t, h.Run(t.Context(), sshx.Script{Text: ":"}), "cut %d", i)
	}
}

func TestOneWriterForBothOutputs(t *testing.T) {
	s := newServer(t)
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	defer h.Close()
	for _, host := range []sshx.Host{h, sshx.Local{}} {
		var both bytes.Buffer
		script := sshx.Script{Text: "for i in $(seq 200); do echo out; echo err >&2; done", Stdout: &both, Stderr: &both}
		require.NoError(t, host.Run(t.Context(), script))
		require.Equal(t, 200, strings.Count(both.String(), "out\n"))
		require.Equal(t, 200, strings.Count(both.String(), "err\n"))
	}
}

func TestMoreScriptsThanSessionsPerConnection(t *testing.T) {
	s := newServer(t)
	h, err := sshx.Dial(t.Context(), s.target)
	require.NoError(t, err)
	defer h.Close()
	var all sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		all.Go(func() { errs[i] = h.Run(t.Context(), sshx.Script{Text: "sleep 1"}) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, int32(3), s.accepted.Load(), "20 scripts, 7 to a connection")
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Greater(t, s.most, 10)
}
