package haproxycfg

import (
	"bytes"
	"cmp"
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

var (
	//go:embed facts.sh
	factsScript string

	//go:embed load.sh
	loadScript string
)

// ReloadError says that HAProxy passed the check of a configuration and then did not load it.
type ReloadError struct {
	RolledBack bool  // the last good configuration is in its place again and serves
	Err        error // what HAProxy said, as Explain has it, or what went wrong on the host
}

func (e *ReloadError) Error() string {
	state := "; the last good configuration serves on"
	if !e.RolledBack {
		state = "; the process that was there serves on as long as it lives, but the file at " + ConfigPath + " does not load"
	}
	return fmt.Sprintf("haproxycfg: reload: %v%s", e.Err, state)
}

func (e *ReloadError) Unwrap() error { return e.Err }

// Preflight says whether HAProxy on the host would serve with this configuration, and reports every reason against it
// at once: what `haproxy -c` refuses or warns of, each with the field, an address that another program listens on
// (HAProxy's own check passes that, and then refuses connections for a second), a certificate that is not valid now,
// an HAProxy older than Config.Version. Nothing changes on the host, but that an empty StatePath is made where
// there is none.
func Preflight(ctx context.Context, h sshx.Host, c Config) error {
	file, fields, err := render(c)
	if err != nil {
		return err
	}
	f, err := gather(ctx, h, c, file)
	if err != nil {
		return fmt.Errorf("haproxycfg: preflight: %w", err)
	}
	return f.judge(c, fields, time.Now())
}

// Reload makes HAProxy serve with this configuration, after Preflight, without losing a connection, and returns when
// the new process answers. Reloads of a host wait for each other, whoever calls: overlapping ones reset connections.
// What is known of the servers passes on to the new process. Where it does not load, the last good configuration is
// put back and the error is a *ReloadError. An HAProxy that is stopped is started.
func Reload(ctx context.Context, h sshx.Host, c Config) error {
	if err := Preflight(ctx, h, c); err != nil {
		return err
	}
	return load(ctx, h, c, true)
}

// Apply takes a host from one configuration to the next as planned: Preflight, the steps over the runtime socket, and
// then the file, with a reload only where the plan has a reason for one. No server is taken from a backend before half
// of those that it is to have are usable without it: servers that replace all others come first. It can be called again
// after an error: what is done already is found done. Steps that were made by hand are done in the same way; one that
// next does not agree with is refused before anything is done.
func Apply(ctx context.Context, r Runtime, next Config, c Changes) error {
	steps, err := c.within(next)
	if err != nil {
		return err
	}
	if err := Preflight(ctx, r.Host, next); err != nil {
		return err
	}
	for i, s := range steps {
		err := r.spare(ctx, s, next.ready(s.Backend))
		if err == nil {
			err = r.Do(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("%w; %d of %d steps are done, the file is as before", err, i, len(c.Steps))
		}
	}
	return load(ctx, r.Host, next, len(c.Reload) > 0)
}

// spare waits until a backend that is to have so many servers can do without the one that a step takes from it.
func (r Runtime) spare(ctx context.Context, step Step, ready int) error {
	if step.Verb != DoLeave && step.Verb != DoDrain && step.Verb != DoMaint {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.JoinTimeout, time.Minute))
	defer cancel()
	needs := (ready + 1) / 2
	return r.within(ctx, fmt.Sprintf("%s %s/%s", step.Verb, step.Backend, step.Server.Name), func(s *session) error {
		others := 0
		err := poll(ctx, func() (bool, error) {
			list, err := s.servers(ctx, step.Backend)
			others = 0
			serves := false
			for _, now := range list {
				switch {
				case now.Server == step.Server.Name:
					serves = now.Usable()
				case now.Usable():
					others++
				}
			}
			return !serves || others >= needs, err
		})
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("it stays: without it %d servers are usable, %d are needed: %w", others, needs, context.Cause(ctx))
		}
		return err
	})
}

// load puts the file in its place, with a reload or, where the running process has it all, without.
func load(ctx context.Context, h sshx.Host, c Config, reload bool) error {
	file, fields, err := render(c)
	if err != nil {
		return err
	}
	flag := ""
	if reload {
		flag = "yes"
	}
	var out, said bytes.Buffer
	text := assign("reload", flag, "config", ConfigPath, "good", GoodPath, "state", StatePath, "socket", SocketPath,
		"master", masterPath, "unit", Unit, "group", c.Global.Group) + loadScript
	err = h.Run(ctx, sshx.Script{Text: text, Root: true, Stdin: bytes.NewReader(file), Stdout: &out, Stderr: &said})
	var exit *sshx.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	cause := explain(fields, said.String())
	if cause == nil {
		cause = errors.New(strings.TrimSpace(said.String()))
	}
	undone := !strings.Contains(out.String(), "placed") || strings.Contains(out.String(), "rolled back")
	return &ReloadError{RolledBack: undone, Err: cause}
}

// assign are shell assignments of names and values in turn.
func assign(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(pairs[i] + "=" + sshx.Quote(pairs[i+1]) + "\n")
	}
	return b.String()
}
