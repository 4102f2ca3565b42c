package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/lease"
)

// Operator runs a site on a cloud: each verb is one method, returns values, and reports what it is doing as events.
type Operator struct {
	Site  site.Site
	Cloud ec2x.Cloud

	// Name is who operates, shown to whoever waits for the lock. Empty: USER@HOST.
	Name string

	// LockWait bounds how long a verb waits for another operator. Zero does not wait: the verb returns a *lease.HeldError.
	LockWait time.Duration

	// Program is the executable whose main package becomes the site's agent on the servers; its main must call cli.Main
	// with the same Site. It is built again from its source where Go and the source are at hand, so that equal sources
	// give equal agents, however the program was built; else it is copied. Empty: the running program itself.
	Program string

	// Events receives what is being done, from several goroutines at once. Nil drops it.
	Events func(site.Event)

	// Log is for what a person need not see. Nil is silent.
	Log *slog.Logger
}

// step runs f as one step, with its events.
func (o Operator) step(server, name string, f func() error) error {
	return site.Step(o.Events, server, name, f)
}

func (o Operator) emit(e site.Event) {
	if o.Events != nil {
		o.Events(e)
	}
}

// name says who operates.
func (o Operator) name() string {
	if o.Name != "" {
		return o.Name
	}
	who, host := "someone", "somewhere"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return fmt.Sprintf("%s@%s", who, host)
}

// bucket is the site's storage with a client for it.
type bucket struct {
	ec2x.Storage
	s3 *s3.Client
}

// opener begins a session: Operator.open, or Operator.create.
type opener func(context.Context) (*session, error)

// locked runs f on a session with the site's lease held.
func (o Operator) locked(ctx context.Context, begin opener, verb string, f func(context.Context, *session) error) (Result, error) {
	if err := o.Site.Validate(); err != nil {
		return Result{}, err
	}
	s, err := begin(ctx)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	err = s.lock(ctx, verb, func(ctx context.Context) error { return f(ctx, s) })
	return s.result, err
}

// lock runs f with the site's lease held, and with a context that ends when the lease is lost.
func (s *session) lock(ctx context.Context, verb string, f func(context.Context) error) error {
	held, err := lease.Acquire(ctx, lease.Bucket{S3: s.bucket.s3, Name: s.bucket.Bucket, Key: "private/lock.json"}, lease.Options{
		Owner: s.name(), Purpose: verb, Wait: s.LockWait, Log: s.Log,
		Waiting: func(r lease.Record) {
			s.emit(site.Event{Time: time.Now(), Step: fmt.Sprintf("wait for %s (%s)", r.Owner, r.Purpose), State: site.StepStarted})
		},
	})
	if err != nil {
		return fmt.Errorf("site: %s %q: %w", verb, s.Site.Name, err)
	}
	err = f(held.Context())
	if cause := context.Cause(held.Context()); err != nil && errors.Is(cause, lease.ErrLost) {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return errors.Join(err, held.Release())
}

// Host connects to a running server of the site. Close it.
func (o Operator) Host(ctx context.Context, server string) (*sshx.Client, error) {
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	servers, sec, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(servers, func(v ec2x.Server) bool { return v.Name == server })
	if i < 0 {
		return nil, o.notThere(server)
	}
	return dial(ctx, servers[i], sec)
}

// notThere says of a server that the cloud does not have whether the site should have it.
func (o Operator) notThere(server string) error {
	var names []string
	for _, v := range o.Site.Servers() {
		names = append(names, v.Name)
	}
	if slices.Contains(names, server) {
		return fmt.Errorf("site: server %q is not running: %w; run up", server, site.ErrUnknownServer)
	}
	return fmt.Errorf("site: server %q: %w; there are %s", server, site.ErrUnknownServer, strings.Join(names, ", "))
}

// httpStatus returns the HTTP status of an S3 answer, or 0.
func httpStatus(err error) int {
	var re *awshttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}
