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

// Deploy packs App.Source, uploads it, lays it out on every app server, migrates the database once, and restarts the
// processes one by one. Where the new release does not come up, all servers go back to the last good one; the
// database is not migrated back.
//
// The servers' agent is first brought up to date, so that App.Build, App.Migrate and the other fields about releases are
// those of o.Site. Everything else (App.Command, App.Env, ports, packages, Apache, the database) is left as the last Up
// made it; Result.Pending names what differs, and Up applies it.
func (o Operator) Deploy(ctx context.Context) (Result, error) {
	if err := errors.Join(o.Site.Validate(), o.Site.ValidateFiles()); err != nil {
		return Result{}, err
	}
	p, err := o.pack(ctx)
	if err != nil {
		return Result{}, err
	}
	defer p.close()
	return o.change(ctx, "deploy", func(ctx context.Context, s *session) error {
		return s.upToDate(ctx, func() error { return s.deploy(ctx, p) })
	})
}

// upToDate runs f with the agents up to date, sees that the site answers then, and says what Up would change besides.
func (s *session) upToDate(ctx context.Context, f func() error) error {
	err := s.refresh(ctx)
	if err == nil {
		err = f()
	}
	if err == nil {
		err = s.awaitFront(ctx)
	}
	if err == nil {
		s.result.Pending, err = s.pending(ctx)
	}
	return err
}

// Rollback goes to a release that once came up, "" for the last such one before the current. See Releases for names.
func (o Operator) Rollback(ctx context.Context, release string) (Result, error) {
	return o.change(ctx, "rollback", func(ctx context.Context, s *session) error {
		return s.upToDate(ctx, func() error { return s.rollback(ctx, release) })
	})
}

func (s *session) rollback(ctx context.Context, release string) error {
	release, err := s.rollbackTo(ctx, release)
	if err != nil {
		return err
	}
	_, etag, err := s.releases().Current(ctx)
	if err != nil {
		return err
	}
	if err := s.releases().SetCurrent(ctx, release, etag); err != nil {
		return err
	}
	s.result.Release = release
	return s.converge(ctx)
}

// rollbackTo is the release to go to, "" standing for the last good one before the current.
func (s *session) rollbackTo(ctx context.Context, release string) (string, error) {
	if release == "" {
		previous, err := s.releases().Previous(ctx)
		if err == nil && previous == "" {
			err = errors.New("site: rollback: there is no good release before the current one")
		}
		return previous, err
	}
	good, err := s.releases().IsGood(ctx, release)
	if err == nil && !good {
		err = fmt.Errorf("site: rollback: release %q is not there or has never come up; see releases", release)
	}
	return release, err
}

// Release is a release of the site that lies in its bucket. One that did not come up is not kept, but for the first.
type Release struct {
	codedeploy.Release
	Current bool `json:"current"` // it is the one that the servers are to run
	Good    bool `json:"good"`    // it came up once: Rollback may go to it
}

