package site

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site/internal/layout"
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

// backupRetain is for how long no server writes over a backup.
const backupRetain = 400 * 24 * time.Hour

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
			Name: layout.BackupUnit, About: s.Name + ": backup of the database", Command: []string{layout.Agent, "agent", "-log", "backup"},
			Every: s.Backup.withDefaults().Every, Timeout: time.Hour,
		},
		{
			Name: layout.VerifyUnit, About: s.Name + ": restore of the newest backup into a scratch server", Command: []string{layout.Agent, "agent", "-log", "verify"},
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

// BackupStore is where the site's backups lie.
func (s Site) BackupStore(client *s3.Client, bucket string, key Secret) (s3backup.Store, error) {
	b := s.Backup.withDefaults()
	identity, err := age.ParseX25519Identity(string(key))
	if err != nil {
		return s3backup.Store{}, errors.New("site: the key of the backups cannot be read") // the cause would print it
	}
	return s3backup.Store{
		S3: client, Bucket: bucket, Prefix: layout.Servers, Site: s.Name, Keep: b.Keep, Every: b.Every, Retain: backupRetain,
		Recipients: []age.Recipient{identity.Recipient()}, Identities: []age.Identity{identity},
	}, nil
}

// NotBackedUp are the folders of App.LinkedDirs in which an application keeps what people upload: all but those for
// logs, temporary files and cached pages. They are on the server alone, in no backup.
func (s Site) NotBackedUp() []string {
	passing := []string{"log", "tmp", path.Join("public", s.Web.withDefaults().PageCache)}
	return slices.DeleteFunc(slices.Clone(s.App.LinkedDirs), func(dir string) bool {
		return slices.ContainsFunc(passing, func(p string) bool { return dir == p || strings.HasPrefix(dir, p+"/") })
	})
}
