//go:build integration

package sshx_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// TestSSHD runs against a real sshd with a real sudo.
func TestSSHD(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	tests := []struct {
		name string
		test func(*testing.T, *localtest.Machine)
	}{
		{"script", testScript},
		{"exit", testExit},
		{"binary input", testBinaryInput},
		{"many at once", testManyAtOnce},
		{"no space that others can fill", testNoSpace},
		{"end of context", testEndOfContext},
		{"end of connection", testEndOfConnection},
		{"input that fails", testInputFails},
		{"upload", testUpload},
		{"tunnel", testTunnel},
		{"deadline", testDeadline},
		{"shell", testShell},
		{"bastion", testBastion},
		{"wrong keys", testWrongKeys},
		{"few sessions", testFewSessions},
		{"reconnect", testReconnect}, // last: restarts sshd
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, m) })
	}
}

func testScript(t *testing.T, m *localtest.Machine) {
	var login bytes.Buffer
	require.NoError(t, m.Host.Shell(t.Context(), `echo "$(id -un) $(umask)"`, sshx.Terminal{Out: &login}))
	require.Equal(t, login.String(), output(t, m.Host, sshx.Script{Text: `echo "$(id -un) $(umask)"`}))
	require.Equal(t, "root\n", output(t, m.Host, sshx.Script{Text: "id -un", Root: true}))
	list := output(t, m.Host, sshx.Script{Root: true, Text: "secret=correct-horse-battery\ncat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '\n"})
	require.Contains(t, list, "/bin/sh")
	require.NotContains(t, list, "correct-horse-battery")
	start := time.Now()
	for range 10 {
		require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Text: ":", Root: true}))
	}
	t.Logf("one empty script as root: %s", time.Since(start)/10)
}

func testExit(t *testing.T, m *localtest.Machine) {
	err := m.Host.Run(t.Context(), sshx.Script{Text: "echo early; i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 7", Root: true})
	var exit *sshx.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, "web-1", exit.Host)
	require.Equal(t, 7, exit.Status)
	require.True(t, strings.HasSuffix(exit.Stderr, "line 1999\n"))
	require.LessOrEqual(t, len(exit.Stderr), 4<<10)
	require.True(t, strings.HasPrefix(exit.Stderr, "line "), "begins at a line's begin")
	err = m.Host.Run(t.Context(), sshx.Script{Text: "kill -9 $$"})
	require.ErrorAs(t, err, &exit)
	require.Equal(t, "KILL", exit.Signal)
	err = m.Host.Run(t.Context(), sshx.Script{Text: "if then"})
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.Status)
}

func testBinaryInput(t *testing.T, m *localtest.Machine) {
	const size = 256 << 20
	block := make([]byte, 1<<20)
	_, _ = rand.Read(block)
	blocks := make([]io.Reader, size/len(block))
	for i := range blocks {
		blocks[i] = bytes.NewReader(block)
	}
	h := sha256.New()
	for range blocks {
		_, _ = h.Write(block)
	}
	start := time.Now()
	sum := output(t, m.Host, sshx.Script{Text: "cat >/dev/null; echo done", Stdin: io.MultiReader(blocks...)})
	rate := float64(size) / (1 << 20) / time.Since(start).Seconds()
	require.Equal(t, "done\n", sum)
	t.Logf("input: %.0f MiB/s", rate)
	for i := range blocks {
		blocks[i] = bytes.NewReader(block)
	}
	sum = output(t, m.Host, sshx.Script{Text: "sha256sum", Stdin: io.MultiReader(blocks...), Root: true})
	require.Equal(t, hex.EncodeToString(h.Sum(nil)), strings.Fields(sum)[0])
	var n counter
	start = time.Now()
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Text: "head -c 268435456 /dev/zero", Stdout: &n}))
	require.EqualValues(t, size, n)
	t.Logf("output: %.0f MiB/s", float64(size)/(1<<20)/time.Since(start).Seconds())
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Text: "head -c 10 >/dev/null", Stdin: bytes.NewReader(make([]byte, 64<<20))}),
		"a script need not read all of its input")
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func testManyAtOnce(t *testing.T, m *localtest.Machine) {
	require.NoError(t, manyAtOnce(t, m.Host, 30), "sshd allows 10 sessions per connection")
}

