package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// session is a verb at work: the operator with the site's bucket and, once it is attached to them, its servers.
type session struct {
	Operator
	bucket bucket
	in     site.Inputs
	hosts  map[string]*sshx.Client // by the server's name
	result Result
}

// open begins a session without servers on a site that has a bucket; else the error is ec2x.ErrNoStorage. Close it.
func (o Operator) open(ctx context.Context) (*session, error) {
	return o.session(o.Cloud.FindStorage(ctx, o.Site.Name))
}

// create is open, with a bucket that is made where there is none.
func (o Operator) create(ctx context.Context) (*session, error) {
	return o.session(o.Cloud.Storage(ctx, o.Site.Name))
}

func (o Operator) session(st ec2x.Storage, err error) (*session, error) {
	if errors.Is(err, ec2x.ErrNoStorage) {
		return nil, fmt.Errorf("site: %q: %w; run up", o.Site.Name, ec2x.ErrNoStorage)
	}
	if err != nil {
		return nil, fmt.Errorf("site: storage of %q: %w", o.Site.Name, err)
	}
	return &session{Operator: o, bucket: bucket{st, st.Client()}, hosts: map[string]*sshx.Client{}}, nil
}

func (s *session) close() {
	for _, name := range slices.Sorted(maps.Keys(s.hosts)) {
		_ = s.hosts[name].Close()
	}
	clear(s.hosts)
}

// secrets are those in the bucket; found is false where there are none yet.
func (s *session) secrets(ctx context.Context) (sec site.Secrets, found bool, err error) {
	return loadSecrets(ctx, s.bucket.s3, s.bucket.Bucket)
}

// inventory is the site's servers as the cloud lists them, and the secrets by which they are reached. Without secrets none
// can be reached, and none is listed.
func (s *session) inventory(ctx context.Context) ([]ec2x.Server, site.Secrets, error) {
	sec, found, err := s.secrets(ctx)
	if err != nil || !found {
		return nil, sec, err
	}
	servers, err := s.Cloud.Servers(ctx, s.Site.Name)
	return servers, sec, err
}

func (s *session) releases() codedeploy.Store {
	return codedeploy.Store{S3: s.bucket.s3, Bucket: s.bucket.Bucket, Prefix: layout.Releases}
}

// with returns the servers that have a role, in the order of their names.
func (s *session) with(role string) []ec2x.Server { return serversWith(s.in.Servers, role) }

func serversWith(all []ec2x.Server, role string) []ec2x.Server {
	return slices.DeleteFunc(slices.Clone(all), func(v ec2x.Server) bool { return !slices.Contains(v.Roles, role) })
}

// attach connects to servers that are there.
func (s *session) attach(ctx context.Context, servers []ec2x.Server, sec site.Secrets) error {
	s.in = site.Inputs{Servers: servers, Secrets: sec, Storage: s.bucket.Storage}
	return s.connect(ctx)
}

// connect dials every server at once; all failures are reported, in the order of the servers.
func (s *session) connect(ctx context.Context) error {
	errs := make([]error, len(s.in.Servers))
	clients := make([]*sshx.Client, len(s.in.Servers))
	var wg sync.WaitGroup
	for i, server := range s.in.Servers {
		wg.Go(func() {
			errs[i] = s.step(server.Name, "connect", func() (err error) {
				clients[i], err = dial(ctx, server, s.in.Secrets)
				return err
			})
		})
	}
	wg.Wait()
	for i, c := range clients {
		if c != nil {
			s.hosts[s.in.Servers[i].Name] = c
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		s.close()
	}
	return err
}

// dial reaches a server with the operators' key, checks its host key, and waits while it boots.
func dial(ctx context.Context, s ec2x.Server, sec site.Secrets) (*sshx.Client, error) {
	return sshx.Dial(ctx, sshx.Target{
		Name: s.Name, Addr: s.SSH.String(), User: s.User, Key: string(sec.OperatorKey), HostKey: s.HostKey, Wait: bootTimeout,
	})
}