// Releases lists what was deployed, newest first.
func (o Operator) Releases(ctx context.Context) ([]Release, error) {
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := s.releases().List(ctx)
	if err != nil {
		return nil, err
	}
	current, _, err := s.releases().Current(ctx)
	if err != nil {
		return nil, err
	}
	slices.Reverse(stored)
	all := make([]Release, len(stored))
	for i, r := range stored {
		all[i] = Release{Release: r, Current: r.Name == current}
		if all[i].Good, err = s.releases().IsGood(ctx, r.Name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// change runs a verb on a site whose servers are all up.
func (o Operator) change(ctx context.Context, verb string, f func(context.Context, *session) error) (Result, error) {
	return o.locked(ctx, o.open, verb, func(ctx context.Context, s *session) error {
		there, err := s.Cloud.Servers(ctx, s.Site.Name)
		if err != nil {
			return err
		}
		if len(there) < len(s.Site.Servers()) {
			return fmt.Errorf("site: %s: %d of %d servers are there; run up first", verb, len(there), len(s.Site.Servers()))
		}
		if err := s.launch(ctx); err != nil {
			return err
		}
		s.result.URL = s.Site.Address(s.with(site.RoleWeb)[0]).URL()
		return f(ctx, s)
	})
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
func (s *session) firstRelease(ctx context.Context) (*packed, error) {
	if first, err := needsFirst(ctx, s.releases()); err != nil || !first {
		return nil, err
	}
	p, err := s.pack(ctx)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// ensureRelease deploys the first release, if it was packed, or makes every server run the current one.
func (s *session) ensureRelease(ctx context.Context, first *packed) (err error) {
	if first != nil {
		return s.deploy(ctx, *first)
	}
	if s.result.Release, _, err = s.releases().Current(ctx); err != nil {
		return err
	}
	return s.rollout(ctx, "")
}

func (s *session) deploy(ctx context.Context, p packed) error {
	release, err := s.upload(ctx, p)
	if err != nil {
		return err
	}
	for _, server := range s.with(site.RoleApp) {
		if err := s.do(ctx, s.hosts[server.Name], agent.Request{Verb: agent.VerbInstall, Release: release}); err != nil {
			return errors.Join(s.unchanged(ctx, "install release "+release, server.Name, err), s.discard(ctx, release))
		}
	}
	first := s.with(site.RoleApp)[0].Name
	if err := s.do(ctx, s.hosts[first], agent.Request{Verb: agent.VerbMigrate, Release: release}); err != nil {
		return errors.Join(s.unchanged(ctx, "migrate with release "+release, first, err), s.discard(ctx, release))
	}
	store := s.releases()
	before, etag, err := store.Current(ctx)
	if err != nil {
		return err
	}
	if err := store.SetCurrent(ctx, release, etag); err != nil {
		return err
	}
	s.result.Release = release
	return s.rollout(ctx, before)
}

// unchanged says that nothing has changed for visitors.
func (s *session) unchanged(ctx context.Context, what, server string, err error) error {
	err = fmt.Errorf("site: %s on %q: %w", what, server, err)
	current, _, _ := s.releases().Current(ctx)
	if current == "" {
		return fmt.Errorf("%w\nthe site has no release yet, and visitors see the page that says so; mend what the lines above name, then run up again", err)
	}
	if good, goodErr := s.releases().IsGood(ctx, current); goodErr == nil && !good {
		return fmt.Errorf("%w\nthe site's release is still %s, which has never come up", err, current)
	}
	return fmt.Errorf("%w\nthe site still runs %s", err, current)
}

// packed is the source as it was packed, in a file without a name, which ends with the program however it ends.
type packed struct {
	codedeploy.Packed
	file *os.File
}

func (p *packed) close() {
	if p != nil {
		_ = p.file.Close()
	}
}

// pack packs the source. Close what it returns.
func (o Operator) pack(ctx context.Context) (p packed, err error) {
	if err := o.Site.ValidateFiles(); err != nil {
		return p, err
	}
	if p.file, err = os.CreateTemp("", "siteblocks-*.tar.gz"); err != nil {
		return p, err
	}
	if err := os.Remove(p.file.Name()); err != nil {
		p.close()
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
func (s *session) upload(ctx context.Context, p packed) (name string, err error) {
	now := time.Now().UTC()
	if name, err = s.releases().NextName(ctx, now); err != nil {
		return "", err
	}
	r := codedeploy.Release{
		Name: name, By: s.name(), Source: s.Site.App.Source, Created: now,
		Revision: p.Revision, SHA256: p.SHA256, Size: p.Size,
	}
	return r.Name, s.step("", "upload release "+r.Name, func() error {
		if _, err := p.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return s.releases().Put(ctx, r, p.file)
	})
}

// rollout makes every app server run the current release. Where it does not come up, the one that ran before is current
// again; where that is not known or was never good, the last good one.
func (s *session) rollout(ctx context.Context, before string) error {
	store := s.releases()
	failed := s.converge(ctx)
	if failed == nil {
		if err := store.MarkGood(ctx, s.result.Release); err != nil {
			return err
		}
		gone, err := store.Prune(ctx, layout.KeepReleases)
		return errors.Join(err, s.remove(ctx, gone))
	}
	back, err := goodBefore(ctx, store, before)
	if errors.Is(err, codedeploy.ErrNoGood) {
		return fmt.Errorf("%w\nno release of the site has ever come up, so there is none to go back to, and visitors see the page that says so; mend what the lines above name, then run up again (App.BootTimeout is %s)",
			failed, s.Site.WithDefaults().App.BootTimeout)
	}
	if err != nil || ctx.Err() != nil {
		return errors.Join(failed, err)
	}
	_, etag, err := store.Current(ctx)
	if err == nil {
		err = store.SetCurrent(ctx, back, etag)
	}
	if err == nil {
		err = s.converge(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\nand going back to release %s failed: %w", failed, back, err)
	}
	bad := s.result.Release
	s.result.Release = back
	failed = fmt.Errorf("%w\nrelease %s was taken back: the site runs %s, as before", failed, bad, back)
	if before != "" { // else it ran well once, and may again
		failed = errors.Join(failed, s.discard(ctx, bad))
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
func (s *session) discard(ctx context.Context, release string) error {
	return errors.Join(s.releases().Remove(ctx, release), s.remove(ctx, []string{release}))
}

// remove takes releases from every app server.
func (s *session) remove(ctx context.Context, releases []string) error {
	if len(releases) == 0 {
		return nil
	}
	var errs []error
	for _, server := range s.with(site.RoleApp) {
		if err := s.do(ctx, s.hosts[server.Name], agent.Request{Verb: agent.VerbRemove, Releases: releases}); err != nil {
			errs = append(errs, fmt.Errorf("site: remove releases from %q: %w", server.Name, err))
		}
	}
	return errors.Join(errs...)
}

// converge lets each app server run the current release, one server after the other.
func (s *session) converge(ctx context.Context) error {
	for _, server := range s.with(site.RoleApp) {
		if err := s.do(ctx, s.hosts[server.Name], agent.Request{Verb: agent.VerbConverge}); err != nil {
			return fmt.Errorf("site: release on %q: %w", server.Name, err)
		}
	}
	return nil
}