// manyAtOnce runs scripts side by side, as both users.
func manyAtOnce(t *testing.T, h *sshx.Client, n int) error {
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() {
			var out bytes.Buffer
			errs[i] = h.Run(t.Context(), sshx.Script{Text: fmt.Sprintf("sleep 1; echo %d", i), Stdout: &out, Root: i%2 == 0})
			if errs[i] == nil && out.String() != fmt.Sprintf("%d\n", i) {
				errs[i] = errors.New("another script's output: " + out.String())
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// testFewSessions has an sshd that allows few sessions on a connection, and few connections that have not logged in.
func testFewSessions(t *testing.T, m *localtest.Machine) {
	conf := func(text string) {
		require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Root: true,
			Text: "printf " + sshx.Quote(text) + " >/etc/ssh/sshd_config.d/05-few.conf; systemctl reload ssh"}))
	}
	conf("MaxSessions 4\nMaxStartups 1\n")
	defer conf("")
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		all.Go(func() {
			h, err := sshx.Dial(t.Context(), m.Target)
			if err != nil {
				errs[i] = err
				return
			}
			defer h.Close()
			errs[i] = manyAtOnce(t, h, 12)
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}

// left counts what runs on the host with a mark in its arguments.
func left(t *testing.T, h sshx.Host, mark string) int {
	t.Helper()
	text := "n=0; for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f 2>/dev/null | grep -q -- 'sleep " + mark + "' && n=$((n+1)); done; echo $n"
	var n int
	_, err := fmt.Sscan(output(t, h, sshx.Script{Text: text, Root: true}), &n)
	require.NoError(t, err)
	return n
}

func testEndOfContext(t *testing.T, m *localtest.Machine) {
	for i, root := range []bool{false, true} {
		mark := fmt.Sprintf("4000%d", i)
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- m.Host.Run(ctx, sshx.Script{
				// A child in the background, one that does not listen to TERM, one under another sudo; and an input
				// that nobody reads, so that the end of the input could not tell the host anything.
				Text:   "sleep " + mark + " & (trap '' TERM; sleep " + mark + ") & sudo -n sleep " + mark + " & sleep 0.5; echo up; wait",
				Root:   root,
				Stdin:  neverEnding{},
				Stdout: w,
			})
		}()
		_, err := r.Read(make([]byte, 8))
		require.NoError(t, err)
		require.GreaterOrEqual(t, left(t, m.Host, mark), 3)
		cancel()
		start := time.Now()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Less(t, time.Since(start), 6*time.Second)
		// sudo ends its own child, in a session of its own, as it ends itself; see that it has had the time.
		require.Eventually(t, func() bool { return left(t, m.Host, mark) == 0 }, 5*time.Second, 200*time.Millisecond)
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func testEndOfConnection(t *testing.T, m *localtest.Machine) {
	const folders = "ls -d /run/sshx.* | wc -l"
	before := output(t, m.Host, sshx.Script{Text: folders, Root: true})
	proxy := newProxy(t, m.Target.Addr)
	target := m.Target
	target.Addr = proxy.Addr()
	h, err := sshx.Dial(t.Context(), target)
	require.NoError(t, err)
	defer h.Close()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- h.Run(t.Context(), sshx.Script{
			Text: "sleep 50000 & sleep 50000 & echo up; wait", Root: true, Stdin: neverEnding{}, Stdout: w,
		})
	}()
	_, err = r.Read(make([]byte, 8))
	require.NoError(t, err)
	require.GreaterOrEqual(t, left(t, m.Host, "50000"), 2)
	proxy.Cut()
	require.ErrorIs(t, <-done, sshx.ErrLost)
	require.Eventually(t, func() bool { return left(t, m.Host, "50000") == 0 }, 10*time.Second, 200*time.Millisecond)
	require.Eventually(t, func() bool {
		return output(t, m.Host, sshx.Script{Text: folders, Root: true}) == before
	}, 10*time.Second, 200*time.Millisecond, "the lost connection's folders are gone")
}

// testNoSpace fills, as an account without any rights, all that everybody may write to.
func testNoSpace(t *testing.T, m *localtest.Machine) {
	fill := func(dirs string) {
		require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Root: true, Text: `mount -o remount,size=2m /tmp
			for d in ` + dirs + `; do runuser -u nobody -- sh -c "cat /dev/zero >$d/fill" 2>/dev/null; runuser -u nobody -- sh -c "echo x >$d/more" 2>/dev/null && exit 1; done; true`}))
	}
	fill("/dev/shm /tmp")
	h, err := sshx.Dial(t.Context(), m.Target)
	require.NoError(t, err)
	defer h.Close()
	for _, root := range []bool{true, false} {
		text := "echo it runs " + strings.Repeat(": ", 100_000)
		require.Contains(t, output(t, h, sshx.Script{Text: text, Root: root}), "it runs", "root: %v", root)
		require.Contains(t, output(t, m.Host, sshx.Script{Text: text, Root: root}), "it runs", "root: %v", root)
	}
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Root: true, Text: "rm /dev/shm/* /tmp/fill /tmp/more 2>/dev/null; mount -o remount,size=50% /tmp"}))
}

