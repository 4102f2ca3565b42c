package operate

import (
	"context"
	"fmt"
	"slices"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/provision"
)

// refresh brings the agents up to date: a verb runs what the operator's program says, not what the last Up left.
// Where nothing differs it costs a look at each server.
func (s *session) refresh(ctx context.Context) error {
	targets, err := s.agentTargets(ctx)
	if err != nil {
		return err
	}
	results, err := provision.Run(ctx, targets, provision.Options{Events: s.changeEvent})
	s.result.count(results)
	if err != nil {
		return fmt.Errorf("site: bring the agent up to date: %w", err)
	}
	return nil
}

// agentTargets are the hosts with the state of their agents alone.
func (s *session) agentTargets(ctx context.Context) ([]provision.Target, error) {
	var all []provision.Target
	for _, server := range s.in.Servers {
		in, err := s.inputs(ctx, server)
		if err != nil {
			return nil, err
		}
		all = append(all, provision.Target{Name: server.Name, Host: s.hosts[server.Name], State: s.Site.AgentState(server, in)})
	}
	return all, nil
}

// inputs are the live site's for one server, with its agent.
func (s *session) inputs(ctx context.Context, server ec2x.Server) (site.Inputs, error) {
	agent, err := s.program(ctx, server.Arch)
	in := s.in
	in.Agent = agent
	return in, err
}

// changeEvent hands on what is changed on servers, and not that they are looked at.
func (o Operator) changeEvent(e provision.Event) {
	if e.Kind != provision.EventGather && e.Kind != provision.EventPlan {
		o.provisionEvent(e)
	}
}

// pending are the changes that Up would make besides, in words: a verb that brings code leaves them alone and says so.
func (s *session) pending(ctx context.Context) ([]string, error) {
	targets, err := s.targets(ctx)
	if err != nil {
		return nil, err
	}
	results, err := provision.Run(ctx, targets, provision.Options{DryRun: true})
	var all []string
	for _, res := range results {
		for _, change := range res.Plan.Changes() {
			if !change.Undecided {
				all = append(all, res.Name+": "+change.Action+" "+change.Step)
			}
		}
	}
	return all, err
}

// refreshed is a session on the site's servers with a role, whose agents are up to date; the lease is taken only where
// one differs. Close it.
func (o Operator) refreshed(ctx context.Context, role, verb string) (*session, error) {
	if err := o.Site.Validate(); err != nil {
		return nil, err
	}
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	servers, sec, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	servers = serversWith(servers, role)
	if len(servers) == 0 {
		return nil, fmt.Errorf("site: %s: server with role %q: %w; run up", verb, role, site.ErrUnknownServer)
	}
	if err := s.attach(ctx, servers, sec); err != nil {
		return nil, err
	}
	if err := s.refreshLocked(ctx, verb); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) refreshLocked(ctx context.Context, verb string) error {
	targets, err := s.agentTargets(ctx)
	if err != nil {
		return err
	}
	results, err := provision.Run(ctx, targets, provision.Options{DryRun: true})
	if err != nil || !slices.ContainsFunc(results, func(r provision.Result) bool { return !r.Plan.Empty() }) {
		return err
	}
	return s.lock(ctx, verb, s.refresh)
}
