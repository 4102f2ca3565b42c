package codedeploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Process is one process of the application, as its owner restarts and asks it.
type Process struct {
	Name    string                      // such as "app@3001", for errors
	Restart func(context.Context) error // takes it out of its balancer first, where there is one
	Healthy func(context.Context) error // waits until it is healthy, within the caller's limit; nil asks nothing
}

// RestartError says at which process a restart stopped. Those before it run the new release, it and those after it do not.
type RestartError struct {
	Process   string
	Restarted []string // processes that were restarted and are healthy
	Err       error
}

func (e *RestartError) Error() string {
	return fmt.Sprintf("codedeploy: restart %q: %v (restarted before it: %d)", e.Process, e.Err, len(e.Restarted))
}

func (e *RestartError) Unwrap() error { return e.Err }

// Restart restarts the processes one after the other, each only when the one before is healthy. It stops at the first failure
// with a *RestartError.
func Restart(ctx context.Context, processes []Process) error {
	var done []string
	for _, p := range processes {
		err := ctx.Err()
		if err == nil {
			err = p.Restart(ctx)
		}
		if err == nil && p.Healthy != nil {
			err = p.Healthy(ctx)
		}
		if err != nil {
			return &RestartError{Process: p.Name, Restarted: done, Err: err}
		}
		done = append(done, p.Name)
	}
	return nil
}

const (
	healthInterval = 250 * time.Millisecond
	attemptTimeout = 5 * time.Second // also a process that accepts and never answers is asked again
)

// HTTPCheck is one request that an application answers with 200 when it can serve. It carries what a visitor's request
// carries behind a proxy: an application that insists on HTTPS answers 301 otherwise, one that knows its names 403.
type HTTPCheck struct {
	Path string // such as "/up"; empty is "/"

	// Host is the site's name as visitors have it in their address bar, with the port where that is not the usual one:
	// "www.shop.example". Empty is the address that is asked.
	Host string

	// HTTPS says that visitors use HTTPS, which the proxy ends: the request itself is plain, with X-Forwarded-Proto: https.
	HTTPS bool

	Timeout time.Duration // how long to wait for the first 200; zero is a minute
}

func (c HTTPCheck) request(addr netip.AddrPort) (*http.Request, error) {
	c.Path = cmp.Or(c.Path, "/")
	if !strings.HasPrefix(c.Path, "/") || hasControl(c.Path) {
		return nil, fmt.Errorf("codedeploy: check of %s: path %q does not begin with /", addr, c.Path)
	}
	if strings.ContainsAny(c.Host, " /@?#\\") || hasControl(c.Host) {
		return nil, fmt.Errorf("codedeploy: check of %s: host %q is not a host's name", addr, c.Host)
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+addr.String()+c.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("codedeploy: check of %s: path %q: %w", addr, c.Path, err)
	}
	proto, port := "http", "80"
	if c.HTTPS {
		proto, port = "https", "443"
	}
	if c.Host != "" {
		req.Host = c.Host
		if _, p, err := net.SplitHostPort(c.Host); err == nil {
			port = p
		}
		req.Header.Set("X-Forwarded-Host", c.Host)
		req.Header.Set("X-Forwarded-Port", port)
	}
	req.Header.Set("X-Forwarded-Proto", proto)
	req.Header.Set("X-Forwarded-For", "127.0.0.1")
	return req, nil
}

// HTTPHealthy waits until an address of the host answers the check with 200. After its time the error says what was last seen
// and wraps context.DeadlineExceeded.
func (t Target) HTTPHealthy(ctx context.Context, addr netip.AddrPort, c HTTPCheck) error {
	req, err := c.request(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, time.Minute))
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return t.Host.Dial(ctx, network, address)
		},
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tick := time.NewTicker(healthInterval)
	defer tick.Stop()
	last := errors.New("no answer yet")
	for {
		err := ask(ctx, client, req)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("codedeploy: wait for %s: %v: %w", req.URL, last, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func ask(ctx context.Context, client *http.Client, req *http.Request) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 200))
	if err != nil {
		return err
	}
	if to := resp.Header.Get("Location"); to != "" {
		return fmt.Errorf("status %d to %q", resp.StatusCode, to)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %q", resp.StatusCode, body)
	}
	return nil
}