func testInputFails(t *testing.T, m *localtest.Machine) {
	broken := errors.New("disk on fire")
	err := m.Host.Run(t.Context(), sshx.Script{Text: "cat >/dev/null; touch /tmp/finished", Stdin: &brokenReader{data: "half", err: broken}})
	require.ErrorIs(t, err, broken)
	require.Equal(t, "gone\n", output(t, m.Host, sshx.Script{Text: "[ -e /tmp/finished ] || echo gone"}))
}

func testUpload(t *testing.T, m *localtest.Machine) {
	data := make([]byte, 300<<20)
	_, _ = rand.Read(data[:1<<20])
	want := sha256.Sum256(data)
	start := time.Now()
	f := sshx.File{Path: "/var/tmp/it's big", Mode: 0o640, Root: true, Owner: "admin:daemon"}
	require.NoError(t, sshx.Upload(t.Context(), m.Host, f, bytes.NewReader(data)))
	t.Logf("disk alone: %s", strings.TrimSpace(output(t, m.Host, sshx.Script{Text: "dd if=/dev/zero of=/var/tmp/x bs=128k count=2400 2>&1 | tail -1; rm /var/tmp/x"})))
	t.Logf("upload: %.0f MiB/s", float64(len(data))/(1<<20)/time.Since(start).Seconds())
	require.Equal(t, "640 admin daemon\n", output(t, m.Host, sshx.Script{Text: `stat -c '%a %U %G' "/var/tmp/it's big"`}))
	sum := output(t, m.Host, sshx.Script{Text: `sha256sum <"/var/tmp/it's big"; rm "/var/tmp/it's big"`, Root: true})
	require.Equal(t, hex.EncodeToString(want[:]), strings.Fields(sum)[0])
	err := sshx.Upload(t.Context(), m.Host, sshx.File{Path: "/nowhere/file"}, strings.NewReader("x"))
	require.ErrorContains(t, err, "/nowhere/file")
}

func testTunnel(t *testing.T, m *localtest.Machine) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:22", "unix": "/run/dbus/system_bus_socket"} {
		c, err := m.Host.Dial(t.Context(), network, address)
		require.NoError(t, err, network)
		require.NoError(t, c.Close())
	}
	tunnel, err := sshx.Forward(t.Context(), m.Host, "tcp", "127.0.0.1:22")
	require.NoError(t, err)
	defer tunnel.Close()
	c, err := net.Dial("tcp", tunnel.Addr())
	require.NoError(t, err)
	defer c.Close()
	banner := make([]byte, 7)
	_, err = io.ReadFull(c, banner)
	require.NoError(t, err)
	require.Equal(t, "SSH-2.0", string(banner))
	_, err = m.Host.Dial(t.Context(), "tcp", "127.0.0.1:1")
	require.ErrorContains(t, err, "web-1")
}

