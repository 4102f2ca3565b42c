package operate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
)

// Restart restarts the application's processes one by one, on one server after the other. A process has no request of
// its own meanwhile.
func (o Operator) Restart(ctx context.Context) error {
	_, err := o.change(ctx, "restart", func(ctx context.Context, s *session) error {
		if err := s.refresh(ctx); err != nil {
			return err
		}
		for _, server := range s.with(site.RoleApp) {
			if err := s.do(ctx, s.hosts[server.Name], agent.Request{Verb: agent.VerbRestart}); err != nil {
				return fmt.Errorf("site: restart on %q: %w", server.Name, err)
			}
		}
		return nil
	})
	return err
}

// Run runs a shell script on every server that has a role, "" for all, at once, as the login user. It writes the output
// of one server after the other, each under a line with the server's name where there are several. It takes no lock. The
// error joins those of the servers; one whose script failed has a *sshx.ExitError in it.
func (o Operator) Run(ctx context.Context, role, script string, w io.Writer) error {
	servers, err := o.serversToRunOn(ctx, role)
	if err != nil {
		return err
	}
	errs, outputs := make([]error, len(servers)), make([]bytes.Buffer, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() {
			if err := o.runOn(ctx, server.Name, script, &outputs[i]); err != nil {
				errs[i] = fmt.Errorf("site: run on %q: %w", server.Name, err)
			}
		})
	}
	wg.Wait()
	var all bytes.Buffer
	for i, server := range servers {
		if len(servers) > 1 {
			fmt.Fprintf(&all, "==> %s\n", server.Name)
		}
		all.Write(outputs[i].Bytes())
	}
	_, err = w.Write(all.Bytes())
	return errors.Join(append(errs, err)...)
}

func (o Operator) serversToRunOn(ctx context.Context, role string) ([]ec2x.Server, error) {
	servers, err := o.Cloud.Servers(ctx, o.Site.Name)
	if err != nil {
		return nil, err
	}
	if role != "" {
		servers = serversWith(servers, role)
	}
	servers = slices.DeleteFunc(servers, func(v ec2x.Server) bool { return v.State != ec2x.Running })
	if len(servers) == 0 {
		return nil, fmt.Errorf("site: run: running server with role %q: %w; run up", role, site.ErrUnknownServer)
	}
	return servers, nil
}

func (o Operator) runOn(ctx context.Context, server, script string, w io.Writer) error {
	h, err := o.Host(ctx, server)
	if err != nil {
		return err
	}
	defer h.Close()
	return h.Run(ctx, sshx.Script{Text: "exec 2>&1\n" + script, Stdout: w})
}
