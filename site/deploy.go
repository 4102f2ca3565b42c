package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/siteblocks/siteblocks/codedeploy"
)

func releaseStore(b bucket) codedeploy.Store {
	return codedeploy.Store{S3: b.s3, Bucket: b.Bucket, Prefix: releasesPrefix}
}

// Deploy packs App.Source, uploads it, lays it out on every app server, migrates the database once, and restarts the
// processes one by one. Where the new release does not come up, all servers go back to the last good one; the
// database is not migrated back.
func (o Operator) Deploy(ctx context.Context) (Result, error) {
	if err := o.Site.Validate(); err != nil {
		return Result{}, err
	}
	return o.change(ctx, "deploy", func(ctx context.Context, b bucket, l *live, r *Result) error {
		return o.deploy(ctx, b, l, r)
	})
}

// Rollback goes back to the last good release before the current one.
func (o Operator) Rollback(ctx context.Context) (Result, error) {
	return o.change(ctx, "rollback", func(ctx context.Context, b bucket, l *live, r *Result) error {
		store := releaseStore(b)
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
	})
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
		r.URL = o.Site.address(l.in.Servers[0]).url()
		return f(ctx, b, l, &r)
	})
	return r, err
}

// ensureRelease makes the first release, or makes every server run the current one.
func (o Operator) ensureRelease(ctx context.Context, b bucket, l *live, r *Result) error {
	current, _, err := releaseStore(b).Current(ctx)
	if err != nil {
		return err
	}
	if current == "" {
		return o.deploy(ctx, b, l, r)
	}
	r.Release = current
	return o.rollout(ctx, b, l, r, "")
}

func (o Operator) deploy(ctx context.Context, b bucket, l *live, r *Result) error {
	release, err := o.upload(ctx, b)
	if err != nil {
		return err
	}
	for _, server := range l.with(RoleApp) {
		if err := o.agent(ctx, l.hosts[server.Name], nil, "install", release); err != nil {
			return errors.Join(o.stays(ctx, b, "install release "+release, server.Name, err), o.discard(ctx, b, l, release))
		}
	}
	first := l.with(RoleApp)[0].Name
	if err := o.agent(ctx, l.hosts[first], nil, "migrate", release); err != nil {
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
		current = "no release"
	}
	return fmt.Errorf("site: %s on %q: %w\nthe site still runs %s", what, server, err, current)
}

// upload packs the source and puts it into the bucket.
func (o Operator) upload(ctx context.Context, b bucket) (name string, err error) {
	file, err := os.CreateTemp("", "siteblocks-*.tar.gz")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	r := codedeploy.Release{Name: time.Now().UTC().Format("20060102150405"), By: o.name(), Source: o.Site.App.Source, Created: time.Now().UTC()}
	err = o.step("", "pack "+o.Site.App.Source, func() error {
		packed, err := codedeploy.Pack(ctx, file, codedeploy.Source{Dir: o.Site.App.Source, Revision: o.Site.App.Revision})
		r.Revision, r.SHA256, r.Size = packed.Revision, packed.SHA256, packed.Size
		return err
	})
	if err != nil {
		return "", err
	}
	return r.Name, o.step("", "upload release "+r.Name, func() error {
		if _, err := file.Seek(0, 0); err != nil {
			return err
		}
		return releaseStore(b).Put(ctx, r, file)
	})
}

// rollout makes every app server run the current release. Where it does not come up, the one that ran before is current
// again; where that is not known, the last good one.
func (o Operator) rollout(ctx context.Context, b bucket, l *live, r *Result, before string) error {
	store := releaseStore(b)
	failed := o.converge(ctx, l)
	if failed == nil {
		if err := store.MarkGood(ctx, r.Release); err != nil {
			return err
		}
		gone, err := store.Prune(ctx, keepReleases)
		return errors.Join(err, o.remove(ctx, l, gone))
	}
	var err error
	deployed := before != ""
	if !deployed {
		before, err = store.Previous(ctx)
	}
	if err != nil || ctx.Err() != nil {
		return errors.Join(failed, err)
	}
	_, etag, err := store.Current(ctx)
	if err == nil {
		err = store.SetCurrent(ctx, before, etag)
	}
	if err == nil {
		err = o.converge(ctx, l)
	}
	if err != nil {
		return fmt.Errorf("%w\nand going back to release %s failed: %w", failed, before, err)
	}
	bad := r.Release
	r.Release = before
	failed = fmt.Errorf("%w\nrelease %s was taken back: the site runs %s, as before", failed, bad, before)
	if deployed { // else it ran well once, and may again
		failed = errors.Join(failed, o.discard(ctx, b, l, bad))
	}
	return failed
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
	for _, server := range l.with(RoleApp) {
		if err := o.agent(ctx, l.hosts[server.Name], nil, append([]string{"remove"}, releases...)...); err != nil {
			errs = append(errs, fmt.Errorf("site: remove releases from %q: %w", server.Name, err))
		}
	}
	return errors.Join(errs...)
}

// converge lets each app server run the current release, one server after the other.
func (o Operator) converge(ctx context.Context, l *live) error {
	for _, server := range l.with(RoleApp) {
		if err := o.agent(ctx, l.hosts[server.Name], nil, "converge"); err != nil {
			return fmt.Errorf("site: release on %q: %w", server.Name, err)
		}
	}
	return nil
}
