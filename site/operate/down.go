package operate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
)

// DownOptions say what Down destroys besides the servers. The zero value destroys no data.
type DownOptions struct {
	// DeleteData deletes the site's bucket, with every backup, release and secret in it. Nothing brings them back.
	DeleteData bool

	// SkipBackup ends the servers without a last backup: what was written since the newest one is lost. It is for
	// servers that do not answer any more.
	SkipBackup bool

	// LoseFiles ends servers although there are files in App.LinkedDirs, which are in no backup.
	LoseFiles bool
}

// ErrFilesWouldBeLost is returned by Down where App.LinkedDirs hold files that are in no backup.
var ErrFilesWouldBeLost = errors.New("files in App.LinkedDirs are in no backup and would be lost")

// Down ends the site's servers and removes everything else that belongs to it but its bucket, with releases, secrets
// and backups in it, to which a last one is added: the next Up continues from there. Where that backup fails, or files
// would be lost (ErrFilesWouldBeLost), nothing is removed.
func (o Operator) Down(ctx context.Context, opts DownOptions) error {
	_, err := o.locked(ctx, o.open, "down", func(ctx context.Context, s *session) error { return s.endServers(ctx, opts) })
	if errors.Is(err, ec2x.ErrNoStorage) {
		err = o.neverUp(ctx)
	}
	if err != nil {
		return err
	}
	what := "remove the network, keep the data"
	if opts.DeleteData {
		what = "remove network and data"
	}
	return o.step("", what, func() error { return o.Cloud.Delete(ctx, o.Site.Name, ec2x.DeleteOptions{Data: opts.DeleteData}) })
}

// neverUp refuses where a site without a bucket has servers all the same: nothing says whose they are.
func (o Operator) neverUp(ctx context.Context) error {
	there, err := o.Cloud.Servers(ctx, o.Site.Name)
	if err == nil && len(there) > 0 {
		err = fmt.Errorf("site: down: %d servers of %q are there, but its bucket is not; run up, then down", len(there), o.Site.Name)
	}
	return err
}

func (s *session) endServers(ctx context.Context, opts DownOptions) error {
	there, err := s.Cloud.Servers(ctx, s.Site.Name)
	if err != nil || len(there) == 0 {
		return err
	}
	if !opts.DeleteData {
		if err := s.keep(ctx, there, opts); err != nil {
			return err
		}
	}
	return s.terminate(ctx, there)
}

// keep brings what the servers alone have to safety, or refuses.
func (s *session) keep(ctx context.Context, there []ec2x.Server, opts DownOptions) error {
	if len(s.Site.NotBackedUp()) == 0 {
		opts.LoseFiles = true // there are none
	}
	if opts.SkipBackup && opts.LoseFiles {
		return nil
	}
	sec, _, err := s.secrets(ctx)
	if err != nil {
		return err
	}
	if err := s.attach(ctx, there, sec); err != nil {
		given := "SkipBackup (-skip-backup) and LoseFiles (-lose-files)"
		return fmt.Errorf("%w\nnothing was removed; a server that does not answer any more is given up with %s", err, given)
	}
	if !opts.LoseFiles {
		if err := s.holdsNoFiles(ctx); err != nil {
			return err
		}
	}
	if opts.SkipBackup {
		return nil
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if err := s.lastBackup(ctx, opts.LoseFiles); err != nil {
		return fmt.Errorf("%w; a server without a usable database is given up with SkipBackup (-skip-backup)", err)
	}
	return nil
}

// holdsNoFiles refuses with ErrFilesWouldBeLost where a server has files that no backup has.
func (s *session) holdsNoFiles(ctx context.Context) error {
	dirs := s.Site.NotBackedUp()
	if len(dirs) == 0 {
		return nil
	}
	shared := path.Join(s.Site.Root(), "shared")
	script := "for d in"
	for _, dir := range dirs {
		script += " " + sshx.Quote(path.Join(shared, dir))
	}
	script += "; do [ ! -d \"$d\" ] || find \"$d\" -type f; done"
	for _, server := range s.with(site.RoleApp) {
		var out bytes.Buffer
		if err := s.hosts[server.Name].Run(ctx, sshx.Script{Text: script, Root: true, Stdout: &out}); err != nil {
			return fmt.Errorf("site: down: look for files on %q: %w", server.Name, err)
		}
		if n := strings.Count(out.String(), "\n"); n > 0 {
			first, _, _ := strings.Cut(out.String(), "\n")
			return fmt.Errorf("site: down: %q has %d files below %s, such as %q: %w\nnothing was removed; copy them away (ssh %s tar -c -C %s . >files.tar), or give them up with LoseFiles (-lose-files)",
				server.Name, n, strings.Join(dirs, ", "), first, ErrFilesWouldBeLost, server.Name, shared)
		}
	}
	return nil
}

func (o Operator) terminate(ctx context.Context, servers []ec2x.Server) error {
	ids, names := make([]string, len(servers)), make([]string, len(servers))
	for i, v := range servers {
		ids[i], names[i] = v.ID, v.Name
	}
	return o.step("", "terminate "+strings.Join(names, ", "), func() error { return o.Cloud.Terminate(ctx, ids...) })
}
