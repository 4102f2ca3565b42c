package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/mysqlrepl"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site/provision"
)

// Backup says how often the site's data goes into its bucket, and how long it stays there. Backups are encrypted with
// a key of the site's own. The newest is restored into a scratch server and compared every night at 03:20.
type Backup struct {
	// Every is a whole number of minutes that divides an hour, or of hours that divides a day. Zero: 10 minutes.
	Every time.Duration

	// Keep says what PruneBackups leaves. Zero: all of the last day, then 48 hourly, 14 daily, 8 weekly and 12 monthly ones.
	Keep s3backup.Retention
}

const (
	backupRetain = 400 * 24 * time.Hour // no server writes over a backup for so long
	backupPrefix = "servers/"           // of the bucket: where servers may write
	backupLock   = "/run/siteblocks-backup.lock"
	// restoringFlag is there from the moment when a restore stops the application until it runs again.
	restoringFlag = "/etc/siteblocks/restoring"
	backupUnit    = "siteblocks-backup"
	verifyUnit    = "siteblocks-verify"
	scratchDir    = "/var/tmp" // of the unit's own: see s3backup.Schedule
)

func (b Backup) withDefaults() Backup {
	b.Every = cmp.Or(b.Every, 10*time.Minute)
	if b.Keep == (s3backup.Retention{}) {
		b.Keep = s3backup.Retention{Within: 24 * time.Hour, Hourly: 48, Daily: 14, Weekly: 8, Monthly: 12}
	}
	return b
}

// schedules are what runs on the database server by itself.
func (s Site) schedules() []s3backup.Schedule {
	return []s3backup.Schedule{
		{
			Name: backupUnit, About: s.Name + ": backup of the database", Command: []string{agentPath, "agent", "-log", "backup"},
			Every: s.Backup.withDefaults().Every, Timeout: time.Hour,
		},
		{
			Name: verifyUnit, About: s.Name + ": restore of the newest backup into a scratch server", Command: []string{agentPath, "agent", "-log", "verify"},
			Every: 24 * time.Hour, At: 3*time.Hour + 20*time.Minute,
		},
	}
}

func (v *validation) backup(s Site) {
	for _, schedule := range s.schedules() {
		if err := schedule.Validate(); err != nil {
			v.check(false, "Backup.Every", s.Backup.Every, "does not divide an hour in minutes or a day in hours")
		}
	}
	if err := s.Backup.Keep.Validate(); err != nil {
		v.errs = append(v.errs, fmt.Errorf("site: Backup.Keep: %w", err))
	}
}

// backupSteps are the timers of the database server.
func (s Site) backupSteps() []provision.Step {
	var steps []provision.Step
	for _, schedule := range s.schedules() {
		service := path.Join("/etc/systemd/system", schedule.Name+".service")
		timer := path.Join("/etc/systemd/system", schedule.Name+".timer")
		steps = append(steps,
			provision.File{Path: service, Content: schedule.Service()},
			provision.File{Path: timer, Content: schedule.Timer()},
			provision.Unit{Name: schedule.Name + ".timer", RestartOn: []string{timer}})
	}
	return steps
}

// backupStore is where the site's backups lie.
func (s Site) backupStore(client *s3.Client, bucket string, key Secret) (s3backup.Store, error) {
	b := s.Backup.withDefaults()
	identity, err := age.ParseX25519Identity(string(key))
	if err != nil {
		return s3backup.Store{}, errors.New("site: the key of the backups cannot be read") // the cause would print it
	}
	return s3backup.Store{
		S3: client, Bucket: bucket, Prefix: backupPrefix, Site: s.Name, Keep: b.Keep, Every: b.Every, Retain: backupRetain,
		Recipients: []age.Recipient{identity.Recipient()}, Identities: []age.Identity{identity},
	}, nil
}

// BackupStore gives the site's backups as package s3backup has them: to list, open, find or plan by its own verbs.
func (o Operator) BackupStore(ctx context.Context) (s3backup.Store, error) {
	b, err := o.bucket(ctx)
	if err != nil {
		return s3backup.Store{}, err
	}
	return o.backupStore(ctx, b)
}

