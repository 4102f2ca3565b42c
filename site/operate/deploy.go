package operate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

func releaseStore(b bucket) codedeploy.Store {
	return codedeploy.Store{S3: b.s3, Bucket: b.Bucket, Prefix: layout.Releases}
}

// Deploy packs App.Source, uploads it, lays it out on every app server, migrates the database once, and restarts the
// processes one by one. Where the new release does not come up, all servers go back to the last good one; the
// database is not migrated back.
//
// The servers' agent is first brought up to date, so that App.Build, App.Migrate and the other fields about releases are
// those of o.Site. Everything else (App.Command, App.Env, ports, packages, Apache, the database) is left as the last Up
// made it; Result.Pending and a warning name what differs, and Up applies it.
func (o Operator) Deploy(ctx context.Context) (Result, error) {
	if err := errors.Join(o.Site.Validate(), o.Site.ValidateFiles()); err != nil {
		return Result{}, err
	}
	p, err := o.pack(ctx)
	if err != nil {
		return Result{}, err
	}
	defer p.close()
	return o.change(ctx, "deploy", func(ctx context.Context, b bucket, l *live, r *Result) error {
		return o.upToDate(ctx, l, r, func() error { return o.deploy(ctx, b, l, r, p) })
	})
}

// upToDate runs f with the agents up to date, and says what Up would change besides.
func (o Operator) upToDate(ctx context.Context, l *live, r *Result, f func() error) error {
	err := o.refresh(ctx, l, r)
	if err == nil {
		err = f()
	}
	if err == nil {
		r.Pending, err = o.pending(ctx, l)
	}
	return err
}

// Rollback goes back to the last good release before the current one.
func (o Operator) Rollback(ctx context.Context) (Result, error) {
	return o.change(ctx, "rollback", func(ctx context.Context, b bucket, l *live, r *Result) error {
		return o.upToDate(ctx, l, r, func() error { return o.rollback(ctx, releaseStore(b), l, r) })
	})
}

func (o Operator) rollback(ctx context.Context, store codedeploy.Store, l *live, r *Result) error {
	previous, err := store.Previous(ctx)
	if err != nil {
		return err
	}
	if previous == "" {
		return errors.New("site: rollback: there is no good release before the current one")
	}
	_, etag, err := store.Current(ctx)
	if err != nil {
		return err
	}
	if err := store.SetCurrent(ctx, previous, etag); err != nil {
		return err
	}
	r.Release = previous
	return o.converge(ctx, l)
}

// Releases lists what was deployed, newest first, and which one is current.
func (o Operator) Releases(ctx context.Context) (all []codedeploy.Release, current string, err error) {
	b, err := o.bucket(ctx)
	if err != nil {
		return nil, "", err
	}
	if all, err = releaseStore(b).List(ctx); err != nil {
		return nil, "", err
	}
	slices.Reverse(all)
	current, _, err = releaseStore(b).Current(ctx)
	return all, current, err
}

// change runs a verb on a site whose servers are all up.
func (o Operator) change(ctx context.Context, verb string, f func(context.Context, bucket, *live, *Result) error) (Result, error) {
	var r Result
	err := o.locked(ctx, verb, func(ctx context.Context, b bucket) error {
		there, err := o.Cloud.Servers(ctx, o.Site.Name)
		if err != nil {
			return err
		}
		if len(there) < len(o.Site.Servers()) {
			return fmt.Errorf("site: %s: %d of %d servers are there; run up first", verb, len(there), len(o.Site.Servers()))
		}
		l, err := o.launch(ctx, b, &r)
		if err != nil {
			return err
		}
		defer l.close()
		r.URL = o.Site.Address(l.in.Servers[0]).URL()
		return f(ctx, b, l, &r)
	})
	return r, err
}

// needsFirst tells whether the site's first release is to be made: none is current, or none has ever come up.
func needsFirst(ctx context.Context, store codedeploy.Store) (bool, error) {
	current, _, err := store.Current(ctx)
	if err != nil || current == "" {
		return err == nil, err
	}
	_, err = goodBefore(ctx, store, current)
	if errors.Is(err, codedeploy.ErrNoGood) {
		return true, nil
	}
	return false, err
}

// firstRelease packs the site's first release where it is to be made; else it is nil. Close it.
func (o Operator) firstRelease(ctx context.Context, store codedeploy.Store) (*packed, error) {
	if first, err := needsFirst(ctx, store); err != nil || !first {
		return nil, err
	}
	p, err := o.pack(ctx)
	return &p, err
}

// ensureRelease deploys the first release, if it was packed, or makes every server run the current one.
func (o Operator) ensureRelease(ctx context.Context, b bucket, l *live, r *Result, first *packed) (err error) {
	if first != nil {
		return o.deploy(ctx, b, l, r, *first)
	}
	if r.Release, _, err = releaseStore(b).Current(ctx); err != nil {
		return err
	}
	return o.rollout(ctx, b, l, r, "")
}

func (o Operator) deploy(ctx context.Context, b bucket, l *live, r *Result, p packed) error {
	release, err := o.upload(ctx, b, p)
	if err != nil {
		return err
	}
	for _, server := range l.with(site.RoleApp) {
		if err := o.do(ctx, l.hosts[server.Name], agent.Request{Verb: agent.VerbInstall, Release: release}); err != nil {
			return errors.Join(o.stays(ctx, b, "install release "+release, server.Name, err), o.discard(ctx, b, l, release))
		}
	}
	first := l.with(site.RoleApp)[0].Name
	if err := o.do(ctx, l.hosts[first], agent.Request{Verb: agent.VerbMigrate, Release: release}); err != nil {
		return errors.Join(o.stays(ctx, b, "migrate with release "+release, first, err), o.discard(ctx, b, l, release))
	}
	store := releaseStore(b)
	before, etag, err := store.Current(ctx)
	if err != nil {
		return err
	}
	if err := store.SetCurrent(ctx, release, etag); err != nil {
		return err
	}
	r.Release = release
	return o.rollout(ctx, b, l, r, before)
}

