package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
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
	var r Result
	err := o.locked(ctx, "up", func(ctx context.Context, b bucket) error {
		first, err := o.firstRelease(ctx, releaseStore(b)) // what cannot be packed fails before anything is launched
		if err != nil {
			return err
		}
		if first != nil {
			defer first.close()
		}
		live, err := o.launch(ctx, b, &r)
		if err != nil {
			return err
		}
		defer live.close()
		if err := o.provision(ctx, live, &r); err != nil {
			return err
		}
		data := Restored{Result: r}
		anew, err := o.restoreLost(ctx, b, live, &data)
		if err != nil {
			return err
		}
		if r.Restored = data.Backup; anew {
			return o.serve(ctx, b, live, &r, first)
		}
		if err := o.ensureRelease(ctx, b, live, &r, first); err != nil {
			return err
		}
		r.URL = o.Site.Address(live.in.Servers[0]).URL()
		return o.step("", "answer at "+r.URL, func() error { return o.awaitAnswer(ctx, live.in.Servers[0]) })
	})
	return r, err
}

// live is a running site: its servers, with a connection to each.
type live struct {
	in    site.Inputs
	hosts map[string]*sshx.Client
}

func (l *live) close() {
	for _, name := range slices.Sorted(maps.Keys(l.hosts)) {
		_ = l.hosts[name].Close()
	}
}

// with returns the hosts that have a role, in the order of their names.
func (l *live) with(role string) []ec2x.Server {
	return slices.DeleteFunc(slices.Clone(l.in.Servers), func(s ec2x.Server) bool { return !slices.Contains(s.Roles, role) })
}

// launch brings up the servers that are missing and connects to all.
func (o Operator) launch(ctx context.Context, b bucket, r *Result) (*live, error) {
	sec, err := ensureSecrets(ctx, b.s3, b.Bucket, o.Site)
	if err != nil {
		return nil, err
	}
	if err := o.useCertificate(&sec); err != nil {
		return nil, err
	}
	there, err := o.Cloud.Servers(ctx, o.Site.Name)
	if err != nil {
		return nil, fmt.Errorf("site: list servers of %q: %w", o.Site.Name, err)
	}
	l := &live{in: site.Inputs{Secrets: sec, Storage: b.Storage}, hosts: map[string]*sshx.Client{}}
	for _, want := range o.Site.Servers() {
		i := slices.IndexFunc(there, func(s ec2x.Server) bool { return s.Name == want.Name && s.State == ec2x.Running })
		if i >= 0 {
			l.in.Servers = append(l.in.Servers, there[i])
			continue
		}
		err := o.step(want.Name, "launch", func() error {
			server, err := o.Cloud.Launch(ctx, o.spec(want, sec))
			l.in.Servers = append(l.in.Servers, server)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("site: launch %q: %w", want.Name, err)
		}
		r.Launched = append(r.Launched, want.Name)
	}
	return l, o.connect(ctx, l)
}

// attach connects to servers that are there.
func (o Operator) attach(ctx context.Context, servers []ec2x.Server, sec site.Secrets, b bucket) (*live, error) {
	l := &live{in: site.Inputs{Servers: servers, Secrets: sec, Storage: b.Storage}, hosts: map[string]*sshx.Client{}}
	return l, o.connect(ctx, l)
}

func (o Operator) spec(want site.Server, sec site.Secrets) ec2x.Spec {
	private, _ := sshx.NewKey()
	return ec2x.Spec{
		Site: o.Site.Name, Name: want.Name, Roles: want.Roles, Ports: want.Ports, Image: o.Site.Image, Type: o.Site.Type,
		HostKey: private, AuthorizedKey: sec.OperatorPublic,
	}
}

// connect dials every server at once; all failures are reported, in the order of the servers.
func (o Operator) connect(ctx context.Context, l *live) error {
	errs := make([]error, len(l.in.Servers))
	clients := make([]*sshx.Client, len(l.in.Servers))
	var wg sync.WaitGroup
	for i, server := range l.in.Servers {
		wg.Go(func() {
			errs[i] = o.step(server.Name, "connect", func() (err error) {
				clients[i], err = dial(ctx, server, l.in.Secrets)
				return err
			})
		})
	}
	wg.Wait()
	for i, c := range clients {
		if c != nil {
			l.hosts[l.in.Servers[i].Name] = c
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		l.close()
	}
	return err
}

// dial reaches a server with the operators' key, checks its host key, and waits while it boots.
func dial(ctx context.Context, s ec2x.Server, sec site.Secrets) (*sshx.Client, error) {
	return sshx.Dial(ctx, sshx.Target{
		Name: s.Name, Addr: s.SSH.String(), User: s.User, Key: string(sec.OperatorKey), HostKey: s.HostKey, Wait: bootTimeout,
	})
}

// targets are the hosts with the states that they are to be in.
func (o Operator) targets(ctx context.Context, l *live) ([]provision.Target, error) {
	var all []provision.Target
	for _, server := range l.in.Servers {
		in, err := o.inputs(ctx, l, server)
		if err != nil {
			return nil, err
		}
		state, err := o.Site.HostState(server.Name, in)
		if err != nil {
			return nil, err
		}
		all = append(all, provision.Target{Name: server.Name, Host: l.hosts[server.Name], State: state})
	}
	return all, nil
}

func (o Operator) provision(ctx context.Context, l *live, r *Result) error {
	targets, err := o.targets(ctx, l)
	if err != nil {
		return err
	}
	results, err := provision.Run(ctx, targets, provision.Options{Events: func(e provision.Event) {
		o.provisionEvent(e)
		if e.Kind == provision.EventPlan && e.Total > 0 {
			o.emit(site.Event{Time: time.Now(), Server: e.Host, Step: "upload what the changes need", State: site.StepStarted})
		}
	}})
	r.count(results)
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
