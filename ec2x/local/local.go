// Package local is an ec2x.Cloud on the user's own machine: its servers are Docker containers that boot systemd and
// sshd from a bare Debian, its bucket is a real S3 server in a container, and everything carries labels.
//
//	cloud, err := local.New(local.Options{})
//	…
//	private, public := sshx.NewKey()
//	server, err := cloud.Launch(ctx, ec2x.Spec{Site: "shop", Name: "web-1", Ports: []uint16{80}, HostKey: hostKey, AuthorizedKey: public})
//
// It needs a Docker engine, or podman's Docker socket, named by DOCKER_HOST or in its usual place, and the go
// command the first time that a bucket is asked for. Images are pulled, or bootstrapped from the machine's Debian
// mirror where no registry answers. Servers are reached by ports published on 127.0.0.1 only.
//
// It will not: stand in for a remote engine, as published ports are looked for on this machine; start servers
// again by itself after the machine was rebooted (Launch does); or confine traffic between servers of a site.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"sync"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
)

// ErrNoDocker says that no container engine answers.
var ErrNoDocker = engine.ErrNoDocker

// ErrServers says that Delete was asked of a site that still has servers.
var ErrServers = errors.New("the site still has servers")

// Options are the optional parts of a Cloud.
type Options struct {
	Log      *slog.Logger // nil is silent
	Progress func(Event)  // what takes long, as it happens; called from any goroutine; nil is silent

	// Mirror is the Debian mirror from which images are bootstrapped where no registry answers, such as
	// "http://mirror.example/debian"; security updates come from the same URL with "-security" after it. Zero is the
	// machine's own, from its apt sources.
	Mirror string

	// Labels are put on everything that is made, for Sweep to find.
	Labels map[string]string
}

// Event is one step of something that takes long.
type Event struct {
	Step   string // "image" or "s3"
	Detail string // such as "bootstrapping Debian trixie from http://mirror.example/debian"
}

// Cloud implements ec2x.Cloud with containers. It is safe for concurrent use, also by several processes of one user.
type Cloud struct {
	engine *engine.Engine
	opts   Options
	ctx    context.Context // of what goes on beside the calls; ends with Close
	cancel context.CancelFunc

	mu sync.Mutex
	s3 *s3Build // the S3 image in the making
}

var _ ec2x.Cloud = (*Cloud)(nil)

// New connects to the container engine. Where none answers, the error is ErrNoDocker and says what to do.
func New(o Options) (*Cloud, error) {
	if u, err := url.Parse(o.Mirror); o.Mirror != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return nil, fmt.Errorf("local: Options.Mirror %q: is not the URL of a Debian mirror, such as http://mirror.example/debian", o.Mirror)
	}
	eo := engine.Options{Log: o.Log, Mirror: o.Mirror}
	if o.Progress != nil {
		eo.Progress = func(step, detail string) { o.Progress(Event{step, detail}) }
	}
	e, err := engine.Dial(context.Background(), eo)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	c := &Cloud{engine: e, opts: o}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Close gives the connection to the engine back. Servers and bucket stay.
func (c *Cloud) Close() error {
	c.cancel()
	return c.engine.Close()
}

// Prepare makes sure that the image for servers and the one of the S3 server are there, so that Launch and Storage
// answer at once. Image is as in ec2x.Spec.
func (c *Cloud) Prepare(ctx context.Context, image string) error {
	build := c.buildS3()
	if _, err := c.engine.ServerImage(ctx, image); err != nil {
		return fmt.Errorf("local: prepare: %w", err)
	}
	if _, err := build.wait(ctx); err != nil {
		return fmt.Errorf("local: prepare: %w", err)
	}
	return nil
}

// s3Build is the making of the S3 image beside whatever else goes on: it takes as long as the server image does.
type s3Build struct {
	done chan struct{}
	ref  string
	err  error
}

func (c *Cloud) buildS3() *s3Build {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s3 != nil {
		return c.s3
	}
	b := &s3Build{done: make(chan struct{})}
	c.s3 = b
	go func() {
		b.ref, b.err = c.engine.S3Image(c.ctx)
		if b.err != nil { // the next caller tries again
			c.mu.Lock()
			c.s3 = nil
			c.mu.Unlock()
		}
		close(b.done)
	}()
	return b
}

func (b *s3Build) wait(ctx context.Context) (string, error) {
	select {
	case <-b.done:
		return b.ref, b.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

func checkName(what, name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%s %q: must begin with a lower-case letter, go on with lower-case letters, digits and dashes, "+
			"and be at most 31 long", what, name)
	}
	return nil
}
