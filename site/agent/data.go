package agent

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/mysqlrepl"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

func (a Agent) backupStore() (s3backup.Store, error) {
	store, err := a.Site.BackupStore(a.client(), a.Config.Bucket, a.Config.BackupKey)
	store.LockFile, store.LockWait = layout.BackupLock, 5*time.Minute
	store.Events = func(e s3backup.Event) { a.emit(a.progress(e.String())) }
	return store, err
}

// Backup puts the site's database into the bucket. Of a database without tables there is none: the manifest is zero.
func (a Agent) Backup(ctx context.Context, shrink bool) (s3backup.Manifest, error) {
	var m s3backup.Manifest
	err := a.step("backup of the database", func() error {
		data, err := a.Data(ctx)
		if err != nil || data.Empty {
			return err
		}
		store, err := a.backupStore()
		if err != nil {
			return err
		}
		m, err = store.Backup(ctx, s3backup.Dump{Server: a.database(), Databases: []string{a.Site.DatabaseName()}}, s3backup.Options{Shrink: shrink})
		return err
	})
	return m, err
}

// VerifyBackup restores a backup, "" for the newest, into a scratch server here. A bad one is an error too.
func (a Agent) VerifyBackup(ctx context.Context, id string) (v s3backup.Verdict, err error) {
	err = a.step("verify the backup", func() error {
		store, err := a.backupStore()
		if err != nil {
			return err
		}
		v, err = store.Verify(ctx, s3backup.Select{ID: id}, s3backup.Scratch{Dir: layout.Scratch})
		if err == nil && !v.OK {
			err = fmt.Errorf("site: %s", v)
		}
		return err
	})
	return v, err
}

// Data is how the application's database stands.
type Data struct {
	Empty      bool `json:"empty"`      // it has no table
	Restoring  bool `json:"restoring"`  // a restore has stopped the application and did not start it again
	Unfinished bool `json:"unfinished"` // a restore was killed while it exchanged the tables; only another one goes on
}

// Data looks at the application's database.
func (a Agent) Data(ctx context.Context) (d Data, err error) {
	if d.Unfinished, err = a.database().Unfinished(ctx, a.Site.DatabaseName()); err != nil {
		return d, err
	}
	db, err := mysqlrepl.Open(ctx, sshx.Local{}.Dial, mysqlrepl.Address{Socket: a.Site.DatabaseSoftware().Socket}, mysqlrepl.Login{User: "root"})
	if err != nil {
		return d, err
	}
	defer db.Close()
	var tables int
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", a.Site.DatabaseName()).Scan(&tables)
	if err != nil {
		return d, fmt.Errorf("site: look at database %q: %w", a.Site.DatabaseName(), err)
	}
	_, err = os.Stat(layout.Restoring)
	d.Empty, d.Restoring = tables == 0, err == nil
	return d, nil
}

func (a Agent) database() s3backup.Server {
	return s3backup.Server{Socket: a.Site.DatabaseSoftware().Socket}
}

// Restore puts a backup into the application's database on this server.
func (a Agent) Restore(ctx context.Context, id string, replace bool) (r s3backup.Restored, err error) {
	err = a.step("restore the database", func() error {
		store, err := a.backupStore()
		if err != nil {
			return err
		}
		r, err = store.Restore(ctx, s3backup.Select{ID: id}, s3backup.Target{Server: a.database(), Replace: replace})
		return err
	})
	return r, err
}
