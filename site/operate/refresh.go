package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/provision"
)

// refresh brings the agents up to date: a verb runs what the operator's program says, not what the last Up left.
// Where nothing differs it costs a look at each server.
func (o Operator) refresh(ctx context.Context, l *live, r *Result) error {
	targets, err := o.agentTargets(ctx, l)
	if err != nil {
		return err
	}
	results, err := provision.Run(ctx, targets, provision.Options{Events: o.changeEvent})
	r.count(results)
	if err != nil {
		return fmt.Errorf("site: bring the agent up to date: %w", err)
	}
	return nil
}

// agentTargets are the hosts with the state of their agents alone.
func (o Operator) agentTargets(ctx context.Context, l *live) ([]provision.Target, error) {
	var all []provision.Target
	for _, server := range l.in.Servers {
		in, err := o.inputs(ctx, l, server)
		if err != nil {
			return nil, err
		}
		all = append(all, provision.Target{Name: server.Name, Host: l.hosts[server.Name], State: o.Site.AgentState(server, in)})
	}
	return all, nil
}

// inputs are the live site's for one server, with its agent.
func (o Operator) inputs(ctx context.Context, l *live, server ec2x.Server) (site.Inputs, error) {
	agent, err := o.program(ctx, server.Arch)
	in := l.in
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
func (o Operator) pending(ctx context.Context, l *live) ([]string, error) {
	targets, err := o.targets(ctx, l)
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
	if len(all) > 0 {
		o.emit(site.Event{Time: time.Now(), Step: "warning: " + pendingText(all), State: site.StepProgress})
	}
	return all, err
}

func pendingText(all []string) string {
	const shown = 6
	rest := ""
	if len(all) > shown {
		rest = fmt.Sprintf(" and %d more", len(all)-shown)
	}
	return fmt.Sprintf("the servers differ from the site's value, which only up applies; run up (%s%s)", strings.Join(all[:min(shown, len(all))], ", "), rest)
}

// refreshed connects to the site's servers with a role and brings their agents up to date; the lease is taken only
// where one differs. Close what it returns.
func (o Operator) refreshed(ctx context.Context, role, verb string) (*live, error) {
	if err := o.Site.Validate(); err != nil {
		return nil, err
	}
	b, sec, found, err := o.storage(ctx)
	if err != nil {
		return nil, err
	}
	servers, err := o.Cloud.Servers(ctx, o.Site.Name)
	if err != nil {
		return nil, err
	}
	servers = slices.DeleteFunc(servers, func(s ec2x.Server) bool { return !slices.Contains(s.Roles, role) })
	if len(servers) == 0 || !found {
		return nil, fmt.Errorf("site: %s: server with role %q: %w; run up", verb, role, site.ErrUnknownServer)
	}
	l, err := o.attach(ctx, servers, sec, b)
	if err != nil {
		return nil, err
	}
	if err := o.refreshLocked(ctx, l, verb); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (o Operator) refreshLocked(ctx context.Context, l *live, verb string) error {
	targets, err := o.agentTargets(ctx, l)
	if err != nil {
		return err
	}
	results, err := provision.Run(ctx, targets, provision.Options{DryRun: true})
	if err != nil || !slices.ContainsFunc(results, func(r provision.Result) bool { return !r.Plan.Empty() }) {
		return err
	}
	return o.locked(ctx, verb, func(ctx context.Context, _ bucket) error { return o.refresh(ctx, l, &Result{}) })
}
