package traffic_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/siteblocks/siteblocks/site/traffic"
	"github.com/stretchr/testify/require"
)

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// serve answers every connection by hand.
func serve(t *testing.T, hand func(c *net.TCPConn, r *bufio.Reader)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); hand(c.(*net.TCPConn), bufio.NewReader(c)) }()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// request reads one from a client.
func request(r *bufio.Reader) (*http.Request, error) {
	req, err := http.ReadRequest(r)
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return req, err
}

// times answers n requests well.
func times(n int, c net.Conn, r *bufio.Reader) {
	for range n {
		if _, err := request(r); err != nil {
			return
		}
		io.WriteString(c, answer)
	}
}

func TestOutcomes(t *testing.T) {
	tests := map[string]struct {
		hand   func(c *net.TCPConn, r *bufio.Reader)
		kind   traffic.Kind
		reused bool
	}{
		"good":   {hand: func(c *net.TCPConn, r *bufio.Reader) { times(2, c, r); r.Peek(1) }, reused: true},
		"closed": {hand: func(c *net.TCPConn, r *bufio.Reader) { times(1, c, r); request(r) }, kind: traffic.Closed, reused: true},
		"reset": {hand: func(c *net.TCPConn, r *bufio.Reader) { times(1, c, r); request(r); c.SetLinger(0) },
			kind: traffic.Reset, reused: true},
		"cut in the body": {hand: func(c *net.TCPConn, r *bufio.Reader) {
			times(1, c, r)
			request(r)
			io.WriteString(c, answer[:len(answer)-1])
		},
			kind: traffic.Cut, reused: true},
		"cut in the header": {hand: func(c *net.TCPConn, r *bufio.Reader) { times(1, c, r); request(r); io.WriteString(c, answer[:20]) },
			kind: traffic.Cut, reused: true},
		"timed out": {hand: func(c *net.TCPConn, r *bufio.Reader) { times(1, c, r); request(r); r.Peek(1) },
			kind: traffic.TimedOut, reused: true},
		"stalls in the body": {hand: func(c *net.TCPConn, r *bufio.Reader) {
			times(1, c, r)
			request(r)
			io.WriteString(c, answer[:len(answer)-1])
			r.Peek(1)
		}, kind: traffic.TimedOut, reused: true},
		"not HTTP": {hand: func(c *net.TCPConn, r *bufio.Reader) { times(1, c, r); request(r); io.WriteString(c, "hello\r\n\r\n") },
			kind: traffic.Garbage, reused: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := traffic.NewClient(traffic.Target{Addr: serve(t, tt.hand), Timeout: 300 * time.Millisecond})
			require.NoError(t, err)
			defer c.Close()
			first := c.Ask(t.Context(), "GET", "/", "")
			require.Empty(t, first.Kind, first.Err)
			require.False(t, first.Reused)
			require.Equal(t, "ok", string(first.Body))
			second := c.Ask(t.Context(), "POST", "/", "x")
			require.Equal(t, tt.kind, second.Kind, second.Err)
			require.Equal(t, tt.reused, second.Reused)
		})
	}
}

// TestIdleCloseIsNoFailure waits until the client can have seen that the server closed.
func TestIdleCloseIsNoFailure(t *testing.T) {
	closed := make(chan bool)
	addr := serve(t, func(c *net.TCPConn, r *bufio.Reader) { times(1, c, r); c.Close(); closed <- true })
	gone := make(chan bool, 2)
	target := traffic.Target{Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := net.Dial("tcp", addr.String())
		return watched{c, gone}, err
	}}
	c, err := traffic.NewClient(target)
	require.NoError(t, err)
	for range 2 {
		o := c.Ask(t.Context(), "POST", "/", "x")
		require.Empty(t, o.Kind, o.Err)
		require.False(t, o.Reused)
		<-closed
		<-gone
	}
}

// watched says when a read met the end of the connection.
type watched struct {
	net.Conn
	gone chan bool
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		// What Peek does with it takes a moment, which nobody outside can see.
		time.AfterFunc(50*time.Millisecond, func() { w.gone <- true })
	}
	return n, err
}

func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	require.NoError(t, l.Close())
	c, err := traffic.NewClient(traffic.Target{Addr: addr})
	require.NoError(t, err)
	require.Equal(t, traffic.Refused, c.Ask(t.Context(), "GET", "/", "").Kind)

	c, err = traffic.NewClient(traffic.Target{Timeout: 50 * time.Millisecond, Dial: func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	require.NoError(t, err)
	require.Equal(t, traffic.DialTimeout, c.Ask(t.Context(), "GET", "/", "").Kind)
}

func TestOverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	trusted := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trusted.ServerName = "example.com"
	target := traffic.Target{Addr: netip.MustParseAddrPort(server.Listener.Addr().String()), Host: "www.shop.example", TLS: trusted}
	c, err := traffic.NewClient(target)
	require.NoError(t, err)
	defer c.Close()
	for range 2 {
		o := c.Ask(t.Context(), "GET", "/", "")
		require.Empty(t, o.Kind, o.Err)
		require.Equal(t, "www.shop.example", string(o.Body))
	}
	trusted.ServerName = "another.example"
	stranger, err := traffic.NewClient(target)
	require.NoError(t, err)
	require.Equal(t, traffic.NoDial, stranger.Ask(t.Context(), "GET", "/", "").Kind)
}
