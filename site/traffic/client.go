package traffic

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Target is where requests go.
type Target struct {
	// Addr is the address of every connection. It lies in 127.0.0.0/8, unless Dial is set.
	Addr netip.AddrPort

	// Dial makes the connections instead, such as through SSH. Zero dials Addr.
	Dial func(context.Context) (net.Conn, error)

	// TLS, where set, encrypts them. It names the server and says whom to trust.
	TLS *tls.Config

	// Host is the Host header, such as "www.shop.example". Zero: Addr.
	Host string

	// Timeout bounds a request, from dialling to the last byte of the answer. Zero: 20 s.
	Timeout time.Duration
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

func (t Target) check() error {
	if t.Dial == nil && !loopback.Contains(t.Addr.Addr().Unmap()) {
		return fmt.Errorf("traffic: target %v is not within 127.0.0.0/8; a Dial of your own reaches others", t.Addr)
	}
	return nil
}

func (t Target) dial(ctx context.Context) (net.Conn, error) {
	dial := t.Dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", t.Addr.String())
		}
	}
	c, err := dial(ctx)
	if err != nil || t.TLS == nil {
		return c, err
	}
	secure := tls.Client(c, t.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return secure, nil
}

// Client is one visitor: one request at a time over a connection that is kept alive. It repeats nothing.
type Client struct {
	target Target

	conn   net.Conn
	r      *bufio.Reader
	first  chan error // says that there is something to read, or why there will not be
	used   bool       // whether the connection has carried a request
	dialed int
	idled  int // connections that the server closed while no request was on its way
}

// NewClient returns a client without a connection; the first request makes one.
func NewClient(t Target) (*Client, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if t.Timeout <= 0 {
		t.Timeout = 20 * time.Second
	}
	if t.Host == "" {
		t.Host = t.Addr.String()
	}
	return &Client{target: t}, nil
}

// Close closes the connection, if there is one.
func (c *Client) Close() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// Outcome is what became of one request.
type Outcome struct {
	Method string
	Kind   Kind // zero: there was a complete answer
	Status int  // zero: no answer
	Reused bool // whether the connection had carried a request before
	Err    error

	Header http.Header
	Body   []byte
	Sent   time.Time
	Took   time.Duration // from sending, dialling included, to the last byte
}

// Ask sends one request and reads the answer, of at most 16 MiB. A request with a body has a Content-Length.
func (c *Client) Ask(ctx context.Context, method, path, body string) Outcome {
	o := Outcome{Method: method, Sent: time.Now()}
	ctx, cancel := context.WithDeadline(ctx, o.Sent.Add(c.target.Timeout))
	defer cancel()
	o.Kind, o.Err = c.ask(ctx, &o, path, body)
	o.Took = time.Since(o.Sent)
	if o.Kind != "" {
		c.Close()
	}
	return o
}

func (c *Client) ask(ctx context.Context, o *Outcome, path, body string) (Kind, error) {
	if kind := c.stale(); kind != "" {
		return kind, nil
	}
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return dialKind(err), err
		}
	}
	o.Reused, c.used = c.used, true
	deadline, _ := ctx.Deadline()
	_ = c.conn.SetDeadline(deadline)
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", o.Method, path, c.target.Host)
	if body != "" || o.Method == http.MethodPost {
		request += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	// An answer may come before the whole request was taken: what the server says counts more than a failed write.
	_, written := io.WriteString(c.conn, request+"\r\n"+body)
	if err := <-c.first; err != nil {
		return firstKind(err), errors.Join(written, err)
	}
	return c.read(o)
}

func (c *Client) read(o *Outcome) (Kind, error) {
	res, err := http.ReadResponse(c.r, &http.Request{Method: o.Method})
	if err != nil {
		// Half a header line reads like nonsense: whether the connection ended there tells.
		if _, end := c.r.Peek(1); end != nil && readKind(err) == Garbage {
			return readKind(end), errors.Join(err, end)
		}
		return readKind(err), err
	}
	o.Status, o.Header = res.StatusCode, res.Header
	const limit = 16 << 20
	if o.Body, err = io.ReadAll(io.LimitReader(res.Body, limit+1)); err != nil {
		return readKind(err), err
	}
	if len(o.Body) > limit {
		return Garbage, fmt.Errorf("the answer is longer than %d bytes", limit)
	}
	if res.Close {
		return "", c.Close()
	}
	_ = c.conn.SetDeadline(time.Time{})
	c.listen()
	return "", nil
}

func (c *Client) connect(ctx context.Context) error {
	conn, err := c.target.dial(ctx)
	if err != nil {
		return err
	}
	c.dialed++
	c.conn, c.r, c.used = conn, bufio.NewReader(conn), false
	c.listen()
	return nil
}

// listen watches the connection between two requests, so that one that the server has closed is not used again.
func (c *Client) listen() {
	first, r := make(chan error, 1), c.r
	c.first = first
	go func() { _, err := r.Peek(1); first <- err }()
}

// stale lets go of a connection that was closed while it was idle. An answer that nobody asked for is a failure.
func (c *Client) stale() Kind {
	if c.conn == nil {
		return ""
	}
	select {
	case err := <-c.first:
		c.Close()
		if err == nil {
			return Unasked
		}
		c.idled++
	default:
	}
	return ""
}