// stays says that nothing has changed for visitors.
func (o Operator) stays(ctx context.Context, b bucket, what, server string, err error) error {
	current, _, _ := releaseStore(b).Current(ctx)
	if current == "" {
		return fmt.Errorf("site: %s on %q: %w\nthe site has no release yet, and visitors see the page that says so; mend what the lines above name, then run up again", what, server, err)
	}
	return fmt.Errorf("site: %s on %q: %w\nthe site still runs %s", what, server, err, current)
}

// packed is the source as it was packed, in a temporary file.
type packed struct {
	codedeploy.Packed
	file *os.File
}

func (p packed) close() {
	_ = p.file.Close()
	_ = os.Remove(p.file.Name())
}

// pack packs the source. Close what it returns.
func (o Operator) pack(ctx context.Context) (p packed, err error) {
	if err := o.Site.ValidateFiles(); err != nil {
		return p, err
	}
	if p.file, err = os.CreateTemp("", "siteblocks-*.tar.gz"); err != nil {
		return p, err
	}
	err = o.step("", "pack "+o.Site.App.Source, func() error {
		p.Packed, err = codedeploy.Pack(ctx, p.file, codedeploy.Source{Dir: o.Site.App.Source, Revision: o.Site.App.Revision})
		return err
	})
	if err != nil {
		p.close()
		return p, fmt.Errorf("site: App.Source %q: %w", o.Site.App.Source, err)
	}
	return p, nil
}

// upload puts the packed source into the bucket as a release.
func (o Operator) upload(ctx context.Context, b bucket, p packed) (name string, err error) {
	now := time.Now().UTC()
	r := codedeploy.Release{
		Name: now.Format("20060102150405"), By: o.name(), Source: o.Site.App.Source, Created: now,
		Revision: p.Revision, SHA256: p.SHA256, Size: p.Size,
	}
	return r.Name, o.step("", "upload release "+r.Name, func() error {
		if _, err := p.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return releaseStore(b).Put(ctx, r, p.file)
	})
}

// rollout makes every app server run the current release. Where it does not come up, the one that ran before is current
// again; where that is not known or was never good, the last good one.
func (o Operator) rollout(ctx context.Context, b bucket, l *live, r *Result, before string) error {
	store := releaseStore(b)
	failed := o.converge(ctx, l)
	if failed == nil {
		if err := store.MarkGood(ctx, r.Release); err != nil {
			return err
		}
		gone, err := store.Prune(ctx, layout.KeepReleases)
		return errors.Join(err, o.remove(ctx, l, gone))
	}
	back, err := goodBefore(ctx, store, before)
	if errors.Is(err, codedeploy.ErrNoGood) {
		return fmt.Errorf("%w\nno release of the site has ever come up, so there is none to go back to, and visitors see the page that says so; mend what the lines above name, then run up again (App.BootTimeout is %s)",
			failed, o.Site.WithDefaults().App.BootTimeout)
	}
	if err != nil || ctx.Err() != nil {
		return errors.Join(failed, err)
	}
	_, etag, err := store.Current(ctx)
	if err == nil {
		err = store.SetCurrent(ctx, back, etag)
	}
	if err == nil {
		err = o.converge(ctx, l)
	}
	if err != nil {
		return fmt.Errorf("%w\nand going back to release %s failed: %w", failed, back, err)
	}
	bad := r.Release
	r.Release = back
	failed = fmt.Errorf("%w\nrelease %s was taken back: the site runs %s, as before", failed, bad, back)
	if before != "" { // else it ran well once, and may again
		failed = errors.Join(failed, o.discard(ctx, b, l, bad))
	}
	return failed
}

// goodBefore is the release to go back to from the current one; ErrNoGood where there is none.
func goodBefore(ctx context.Context, store codedeploy.Store, before string) (string, error) {
	good, err := store.IsGood(ctx, before)
	if err != nil || good {
		return before, err
	}
	return store.Previous(ctx)
}

// discard removes a release that does not come up: nothing, Capistrano's own rollback included, is to go back to it.
func (o Operator) discard(ctx context.Context, b bucket, l *live, release string) error {
	return errors.Join(releaseStore(b).Remove(ctx, release), o.remove(ctx, l, []string{release}))
}

// remove takes releases from every app server.
func (o Operator) remove(ctx context.Context, l *live, releases []string) error {
	if len(releases) == 0 {
		return nil
	}
	var errs []error
	for _, server := range l.with(site.RoleApp) {
		if err := o.do(ctx, l.hosts[server.Name], agent.Request{Verb: agent.VerbRemove, Releases: releases}); err != nil {
			errs = append(errs, fmt.Errorf("site: remove releases from %q: %w", server.Name, err))
		}
	}
	return errors.Join(errs...)
}

// converge lets each app server run the current release, one server after the other.
func (o Operator) converge(ctx context.Context, l *live) error {
	for _, server := range l.with(site.RoleApp) {
		if err := o.do(ctx, l.hosts[server.Name], agent.Request{Verb: agent.VerbConverge}); err != nil {
			return fmt.Errorf("site: release on %q: %w", server.Name, err)
		}
	}
	return nil
}
