package haproxycfg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Runtime changes a running HAProxy over its socket. Each call makes a connection of its own, so that it talks to the
// newest process. What it changes is gone at HAProxy's next start unless the file says so too, see Apply.
type Runtime struct {
	// Host is the server, or sshx.Local. Its user is root or of Global.Group.
	Host sshx.Host

	// Socket is where it listens. Zero: SocketPath.
	Socket string

	// Timeout is how long a reply may take. Zero: 10 s.
	Timeout time.Duration

	// DrainTimeout is how long Leave waits for requests in flight, and then once more at most for HAProxy to let go of
	// the server's connections. Zero: 1 min.
	DrainTimeout time.Duration

	// JoinTimeout is how long Apply waits for servers that have joined before it takes others away. Zero: 1 min.
	JoinTimeout time.Duration
}

// within runs work over a new connection and says what was being done where it fails.
func (r Runtime) within(ctx context.Context, doing string, work func(*session) error) error {
	fail := func(err error) error { return fmt.Errorf("haproxycfg: %s: %w", doing, err) }
	conn, err := r.Host.Dial(ctx, "unix", cmp.Or(r.Socket, SocketPath))
	if err != nil {
		return fail(fmt.Errorf("%w; is HAProxy running, and the login user root or of Global.Group?", err))
	}
	s, err := open(ctx, conn, cmp.Or(r.Timeout, 10*time.Second))
	if err != nil {
		return fail(err)
	}
	defer s.close()
	if err := work(s); err != nil {
		return fail(err)
	}
	return nil
}

// server checks names, which go into commands, and says what was being done.
func (r Runtime) server(ctx context.Context, verb, backend, server string, work func(s *session, id string) error) error {
	if !objectName.MatchString(backend) || !objectName.MatchString(server) {
		return fmt.Errorf("haproxycfg: %s: backend %q server %q: not names", verb, backend, server)
	}
	id := backend + "/" + server
	return r.within(ctx, verb+" "+id, func(s *session) error { return work(s, id) })
}

// Version is that of the process that answers.
func (r Runtime) Version(ctx context.Context) (v Version, err error) {
	err = r.within(ctx, "read version", func(s *session) error { v = s.version; return nil })
	return v, err
}

// Join gives a backend another server, and returns when HAProxy knows it: it gets requests as soon as its checks have
// passed (Await), none before. b is the backend as it is in the file; of its cookie the name is enough. Joining a server that is there with the same
// address is no error; with another one it is ErrExists.
func (r Runtime) Join(ctx context.Context, b Backend, server Server) error {
	b.Servers = []Server{server}
	k := &checker{sections: map[string]string{}}
	k.backend(b, 9999)
	if err := errors.Join(k.errs...); err != nil {
		return err
	}
	return r.server(ctx, "join", b.Name, server.Name, func(s *session, id string) error {
		if b.StartDown && s.version < v31 {
			return &VersionError{What: fmt.Sprintf("backend %q: StartDown", b.Name), Needs: v31, Has: s.version}
		}
		err := s.do(ctx, command{"add server " + id + " " + server.Addr.String() + " " + b.options() + server.options(), "New server registered."})
		if errors.Is(err, ErrExists) {
			return s.again(ctx, b, server, err)
		}
		if err != nil {
			return err
		}
		return s.enable(ctx, b, server)
	})
}

// again joins a server that is there already, perhaps because an earlier call was cut off.
func (s *session) again(ctx context.Context, b Backend, server Server, exists error) error {
	now, err := s.find(ctx, b.Name, server.Name)
	if err != nil {
		return err
	}
	if now.Addr != server.Addr {
		return fmt.Errorf("%w, at %v", exists, now.Addr)
	}
	if now.Status == "MAINT" && cmp.Or(server.State, Ready) != Maint {
		return s.enable(ctx, b, server)
	}
	return nil
}

// enable ends the maintenance that a new server is in. In one line, so that no request is sent to it before a check.
func (s *session) enable(ctx context.Context, b Backend, server Server) error {
	id := b.Name + "/" + server.Name
	var line []command
	if b.Cookie.Name != "" {
		// 2.6 makes no cookie for a server that joins; said again, it makes one for each.
		line = append(line, command{"enable dynamic-cookie backend " + b.Name, ""})
	}
	if !b.Check.Off {
		line = append(line, command{"enable health " + id, ""})
	}
	switch server.State {
	case Maint:
	case Drain:
		line = append(line, command{"set server " + id + " state drain", ""})
	default:
		line = append(line, command{"enable server " + id, ""})
	}
	if !b.Check.Off {
		line = append(line, command{"set server " + id + " health down", ""})
	}
	if len(line) == 0 {
		return nil
	}
	return s.do(ctx, line...)
}

// Leave takes a server out: it gets no new requests, has Runtime.DrainTimeout for those it is answering, and is
// removed. The number is that of requests that were cut off then. A server that is not there has left. When ctx
// ends first the server stays drained, and the error says how many requests it had. Where HAProxy keeps refusing to
// remove it, for connections that it does not close, the error is ErrBusy, and the server stays in maintenance: it gets
// no requests, and another Leave or a reload removes it.
func (r Runtime) Leave(ctx context.Context, backend, server string) (cut int, err error) {
	err = r.server(ctx, "leave", backend, server, func(s *session, id string) error {
		if err := s.do(ctx, command{"set server " + id + " state drain", ""}); err != nil {
			return err
		}
		cut, err = s.drained(ctx, backend, server, time.Now().Add(cmp.Or(r.DrainTimeout, time.Minute)))
		if err != nil {
			return err
		}
		if err := s.do(ctx, command{"set server " + id + " state maint", ""}); err != nil {
			return err
		}
		if cut > 0 {
			if err := s.do(ctx, command{"shutdown sessions server " + id, ""}); err != nil {
				return err
			}
		}
		return s.remove(ctx, id, cmp.Or(r.DrainTimeout, time.Minute))
	})
	if errors.Is(err, ErrNoServer) {
		return 0, nil
	}
	return cut, err
}

