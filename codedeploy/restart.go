package codedeploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
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

// HTTPHealthy waits until a GET of path at an address of the host answers 200. After timeout the error says what was last seen
// and wraps context.DeadlineExceeded.
func (t Target) HTTPHealthy(ctx context.Context, addr netip.AddrPort, path string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
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
		err := ask(ctx, client, "http://"+addr.String()+path)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("codedeploy: wait for http://%s%s: %v: %w", addr, path, last, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func ask(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 200))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %q", resp.StatusCode, body)
	}
	return nil
}