func (o Operator) backupStore(ctx context.Context, b bucket) (s3backup.Store, error) {
	sec, found, err := loadSecrets(ctx, b.s3, b.Bucket)
	if err != nil {
		return s3backup.Store{}, err
	}
	if !found {
		return s3backup.Store{}, fmt.Errorf("site: %q has no secrets in its bucket, and so no backups; run up", o.Site.Name)
	}
	store, err := o.Site.backupStore(b.s3, b.Bucket, sec.BackupKey)
	store.Events = func(e s3backup.Event) { o.emit(backupEvent("", e)) }
	return store, err
}

func backupEvent(server string, e s3backup.Event) Event {
	return Event{Time: time.Now(), Server: server, Step: e.String(), State: StepProgress}
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
	err = o.locked(ctx, "backup prune", func(ctx context.Context, b bucket) error {
		store, err := o.backupStore(ctx, b)
		if err == nil {
			all, err = store.Prune(ctx)
		}
		return err
	})
	return all, err
}

// ErrNoData is returned by BackupNow for a database without any table.
var ErrNoData = errors.New("the database has no table: there is nothing to back up")

// BackupNow makes a backup between those of the timer. With shrink it is made although the data lost more than half
// of its size.
func (o Operator) BackupNow(ctx context.Context, shrink bool) (s3backup.Manifest, error) {
	var m s3backup.Manifest
	words := []string{"backup"}
	if shrink {
		words = append(words, "shrink")
	}
	err := o.onDatabase(ctx, &m, words...)
	if err == nil && m.ID == "" {
		err = fmt.Errorf("site: backup now: %w", ErrNoData)
	}
	return m, err
}

// VerifyBackup restores a backup, "" for the newest, into a scratch server beside the database and compares it. A bad
// backup is a verdict and an error.
func (o Operator) VerifyBackup(ctx context.Context, id string) (s3backup.Verdict, error) {
	var v s3backup.Verdict
	err := o.onDatabase(ctx, &v, "verify", id)
	return v, err
}

// onDatabase runs a verb of the agent on the database's server, with an agent that is up to date.
func (o Operator) onDatabase(ctx context.Context, answer any, words ...string) error {
	l, err := o.refreshed(ctx, RoleDB, words[0])
	if err != nil {
		return err
	}
	defer l.close()
	return o.agent(ctx, l.hosts[l.in.Servers[0].Name], answer, words...)
}

func (a Agent) backupStore() (s3backup.Store, error) {
	store, err := a.Site.backupStore(a.client(), a.Config.Bucket, Secret(a.Config.BackupKey))
	store.LockFile, store.LockWait = backupLock, 5*time.Minute
	store.Events = func(e s3backup.Event) {
		if a.Events != nil {
			a.Events(backupEvent(a.Config.Server, e))
		}
	}
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
		m, err = store.Backup(ctx, s3backup.Dump{Server: a.database(), Databases: []string{a.Site.database()}}, s3backup.Options{Shrink: shrink})
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
		v, err = store.Verify(ctx, s3backup.Select{ID: id}, s3backup.Scratch{Dir: scratchDir})
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
	if d.Unfinished, err = a.database().Unfinished(ctx, a.Site.database()); err != nil {
		return d, err
	}
	db, err := mysqlrepl.Open(ctx, sshx.Local{}.Dial, mysqlrepl.Address{Socket: a.Site.engine().Socket}, mysqlrepl.Login{User: "root"})
	if err != nil {
		return d, err
	}
	defer db.Close()
	var tables int
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", a.Site.database()).Scan(&tables)
	if err != nil {
		return d, fmt.Errorf("site: look at database %q: %w", a.Site.database(), err)
	}
	_, err = os.Stat(restoringFlag)
	d.Empty, d.Restoring = tables == 0, err == nil
	return d, nil
}

func (a Agent) database() s3backup.Server { return s3backup.Server{Socket: a.Site.engine().Socket} }

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

func (o Operator) backupStatus(ctx context.Context, b bucket, sec Secrets) (*BackupStatus, error) {
	store, err := o.Site.backupStore(b.s3, b.Bucket, sec.BackupKey)
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
