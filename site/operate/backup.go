package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
)

// BackupStore gives the site's backups as package s3backup has them: to list, open, find or plan by its own verbs.
func (o Operator) BackupStore(ctx context.Context) (s3backup.Store, error) {
	s, err := o.open(ctx)
	if err != nil {
		return s3backup.Store{}, err
	}
	return s.backupStore(ctx)
}

func (s *session) backupStore(ctx context.Context) (s3backup.Store, error) {
	sec, found, err := s.secrets(ctx)
	if err != nil {
		return s3backup.Store{}, err
	}
	if !found {
		return s3backup.Store{}, fmt.Errorf("site: %q has no secrets in its bucket, and so no backups; run up", s.Site.Name)
	}
	store, err := s.Site.BackupStore(s.bucket.s3, s.bucket.Bucket, sec.BackupKey)
	store.Events = func(e s3backup.Event) { s.emit(backupEvent("", e)) }
	return store, err
}

func backupEvent(server string, e s3backup.Event) site.Event {
	return site.Event{Time: time.Now(), Server: server, Step: e.String(), State: site.StepProgress}
}

// Backups lists the site's backups, oldest first.
func (o Operator) Backups(ctx context.Context) ([]s3backup.Entry, error) {
	store, err := o.BackupStore(ctx)
	if err != nil {
		return nil, err
	}
	return store.List(ctx)
}

// PruneOptions say what PruneBackups does. The zero value deletes nothing.
type PruneOptions struct {
	Delete bool // what the decisions do not keep is deleted
}

// PruneBackups says which backups Site.Backup.Keep does not keep, and why, and deletes them where it is told to. Servers
// may not delete: it is the operator's.
func (o Operator) PruneBackups(ctx context.Context, opts PruneOptions) (all []s3backup.Decision, err error) {
	if !opts.Delete {
		store, err := o.BackupStore(ctx)
		if err != nil {
			return nil, err
		}
		return store.Plan(ctx)
	}
	_, err = o.locked(ctx, o.open, "backup prune", func(ctx context.Context, s *session) error {
		store, err := s.backupStore(ctx)
		if err == nil {
			all, err = store.Prune(ctx)
		}
		return err
	})
	return all, err
}

// ErrNoData is returned by BackupNow for a database without any table.
var ErrNoData = errors.New("the database has no table: there is nothing to back up")

// BackupOptions say what BackupNow accepts. The zero value is what the timer does.
type BackupOptions struct {
	Shrink bool // the data may have lost more than half of its size since the last backup
}

// BackupNow makes a backup between those of the timer.
func (o Operator) BackupNow(ctx context.Context, opts BackupOptions) (s3backup.Manifest, error) {
	m, err := onDatabase[s3backup.Manifest](ctx, o, agent.Request{Verb: agent.VerbBackup, Shrink: opts.Shrink})
	if err == nil && m.ID == "" {
		err = fmt.Errorf("site: backup now: %w", ErrNoData)
	}
	return m, err
}

// VerifyBackup restores a backup, "" for the newest, into a scratch server beside the database and compares it. A bad
// backup is a verdict and an error.
func (o Operator) VerifyBackup(ctx context.Context, id string) (s3backup.Verdict, error) {
	return onDatabase[s3backup.Verdict](ctx, o, agent.Request{Verb: agent.VerbVerify, Backup: id})
}

// onDatabase asks the agent of the database's server, once it is up to date.
func onDatabase[A any](ctx context.Context, o Operator, r agent.Request) (answer A, err error) {
	s, err := o.refreshed(ctx, site.RoleDB, string(r.Verb))
	if err != nil {
		return answer, err
	}
	defer s.close()
	return ask[A](ctx, o, s.hosts[s.with(site.RoleDB)[0].Name], r)
}

// BackupStatus is how the site's backups stand.
type BackupStatus struct {
	Last        time.Time `json:"last"`         // when the newest that can be used was begun; zero where there is none
	AgeSeconds  int64     `json:"age_seconds"`  // since then, by the bucket's clock
	TookSeconds float64   `json:"took_seconds"` // that Last took
	Verified    time.Time `json:"verified"`     // when the newest that was restored and compared was begun; zero where none was
	Count       int       `json:"count"`
	Bytes       int64     `json:"bytes"`              // that all of them take
	Prunable    int       `json:"prunable"`           // of them fit no rule of Site.Backup.Keep
	Warnings    []string  `json:"warnings,omitempty"` // such as "the last backup is 20m0s old: …"
}

func (s *session) backupStatus(ctx context.Context, sec site.Secrets) (*BackupStatus, error) {
	store, err := s.Site.BackupStore(s.bucket.s3, s.bucket.Bucket, sec.BackupKey)
	if err != nil {
		return nil, err
	}
	st, err := store.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &BackupStatus{AgeSeconds: int64(st.Age.Seconds()), TookSeconds: st.Took.Seconds(), Count: st.Count, Bytes: st.Bytes, Prunable: st.Prunable, Warnings: st.Warnings}
	if st.Last != nil {
		out.Last = st.Last.Manifest.Started
	}
	if st.Verified != nil {
		out.Verified = st.Verified.Manifest.Started
	}
	return out, nil
}
