package mysqlrepl

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// RoleCheck answers over HTTP what role a server has, for the health checks of a load balancer. It runs where it
// reaches the server, usually on the server's own host.
//
//	GET /source   200 where the server is the source of the current epoch and accepts writes
//	GET /replica  200 where it follows the source, applies, and is no further behind than MaxLag
//
// Every other answer is 503 with the reason as its text, 404 for another path. Every answer comes within Timeout, also
// where the server or the store of epochs is hung. However many ask, the server sees one connection at a time.
type RoleCheck struct {
	Server Server
	Epochs EpochStore

	Timeout time.Duration // zero is 1 s
	MaxLag  time.Duration // zero is 10 s

	// MaxAge is for how long the epoch that was read last counts while the store does not answer; zero is 2 s. After
	// that, a source that waits for acknowledgments still counts as source, since it can acknowledge nothing that
	// another one lacks; one that writes alone does not.
	MaxAge time.Duration

	mu     sync.Mutex
	asking chan struct{} // closed once the question under way is answered
	latest finding

	epochMu sync.Mutex
	epoch   Epoch
	readAt  time.Time
}

// finding is what one look found.
type finding struct {
	status *Status
	epoch  Epoch
	stale  bool // the store has not confirmed the epoch for longer than MaxAge
	err    error
}

// ServeHTTP answers /source and /replica.
func (c *RoleCheck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var judge func(finding) error
	switch r.URL.Path {
	case "/source":
		judge = c.source
	case "/replica":
		judge = c.replica
	default:
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), cmp.Or(c.Timeout, time.Second))
	defer cancel()
	f, err := c.look(ctx)
	if err == nil {
		err = judge(f)
	}
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "%s, %s\n", c.Server.Name, f.epoch)
}

// look asks the server, or waits for the answer that another caller has asked for.
func (c *RoleCheck) look(ctx context.Context) (finding, error) {
	c.mu.Lock()
	if c.asking == nil {
		c.asking = make(chan struct{})
		go c.ask(c.asking)
	}
	asked := c.asking
	c.mu.Unlock()
	select {
	case <-asked:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.latest, c.latest.err
	case <-ctx.Done():
		return finding{}, fmt.Errorf("%s has not answered in time", c.Server.Name)
	}
}

func (c *RoleCheck) ask(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(c.Timeout, time.Second))
	defer cancel()
	read := make(chan struct{})
	go func() { c.readEpoch(ctx); close(read) }()
	var f finding
	f.status, f.err = ReadStatus(ctx, c.Server)
	select {
	case <-read:
	case <-ctx.Done():
	}
	c.epochMu.Lock()
	f.epoch, f.stale = c.epoch, time.Since(c.readAt) > cmp.Or(c.MaxAge, 2*time.Second)
	c.epochMu.Unlock()
	c.mu.Lock()
	c.latest, c.asking = f, nil
	c.mu.Unlock()
	close(done)
}

func (c *RoleCheck) readEpoch(ctx context.Context) {
	began := time.Now()
	e, err := c.Epochs.Read(ctx)
	if err != nil {
		return // the latest one counts for a while
	}
	c.epochMu.Lock()
	defer c.epochMu.Unlock()
	if e.Number >= c.epoch.Number {
		c.epoch, c.readAt = e, began
	}
}

func (c *RoleCheck) source(f finding) error {
	switch {
	case f.epoch.Number == 0:
		return fmt.Errorf("no epoch is known")
	case f.epoch.Source != c.Server.Name:
		return fmt.Errorf("%s is not source: %s", c.Server.Name, f.epoch)
	case f.status.Epoch > f.epoch.Number:
		return fmt.Errorf("%s was told of epoch %d, and %s may be out of date", c.Server.Name, f.status.Epoch, f.epoch)
	case !f.status.Writable:
		return fmt.Errorf("%s does not accept writes yet: %s", c.Server.Name, f.epoch)
	case f.stale && !f.status.SemiSync.Waits:
		return fmt.Errorf("nobody confirms %s, and %s writes alone", f.epoch, c.Server.Name)
	}
	return nil
}

func (c *RoleCheck) replica(f finding) error {
	r := f.status.Replica
	switch {
	case r == nil || f.status.Writable:
		return fmt.Errorf("%s is no replica", c.Server.Name)
	case f.epoch.Source == c.Server.Name:
		return fmt.Errorf("%s is to be source: %s", c.Server.Name, f.epoch)
	case r.Receiver.State != ThreadRunning:
		return fmt.Errorf("%s does not receive: %s %s", c.Server.Name, r.Receiver.State, r.Receiver.Error)
	case r.Applier.State != ThreadRunning:
		return fmt.Errorf("%s does not apply: %s", c.Server.Name, r.Applier.Error)
	case r.Lag < 0 || r.Lag > cmp.Or(c.MaxLag, 10*time.Second):
		return fmt.Errorf("%s is %s behind", c.Server.Name, r.Lag)
	}
	return nil
}
