package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/provision"
)

// Plan is what Up would do, in the order in which it would happen. Its String and its JSON say the same.
type Plan struct {
	// Assumed says what could not be looked at; the plan is for a site that is not there yet. Empty: all was seen.
	Assumed string        `json:"assumed,omitempty"`
	Launch  []site.Server `json:"launch,omitempty"`
	Hosts   []HostPlan    `json:"hosts,omitempty"`
	Restore string        `json:"restore,omitempty"` // backup that a new database server would get
	Release string        `json:"release,omitempty"` // that new servers would run, of those that were deployed
	Deploy  string        `json:"deploy,omitempty"`  // what would be deployed; empty where the site has a release
}

// HostPlan is what would change on one server.
type HostPlan struct {
	Server string         `json:"server"`
	New    bool           `json:"new,omitempty"` // it would be launched: every step is one to do
	Plan   provision.Plan `json:"plan"`
	Steps  []string       `json:"steps,omitempty"` // of a new server, in words
}

// String returns the plan as a person reads it, with the diffs of files.
func (p Plan) String() string {
	var b strings.Builder
	if p.Assumed != "" {
		fmt.Fprintf(&b, "%s\n\n", p.Assumed)
	}
	if p.Empty() {
		b.WriteString("Nothing to do: the site is as its value says.\n")
		return b.String()
	}
	for _, s := range p.Launch {
		fmt.Fprintf(&b, "launch %s (%s)\n", s.Name, strings.Join(s.Roles, ", "))
	}
	for _, h := range p.Hosts {
		if !h.New && h.Plan.Empty() {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", h.Server)
		for _, step := range h.Steps {
			fmt.Fprintf(&b, "  %s\n", step)
		}
		for line := range strings.Lines(h.Plan.String()) {
			b.WriteString("  " + line)
		}
	}
	if p.Restore != "" {
		fmt.Fprintf(&b, "\nrestore backup %s into the empty database\n", p.Restore)
	}
	if p.Release != "" {
		fmt.Fprintf(&b, "\nrun release %s: install, migrate, start the processes\n", p.Release)
	}
	if p.Deploy != "" {
		fmt.Fprintf(&b, "\ndeploy %s: pack, upload, install, migrate, start the processes\n", p.Deploy)
	}
	return b.String()
}

// Empty says that Up would change nothing.
func (p Plan) Empty() bool {
	return len(p.Launch) == 0 && p.Deploy == "" && !slices.ContainsFunc(p.Hosts, func(h HostPlan) bool { return h.New || !h.Plan.Empty() })
}

// Plan compares the site with what is there and changes nothing. Without a cloud (Cloud is nil), it is the plan of a
// new site.
func (o Operator) Plan(ctx context.Context) (Plan, error) {
	if err := o.Site.Validate(); err != nil {
		return Plan{}, err
	}
	p, err := o.plan(ctx)
	if err != nil || p.Deploy == "" {
		return p, err
	}
	source, err := o.pack(ctx) // a source that cannot be packed is no plan
	if err == nil {
		source.close()
	}
	return p, err
}

func (o Operator) plan(ctx context.Context) (Plan, error) {
	if o.Cloud == nil {
		p, err := o.planNew(o.Site.Servers())
		p.Assumed, p.Deploy = "no cloud was asked: this is the plan of a new site", o.Site.App.Source
		return p, err
	}
	there, err := o.Cloud.Servers(ctx, o.Site.Name)
	if err != nil {
		return Plan{}, err
	}
	missing := slices.DeleteFunc(o.Site.Servers(), func(s site.Server) bool {
		return slices.ContainsFunc(there, func(t ec2x.Server) bool { return t.Name == s.Name })
	})
	p, err := o.planNew(missing)
	if err != nil {
		return p, err
	}
	s, err := o.open(ctx)
	switch {
	case errors.Is(err, ec2x.ErrNoStorage) && len(there) == 0:
		p.Deploy = o.Site.App.Source
		return p, nil
	case err != nil:
		return p, err
	}
	defer s.close()
	if err := s.planContent(ctx, &p, len(missing) > 0); err != nil || len(there) == 0 {
		return p, err
	}
	return s.planLive(ctx, there, p)
}

// planContent says what servers that are launched would get from the bucket, and what the operator would bring.
func (s *session) planContent(ctx context.Context, p *Plan, launched bool) error {
	first, err := needsFirst(ctx, s.releases())
	if err != nil {
		return err
	}
	if first {
		p.Deploy = s.Site.App.Source
	}
	if !launched {
		return nil
	}
	if !first {
		if p.Release, _, err = s.releases().Current(ctx); err != nil {
			return err
		}
	}
	newDB := slices.ContainsFunc(p.Launch, func(v site.Server) bool { return slices.Contains(v.Roles, site.RoleDB) })
	if _, found, err := s.secrets(ctx); err != nil || !found || !newDB {
		return err
	}
	entry, err := s.findBackup(ctx, s3backup.Select{})
	if errors.Is(err, s3backup.ErrNoBackup) {
		return nil
	}
	p.Restore = entry.ID
	return err
}

// planLive adds what differs on the servers that are there.
func (s *session) planLive(ctx context.Context, there []ec2x.Server, p Plan) (Plan, error) {
	sec, found, err := s.secrets(ctx)
	if err != nil {
		return p, err
	}
	if !found {
		return p, fmt.Errorf("site: plan: the servers of %q are there, but its secrets are not; run up", s.Site.Name)
	}
	if err := s.useCertificate(&sec); err != nil {
		return p, err
	}
	if err := s.attach(ctx, there, sec); err != nil {
		return p, err
	}
	targets, err := s.targets(ctx)
	if err != nil {
		return p, err
	}
	results, err := provision.Run(ctx, targets, provision.Options{DryRun: true, Events: s.provisionEvent})
	for _, r := range results {
		p.Hosts = append(p.Hosts, HostPlan{Server: r.Name, Plan: r.Plan})
	}
	return p, err
}

// planNew is the plan of servers that are not there yet.
func (o Operator) planNew(servers []site.Server) (Plan, error) {
	p := Plan{Launch: servers}
	in := o.Site.Placeholders()
	for _, server := range servers {
		state, err := o.Site.HostState(server.Name, in)
		if err != nil {
			return p, err
		}
		h := HostPlan{Server: server.Name, New: true}
		for _, step := range state.Steps {
			h.Steps = append(h.Steps, describe(step))
		}
		p.Hosts = append(p.Hosts, h)
	}
	return p, nil
}

// describe says in a few words what a step brings about.
func describe(step provision.Step) string {
	switch v := step.(type) {
	case provision.Packages:
		return "install " + strings.Join(v.Names, " ")
	case provision.Group:
		return "group " + v.Name
	case provision.User:
		return "user " + v.Name
	case provision.Dir:
		return "directory " + v.Path
	case provision.File:
		return "file " + v.Path
	case provision.Config:
		names := make([]string, len(v.Files))
		for i, f := range v.Files {
			names[i] = f.Path
		}
		return fmt.Sprintf("configuration %s: %s (checked by %s)", v.Name, strings.Join(names, " "), v.Check)
	case provision.Link:
		return "link " + v.Path + " → " + v.Target
	case provision.Unit:
		if len(v.Instances) > 0 {
			return "unit " + v.Name + " " + strings.Join(v.Instances, " ")
		}
		return "unit " + v.Name
	case provision.Command:
		return "run " + v.Name
	}
	return fmt.Sprintf("%T", step)
}