func testDeadline(t *testing.T, m *localtest.Machine) {
	c, err := m.Host.Dial(t.Context(), "tcp", "127.0.0.1:22")
	require.NoError(t, err)
	defer c.Close()
	first := make([]byte, 4)
	_, err = io.ReadFull(c, first)
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = c.Read(make([]byte, 64))
	if err == nil { // what had been read before is handed out first
		_, err = c.Read(make([]byte, 4096))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	start := time.Now()
	for err = nil; err == nil; {
		_, err = c.Read(make([]byte, 4096))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, time.Since(start), 3*time.Second)
	require.NoError(t, c.SetDeadline(time.Time{}))
	_, err = c.Write([]byte("SSH-2.0-x\r\n"))
	require.NoError(t, err)
}

func testShell(t *testing.T, m *localtest.Machine) {
	var out bytes.Buffer
	err := m.Host.Shell(t.Context(), "tty && stty size && exit 4", sshx.Terminal{Out: &out, Type: "xterm", Size: sshx.Size{Columns: 120, Rows: 40}})
	var exit *sshx.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 4, exit.Status)
	require.Regexp(t, `/dev/pts/\d+\r\n40 120\r\n`, out.String())
	out.Reset()
	require.NoError(t, m.Host.Shell(t.Context(), "", sshx.Terminal{In: strings.NewReader("echo $((6*7))\nexit\n"), Out: &out}))
	require.Equal(t, "42\n", out.String())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, m.Host.Shell(ctx, "sleep 60000", sshx.Terminal{Type: "xterm"}), context.DeadlineExceeded)
	require.Eventually(t, func() bool { return left(t, m.Host, "60000") == 0 }, 5*time.Second, 200*time.Millisecond)
}

func testBastion(t *testing.T, m *localtest.Machine) {
	target := m.Target
	target.Name, target.Addr, target.Bastion = "inner", "127.0.0.1:22", m.Host
	h, err := sshx.Dial(t.Context(), target)
	require.NoError(t, err)
	require.Equal(t, "web-1\n", output(t, h, sshx.Script{Text: "hostname"}))
	require.NoError(t, h.Close())
	require.ErrorIs(t, h.Run(t.Context(), sshx.Script{Text: ":"}), net.ErrClosed)
}

func testWrongKeys(t *testing.T, m *localtest.Machine) {
	wrong := m.Target
	_, wrong.HostKey = sshx.NewKey()
	start := time.Now()
	_, err := sshx.Dial(t.Context(), wrong)
	var key *sshx.HostKeyError
	require.ErrorAs(t, err, &key)
	require.NotEmpty(t, key.Got)
	require.ErrorContains(t, err, "web-1")
	require.Less(t, time.Since(start), 3*time.Second, "never tried again")

	wrong.HostKey = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="
	_, err = sshx.Dial(t.Context(), wrong)
	require.ErrorAs(t, err, &key, "a host without a key of that type is another host")
	require.Empty(t, key.Got)

	wrong = m.Target
	wrong.Key, _ = sshx.NewKey()
	wrong.Wait = 0
	_, err = sshx.Dial(t.Context(), wrong)
	var auth *sshx.AuthError
	require.ErrorAs(t, err, &auth)
	require.Equal(t, "admin", auth.User)
	require.NotContains(t, err.Error(), "PRIVATE")
}

func testReconnect(t *testing.T, m *localtest.Machine) {
	err := m.Host.Run(t.Context(), sshx.Script{Text: "systemctl restart ssh; kill $(pgrep -f 'sshd.*admin')", Root: true})
	require.Error(t, err)
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Text: ":"}), "the client dials again")
}

func output(t *testing.T, h sshx.Host, s sshx.Script) string {
	t.Helper()
	var out bytes.Buffer
	s.Stdout = &out
	require.NoError(t, h.Run(t.Context(), s))
	return out.String()
}

// proxy passes connections on until it is cut.
type proxy struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{Listener: l}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go func() { _, _ = io.Copy(in, out) }()
			go func() { _, _ = io.Copy(out, in) }()
		}
	}()
	return p
}

func (p *proxy) Addr() string { return p.Listener.Addr().String() }

func (p *proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}