const pollInterval = 50 * time.Millisecond

// drained waits until the server has nothing left to answer, and returns how much it has at the deadline.
func (s *session) drained(ctx context.Context, backend, server string, deadline time.Time) (left int, err error) {
	idle := 0
	err = poll(ctx, func() (bool, error) {
		now, err := s.find(ctx, backend, server)
		if err != nil {
			return false, err
		}
		left = now.Current + now.Queued
		if idle++; left > 0 {
			idle = 0
		}
		return idle > 1 || !time.Now().Before(deadline), nil
	})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("it is drained and still has %d requests: %w", left, context.Cause(ctx))
	}
	return left, err
}

// remove deletes a server in maintenance. Connections to it stand against that until HAProxy closes them: of those that
// are still in use, a try that was refused asks it to.
func (s *session) remove(ctx context.Context, id string, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	var busy error
	err := poll(ctx, func() (bool, error) {
		err := s.do(ctx, command{"del server " + id, "Server deleted."})
		if !errors.Is(err, ErrBusy) {
			return true, err
		}
		if busy = err; !time.Now().Before(deadline) {
			return true, fmt.Errorf("it is in maintenance, and was not to be removed within %s: %w", timeout, err)
		}
		return false, s.do(ctx, command{"shutdown sessions server " + id, ""})
	})
	if ctx.Err() != nil && busy != nil && !errors.Is(err, ErrBusy) {
		err = fmt.Errorf("it is in maintenance: %w: %w", busy, context.Cause(ctx))
	}
	return err
}

// poll asks again and again until it is done.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// SetWeight sets a server's share, 1 to 256.
func (r Runtime) SetWeight(ctx context.Context, backend, server string, weight int) error {
	if weight < 1 || weight > 256 {
		return fmt.Errorf("haproxycfg: backend %q server %q: weight %d is not within 1 and 256", backend, server, weight)
	}
	return r.server(ctx, "weight of", backend, server, func(s *session, id string) error {
		return s.do(ctx, command{fmt.Sprintf("set server %s weight %d", id, weight), ""})
	})
}

// SetMaxConn sets how many requests a server gets at one time. Zero: no limit.
func (r Runtime) SetMaxConn(ctx context.Context, backend, server string, n int) error {
	if n < 0 {
		return fmt.Errorf("haproxycfg: backend %q server %q: maxconn %d is below 0", backend, server, n)
	}
	return r.server(ctx, "maxconn of", backend, server, func(s *session, id string) error {
		return s.do(ctx, command{fmt.Sprintf("set maxconn server %s %d", id, n), ""})
	})
}

// Drain gives a server no new requests. It returns at once: Await tells when it has answered the old ones.
func (r Runtime) Drain(ctx context.Context, backend, server string) error {
	return r.state(ctx, backend, server, Drain)
}

// Maint gives a server no requests and no checks.
func (r Runtime) Maint(ctx context.Context, backend, server string) error {
	return r.state(ctx, backend, server, Maint)
}

func (r Runtime) state(ctx context.Context, backend, server string, state State) error {
	return r.server(ctx, string(state), backend, server, func(s *session, id string) error {
		return s.do(ctx, command{"set server " + id + " state " + string(state), ""})
	})
}

// Ready gives a server requests again. One that was in maintenance, where nobody looked after it, gets the first one
// after a check.
func (r Runtime) Ready(ctx context.Context, backend, server string) error {
	return r.server(ctx, "ready", backend, server, func(s *session, id string) error {
		now, err := s.find(ctx, backend, server)
		if err != nil {
			return err
		}
		line := []command{{"set server " + id + " state ready", ""}}
		if strings.HasPrefix(now.Status, "MAINT") && now.Checked {
			line = append(line, command{"set server " + id + " health down", ""})
		}
		return s.do(ctx, line...)
	})
}

// Do does one step of a plan, at once: Apply is what waits until the backend can spare a server.
func (r Runtime) Do(ctx context.Context, step Step) error {
	b, s := step.Backend, step.Server
	switch step.Verb {
	case DoJoin:
		if step.Settings.Name != b {
			return fmt.Errorf("haproxycfg: join %s/%s: the step has the Settings of backend %q; take it from Plan, or use Join",
				b, s.Name, step.Settings.Name)
		}
		return r.Join(ctx, step.Settings, s)
	case DoLeave:
		_, err := r.Leave(ctx, b, s.Name)
		return err
	case DoWeight:
		return r.SetWeight(ctx, b, s.Name, cmp.Or(s.Weight, 1))
	case DoMaxConn:
		return r.SetMaxConn(ctx, b, s.Name, s.MaxConn)
	case DoDrain:
		return r.Drain(ctx, b, s.Name)
	case DoMaint:
		return r.Maint(ctx, b, s.Name)
	case DoReady:
		// A server that was drained in the file has no share there.
		if err := r.SetWeight(ctx, b, s.Name, cmp.Or(s.Weight, 1)); err != nil {
			return err
		}
		return r.Ready(ctx, b, s.Name)
	}
	return step.unknown()
}
