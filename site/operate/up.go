package operate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/provision"
)

// bootTimeout bounds how long a launched server may take until sshd answers.
const bootTimeout = 3 * time.Minute

// Result is what Up and Deploy did.
type Result struct {
	URL      string   `json:"url"`
	Release  string   `json:"release"`
	Launched []string `json:"launched,omitempty"` // servers
	Restored string   `json:"restored,omitempty"` // backup that Up brought into an empty database
	Changed  int      `json:"changed"`            // changes made on servers, over all of them

	// Pending are the changes that Deploy and Rollback did not make, as "web-1: update config apache2": how the servers
	// differ from the site's value besides its code. Up makes them.
	Pending []string `json:"pending,omitempty"`
}

// count adds the changes that were made on servers.
func (r *Result) count(results []provision.Result) {
	for _, res := range results {
		if res.Applied {
			r.Changed += len(res.Plan.Changes())
		}
	}
}

// Up makes the site what its value says: servers that are missing are launched, every server is brought to its state,
// and the site's current release runs on it. A site without a release gets its first one from App.Source; later code is
// brought by Deploy. An empty database gets the newest backup, if there is one: so Up brings back a site whose server is
// gone. It may be killed at any moment: the next Up goes on.
func (o Operator) Up(ctx context.Context) (Result, error) {
	return o.locked(ctx, o.create, "up", func(ctx context.Context, s *session) error {
		first, err := s.bringUp(ctx)
		defer first.close()
		if err != nil {
			return err
		}
		data := Restored{}
		anew, err := s.restoreLost(ctx, &data)
		if err != nil {
			return err
		}
		if s.result.Restored = data.Backup; anew {
			return s.serve(ctx, first)
		}
		if err := s.ensureRelease(ctx, first); err != nil {
			return err
		}
		return s.awaitFront(ctx)
	})
}

// bringUp makes the servers what the site's value says. Where the site is to have its first release, that is packed before
// anything is launched, since it may fail, and returned; else first is nil. Close it, also after an error.
func (s *session) bringUp(ctx context.Context) (first *packed, err error) {
	if first, err = s.firstRelease(ctx); err != nil {
		return first, err
	}
	if err := s.launch(ctx); err != nil {
		return first, err
	}
	return first, s.provision(ctx)
}

// launch starts the servers that are missing and connects to all.
func (s *session) launch(ctx context.Context) error {
	sec, err := ensureSecrets(ctx, s.bucket.s3, s.bucket.Bucket, s.Site)
	if err != nil {
		return err
	}
	if err := s.useCertificate(&sec); err != nil {
		return err
	}
	there, err := s.Cloud.Servers(ctx, s.Site.Name)
	if err != nil {
		return fmt.Errorf("site: list servers of %q: %w", s.Site.Name, err)
	}
	var servers []ec2x.Server
	for _, want := range s.Site.Servers() {
		i := slices.IndexFunc(there, func(v ec2x.Server) bool { return v.Name == want.Name && v.State == ec2x.Running })
		if i >= 0 {
			servers = append(servers, there[i])
			continue
		}
		err := s.step(want.Name, "launch", func() error {
			server, err := s.Cloud.Launch(ctx, s.spec(want, sec))
			servers = append(servers, server)
			return err
		})
		if err != nil {
			return fmt.Errorf("site: launch %q: %w", want.Name, err)
		}
		s.result.Launched = append(s.result.Launched, want.Name)
	}
	return s.attach(ctx, servers, sec)
}

func (o Operator) spec(want site.Server, sec site.Secrets) ec2x.Spec {
	private, _ := sshx.NewKey()
	return ec2x.Spec{
		Site: o.Site.Name, Name: want.Name, Roles: want.Roles, Ports: want.Ports, Image: o.Site.Image, Type: o.Site.Type,
		HostKey: private, AuthorizedKey: sec.OperatorPublic,
	}
}

// targets are the hosts with the states that they are to be in.
func (s *session) targets(ctx context.Context) ([]provision.Target, error) {
	var all []provision.Target
	for _, server := range s.in.Servers {
		in, err := s.inputs(ctx, server)
		if err != nil {
			return nil, err
		}
		state, err := s.Site.HostState(server.Name, in)
		if err != nil {
			return nil, err
		}
		all = append(all, provision.Target{Name: server.Name, Host: s.hosts[server.Name], State: state})
	}
	return all, nil
}

func (s *session) provision(ctx context.Context) error {
	targets, err := s.targets(ctx)
	if err != nil {
		return err
	}
	results, err := provision.Run(ctx, targets, provision.Options{Events: func(e provision.Event) {
		s.provisionEvent(e)
		if e.Kind == provision.EventPlan && e.Total > 0 {
			s.emit(site.Event{Time: time.Now(), Server: e.Host, Step: "upload what the changes need", State: site.StepStarted})
		}
	}})
	s.result.count(results)
	if err != nil {
		return fmt.Errorf("%w\nthe servers keep what was done so far, and the last release goes on; run up again once this is mended", err)
	}
	return nil
}

// provisionEvent translates the steps of provisioning.
func (o Operator) provisionEvent(e provision.Event) {
	out := site.Event{Time: time.Now(), Server: e.Host, Step: e.Step, Elapsed: e.Elapsed}
	if e.Err != nil {
		out.Error = e.Err.Error()
	}
	switch e.Kind {
	case provision.EventGather:
		out.Step, out.State = "look at the server", site.StepStarted
	case provision.EventPlan:
		out.Step, out.State = fmt.Sprintf("look at the server: %d changes", e.Total), site.StepDone
	case provision.EventBegin:
		out.State = site.StepStarted
	case provision.EventDone:
		out.State = site.StepDone
	case provision.EventFailed:
		out.State = site.StepFailed
		if e.Index == 0 {
			out.Step = "provision"
		}
	default:
		return
	}
	o.emit(out)
}

// useCertificate replaces the certificate of the site's own authority by the given one.
func (o Operator) useCertificate(sec *site.Secrets) error {
	h := o.Site.Web.HTTPS
	if h.CertFile == "" {
		return nil
	}
	cert, err := readCertificate(h.CertFile, h.KeyFile)
	sec.Certificate = cert
	return err
}
