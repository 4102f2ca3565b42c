package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
)

const (
	sessionsPerConnection = 7 // below sshd's MaxSessions of 10, two of which are lifelines; some hosts allow fewer
	maxConnections        = 32
)

// user is as whom scripts run on a connection: for each of them it has a lifeline.
type user int

const (
	anyUser   user = 0
	loginUser user = 1
	rootUser  user = 2
	bothUsers      = loginUser | rootUser
)

func userOf(sudo bool) user {
	if sudo {
		return rootUser
	}
	return loginUser
}

// with lets use have a connection; where that one turns out lost or full before anything was begun, another one, in
// the end one that was dialled for it.
func (c *Client) with(ctx context.Context, who user, use func(cn *conn) error) error {
	var tried []*conn
	for refusals := 1; ; refusals++ {
		cn, dialled, err := c.acquire(ctx, who, tried)
		if err != nil {
			return err
		}
		err = use(cn)
		full := errors.Is(err, errFull)
		alone := c.release(cn, full)
		switch {
		case full && (dialled && alone || refusals > 3*maxConnections):
			return fmt.Errorf("%w; set sshd's MaxSessions to 2 at least", err)
		case full:
			tried = append(tried, cn)
		case dialled || !errors.Is(err, errUnopened):
			return err
		}
	}
}

// acquire returns a live connection with a free session, none of those that were tried, dialling another one where
// needed. Where there are as many as may be it waits.
func (c *Client) acquire(ctx context.Context, who user, tried []*conn) (cn *conn, dialled bool, err error) {
	for {
		cn, changed, err := c.free(who, tried)
		if cn != nil || err != nil {
			return cn, false, err
		}
		if changed == nil {
			if cn, dialled, err = c.another(ctx, who, tried); cn != nil || err != nil {
				return cn, dialled, err
			}
			continue
		}
		if c.idle() { // and nobody is there to give one back: those that were tried may have room by now
			if len(tried) == 0 {
				return nil, false, errFull
			}
			tried = nil
			continue
		}
		select {
		case <-changed:
			tried = nil
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// attempt is a dial in progress. Whoever waits for it shares its failure: if each dialled a silent host in turn, the last
// of many callers would learn of it only after as many timeouts.
type attempt struct {
	done chan struct{}
	err  error // valid once done is closed; nil where those who waited are to look again
}

// another dials another connection, or waits for the dial in progress. It returns neither a connection nor an error
// where the caller is to look again.
func (c *Client) another(ctx context.Context, who user, tried []*conn) (cn *conn, dialled bool, err error) {
	a, mine := c.attempt()
	if !mine {
		select {
		case <-a.done:
			return nil, false, a.err
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
	defer c.finish(a)
	// a dial that succeeded since the caller looked has left room, or used up the last connection
	if cn, changed, err := c.free(who, tried); cn != nil || changed != nil || err != nil {
		return cn, false, err
	}
	cn, err = c.connect(ctx, who)
	if ctx.Err() == nil { // else the error tells of this caller's haste, not of the host
		a.err = err
	}
	return cn, true, err
}

// attempt is the dial in progress; where there is none it begins one, which the caller is to finish.
func (c *Client) attempt() (a *attempt, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialing != nil {
		return c.dialing, false
	}
	c.dialing = &attempt{done: make(chan struct{})}
	return c.dialing, true
}

func (c *Client) finish(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing = nil
	close(a.done)
}

// connect dials another connection, with a session in use.
func (c *Client) connect(ctx context.Context, who user) (*conn, error) {
	sc, err := c.dialWaiting(ctx)
	if err != nil {
		return nil, err
	}
	cn := newConn(sc)
	cn.used, cn.limit = 1, sessionsPerConnection
	cn.users = who
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = sc.Close()
		return nil, net.ErrClosed
	}
	c.dialled = true
	c.conns = append(c.conns, cn)
	go c.watch(cn)
	return cn, nil
}

// free takes a session of a connection that has one. Where none has, and no more may be dialled, it returns what tells
// of a change.
func (c *Client) free(who user, tried []*conn) (*conn, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, net.ErrClosed
	}
	for _, cn := range c.conns {
		fits := !c.separate || cn.users|who != bothUsers
		if cn.used < cn.limit && fits && !cn.isLost() && !slices.Contains(tried, cn) {
			cn.used++
			cn.users |= who
			return cn, nil, nil
		}
	}
	if len(c.conns) >= maxConnections {
		return nil, c.changed, nil
	}
	return nil, nil, nil
}

// idle tells whether no session is in use.
func (c *Client) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(c.conns, func(cn *conn) bool { return cn.used > 0 })
}

// release gives a session back. A connection that refused it takes no more than it has from now on. It tells whether
// nothing of another caller stood in the way.
func (c *Client) release(cn *conn, full bool) (alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cn.used--
	alone = cn.used == 0 && cn.users != bothUsers
	switch {
	case full && cn.used == 0 && cn.users == bothUsers: // its lifelines are all that it has room for
		cn.limit, c.separate = 0, true
	case full:
		cn.limit = max(1, cn.used)
	}
	c.change()
	return alone
}

// change wakes those who wait for a session.
func (c *Client) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// watch keeps a connection alive and forgets it when it is lost.
func (c *Client) watch(cn *conn) {
	go cn.keepAlive(c.target.KeepAliveInterval)
	<-cn.lost
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = slices.DeleteFunc(c.conns, func(other *conn) bool { return other == cn })
	c.change()
}
