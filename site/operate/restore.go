package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// Restored is what Restore did.
type Restored struct {
	Result
	Backup string        `json:"backup"` // its name
	Taken  time.Time     `json:"taken"`  // what was written later is not there
	Rows   int64         `json:"rows"`
	Took   time.Duration `json:"took_ns"` // of the data alone
}

// RestoreOptions say what Restore destroys. The zero value destroys no data.
type RestoreOptions struct {
	Replace bool // tables that are there are replaced: what was written since the backup is lost
}

// Restore brings the site back from a backup: servers that are gone are launched and provisioned, the data comes from
// the bucket, and the current release runs on it, with its migrations. Without RestoreOptions.Replace a database that
// holds tables is refused with s3backup.ErrNotEmpty.
//
// Visitors see the maintenance page meanwhile, and go on to see it where the data did not come in. A site that was
// running and whose backup is refused runs on with the data that it had.
func (o Operator) Restore(ctx context.Context, which s3backup.Select, opts RestoreOptions) (Restored, error) {
	var r Restored
	result, err := o.locked(ctx, o.create, "restore", func(ctx context.Context, s *session) error {
		entry, err := s.findBackup(ctx, which)
		if err != nil {
			return err
		}
		first, err := s.bringUp(ctx)
		defer first.close()
		if err != nil {
			return err
		}
		allowed, err := s.allowed(ctx, opts.Replace)
		if err != nil {
			return err
		}
		if err := s.restoreData(ctx, entry.ID, allowed, &r); err != nil {
			return err
		}
		return s.serve(ctx, first)
	})
	r.Result = result
	return r, err
}

// allowed refuses to replace data that nobody allowed to be replaced, before the site is stopped for it. Where an earlier
// restore did not come to its end, that one was allowed to, and nobody has written since.
func (s *session) allowed(ctx context.Context, replace bool) (bool, error) {
	data, err := ask[agent.Data](ctx, s.Operator, s.hosts[s.with(site.RoleDB)[0].Name], agent.Request{Verb: agent.VerbData})
	if err != nil {
		return false, err
	}
	replace = replace || data.Restoring || data.Unfinished
	if !data.Empty && !replace {
		return false, fmt.Errorf("site: restore: %w; allow it to be replaced (-replace) if that is meant", s3backup.ErrNotEmpty)
	}
	return replace, nil
}

func (s *session) findBackup(ctx context.Context, which s3backup.Select) (s3backup.Entry, error) {
	store, err := s.backupStore(ctx)
	if err != nil {
		return s3backup.Entry{}, err
	}
	return store.Find(ctx, which)
}

// restoreLost restores the newest backup into a database that has no table, which is what is left of a site whose
// server is gone. Without any backup there is nothing to do. It reports whether the site is to be served anew: also
// where an earlier run has brought the data and no more.
func (s *session) restoreLost(ctx context.Context, r *Restored) (bool, error) {
	data, err := ask[agent.Data](ctx, s.Operator, s.hosts[s.with(site.RoleDB)[0].Name], agent.Request{Verb: agent.VerbData})
	if err != nil {
		return false, err
	}
	if data.Unfinished {
		return false, errors.New("site: a restore of the database did not end; run backup restore again")
	}
	if !data.Empty {
		return data.Restoring, nil
	}
	store, err := s.backupStore(ctx)
	if err != nil {
		return false, err
	}
	entry, err := store.Find(ctx, s3backup.Select{})
	if errors.Is(err, s3backup.ErrNoBackup) {
		there, listErr := store.List(ctx)
		if listErr == nil && len(there) > 0 {
			return false, fmt.Errorf("site: the database is empty, and none of its %d backups can be used: %w; see backup list", len(there), err)
		}
		return false, listErr
	}
	if err != nil {
		return false, err
	}
	return true, s.restoreData(ctx, entry.ID, false, r)
}

