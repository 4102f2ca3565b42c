package s3backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"
)

// Store is where one site's backups are, and the rules that hold for them. All verbs are its methods; they return
// values, print nothing and keep nothing in memory between calls.
type Store struct {
	S3     S3     // required; *s3.Client serves
	Bucket string // required

	// Prefix comes before everything in the bucket: "" or a path that ends in "/". Backups of a site lie under
	// Prefix + Site + "/backups/".
	Prefix string
	// Site is whose backups these are, [a-z0-9][a-z0-9.-]{0,62}. A backup of another site is refused.
	Site string

	// Recipients are the age keys to which backups are encrypted. None leaves them as the bucket keeps them.
	Recipients []age.Recipient
	// Identities decrypt, for Restore and Verify. A server that only makes backups needs none, and then cannot read them.
	Identities []age.Identity

	// Keep says what Prune leaves. The zero value deletes nothing.
	Keep Retention
	// Retain is how long the store itself keeps what a backup consists of, from when it was written: by its object lock, in
	// governance mode. It holds against whoever has the credentials that backups are made with (s3:PutObject and
	// s3:PutObjectRetention); Prune goes past it with s3:BypassGovernanceRetention. A bucket that was made without object
	// lock takes the backup, with a warning. Zero asks for nothing. On Amazon's S3 see "Who may delete" above.
	Retain time.Duration
	// Every is how often backups are meant to be made, for Status. Zero is 10 minutes.
	Every time.Duration
	// ShrinkLimit refuses a backup whose content lost more than this share against the one before it, between 0 and 1.
	// Zero is 0.5: half of the bytes gone is taken for an accident. 1 accepts everything.
	ShrinkLimit float64
	// LockFile keeps two runs on one machine apart. Zero is a file in the machine's temporary directory.
	LockFile string
	// LockWait is how long a verb waits for another run on this machine. Zero refuses at once, with ErrLocked.
	LockWait time.Duration

	Log    *slog.Logger // nil is silent
	Events func(Event)  // of one verb never two at a time; nil drops them
}

var siteName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// Validate reports every mistake at once.
func (s Store) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf("s3backup: store: "+format, args...)) }
	if s.S3 == nil {
		refuse("no S3 client")
	}
	if s.Bucket == "" {
		refuse("no bucket")
	}
	if !siteName.MatchString(s.Site) {
		refuse("site %q is not [a-z0-9][a-z0-9.-]{0,62}", s.Site)
	}
	if s.Prefix != "" && !strings.HasSuffix(s.Prefix, "/") {
		refuse("prefix %q does not end in /", s.Prefix)
	}
	if s.ShrinkLimit < 0 || s.ShrinkLimit > 1 {
		refuse("shrink limit %v is not within 0 and 1", s.ShrinkLimit)
	}
	if s.Retain < 0 {
		refuse("retain %s is negative", s.Retain)
	}
	if s.Every < 0 {
		refuse("interval %s is negative", s.Every)
	}
	return errors.Join(append(errs, s.Keep.Validate())...)
}

func (s Store) base() string { return s.Prefix + s.Site + "/backups/" }

func (s Store) key(id, name string) string { return s.base() + id + "/" + name }

func (s Store) every() time.Duration {
	if s.Every == 0 {
		return 10 * time.Minute
	}
	return s.Every
}

func (s Store) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log.With("site", s.Site)
}

func (s Store) emit(e Event) {
	if s.Events != nil {
		s.Events(e)
	}
	if _, progress := e.(Progress); !progress {
		s.log().Info(e.String())
	}
}

func (s Store) lockFile() string {
	if s.LockFile != "" {
		return s.LockFile
	}
	return filepath.Join(os.TempDir(), "s3backup-"+s.Site+".lock")
}

const idTime = "20060102T150405.000Z"

var idText = regexp.MustCompile(`^\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}$`)

// newID names a backup by its time, so that names sort as times do, and by the machine, so that a machine that
// holds its lock may sweep what an earlier run of its own left.
func (s Store) newID(at time.Time) string { return at.UTC().Format(idTime) + "-" + s.machine() }

func (s Store) machine() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	sum := sha256.Sum256([]byte(host + "\x00" + s.lockFile()))
	return hex.EncodeToString(sum[:3])
}

func idMachine(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

func idAt(id string) (time.Time, error) {
	if !idText.MatchString(id) {
		return time.Time{}, fmt.Errorf("s3backup: %q is not the name of a backup", id)
	}
	return time.Parse(idTime, id[:strings.LastIndexByte(id, '-')])
}