// restoreData puts a backup into the database while the site is in maintenance and its processes are stopped.
func (s *session) restoreData(ctx context.Context, id string, replace bool, r *Restored) error {
	database := s.with(site.RoleDB)[0].Name
	fresh := slices.Contains(s.result.Launched, database)
	if err := s.pause(ctx); err != nil {
		return err
	}
	done, err := ask[s3backup.Restored](ctx, s.Operator, s.hosts[database], agent.Request{Verb: agent.VerbRestore, Backup: id, Replace: replace})
	if err == nil {
		r.Backup, r.Taken, r.Rows, r.Took = done.Backup.ID, done.Backup.Started, done.Rows, done.Took
		return nil
	}
	err = fmt.Errorf("site: restore %s on %q: %w", id, database, err)
	if fresh {
		return fmt.Errorf("%w\nthe site is in maintenance; run backup restore again", err)
	}
	// ctx may be what ended the restore; the site gets a chance to come back.
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if resumeErr := s.resume(again); resumeErr != nil {
		return fmt.Errorf("%w\nthe site is in maintenance with the data it had: %w", err, resumeErr)
	}
	return fmt.Errorf("%w\nthe site runs with the data it had", err)
}

// lastBackup brings all of the data into the bucket before the servers end. Nobody writes meanwhile; files that came since
// they were looked for are seen.
func (s *session) lastBackup(ctx context.Context, loseFiles bool) error {
	if err := s.pause(ctx); err != nil {
		return err
	}
	var err error
	if !loseFiles {
		err = s.holdsNoFiles(ctx)
	}
	for _, server := range s.with(site.RoleDB) {
		if err == nil {
			err = s.do(ctx, s.hosts[server.Name], agent.Request{Verb: agent.VerbBackup, Shrink: true})
		}
	}
	if err == nil {
		return nil
	}
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	return fmt.Errorf("site: last backup: %w\nnothing was removed", errors.Join(err, s.resume(again)))
}

// pause shows visitors the maintenance page and stops the application's processes, so that nothing is written.
func (s *session) pause(ctx context.Context) error {
	if err := s.setMaintenance(ctx, true); err != nil {
		return err
	}
	if err := s.onEach(ctx, s.with(site.RoleDB), "touch "+layout.Restoring); err != nil {
		return err
	}
	return s.onEach(ctx, s.with(site.RoleApp), "systemctl stop 'app@*.service'")
}

// resume starts the current release and takes the maintenance page away.
func (s *session) resume(ctx context.Context) error {
	if err := s.converge(ctx); err != nil {
		return err
	}
	return s.end(ctx)
}

// end says that a restore is over.
func (s *session) end(ctx context.Context) error {
	if err := s.setMaintenance(ctx, false); err != nil {
		return err
	}
	return s.onEach(ctx, s.with(site.RoleDB), "rm -f "+layout.Restoring)
}

func (s *session) onEach(ctx context.Context, servers []ec2x.Server, script string) error {
	for _, server := range servers {
		if err := s.hosts[server.Name].Run(ctx, sshx.Script{Text: script, Root: true}); err != nil {
			return fmt.Errorf("site: %s on %q: %w", script, server.Name, err)
		}
	}
	return nil
}

// serve makes the restored site answer: the current release with its migrations, for the data may be older than it,
// or a first one.
func (s *session) serve(ctx context.Context, first *packed) error {
	if err := s.migrateCurrent(ctx); err != nil {
		return fmt.Errorf("%w\nthe data is in, the site is in maintenance; run backup restore or deploy again, then maintenance off", err)
	}
	if err := s.ensureRelease(ctx, first); err != nil {
		return fmt.Errorf("%w\nthe data is in, the site is in maintenance; run deploy, then maintenance off", err)
	}
	if err := s.end(ctx); err != nil {
		return err
	}
	return s.awaitFront(ctx)
}

func (s *session) migrateCurrent(ctx context.Context) error {
	current, _, err := s.releases().Current(ctx)
	if err != nil || current == "" {
		return err
	}
	first := s.with(site.RoleApp)[0].Name
	for _, verb := range []agent.Verb{agent.VerbInstall, agent.VerbMigrate} {
		if err := s.do(ctx, s.hosts[first], agent.Request{Verb: verb, Release: current}); err != nil {
			return fmt.Errorf("site: %s release %s on %q: %w", verb, current, first, err)
		}
	}
	return nil
}
