package s3backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Options change one run of Backup.
type Options struct {
	// Shrink accepts a content that lost more than Store.ShrinkLimit: somebody deleted much and knows it.
	Shrink bool
}

// clockLimit is how far this machine's clock may be from the store's. S3 itself refuses a quarter of an hour.
const clockLimit = 5 * time.Minute

// Backup makes one backup and returns its manifest. Its errors: ErrLocked, ErrClock, ErrShrank, ErrTruncated,
// ErrBucketFull, or whatever source or store said. After an error there is no new backup, and those that were there
// are as they were. What earlier runs of this machine left unfinished is swept first.
func (s Store) Backup(ctx context.Context, source Source, o Options) (Manifest, error) {
	if err := s.Validate(); err != nil {
		return Manifest{}, err
	}
	release, err := s.lock(ctx, "")
	if err != nil {
		return Manifest{}, err
	}
	defer release()
	entries, objects, clock, err := s.inventory(ctx)
	if err != nil {
		return Manifest{}, err
	}
	started := time.Now().UTC()
	if err := s.checkClock(started, clock, entries); err != nil {
		return Manifest{}, err
	}
	if err := s.sweep(ctx, objects, entries, clock); err != nil {
		s.emit(Note{Warning: true, Text: "sweep: " + err.Error()})
	}
	m := s.begin(started)
	previous := lastGood(entries)
	if err := s.copy(ctx, source, &m, func(m Manifest) error { return s.checkShrink(m, previous, o) }); err != nil {
		return Manifest{}, err
	}
	m.Finished = time.Now().UTC().Truncate(time.Millisecond)
	text, err := m.encode()
	if err != nil {
		return Manifest{}, err
	}
	if err := s.create(ctx, s.key(m.ID, manifestName), text); err != nil {
		return Manifest{}, err
	}
	s.tell(m)
	return m, nil
}

// begin gives what a manifest says before anything is copied.
func (s Store) begin(started time.Time) Manifest {
	m := Manifest{Format: Format, Site: s.Site, ID: s.newID(started), Started: started.Truncate(time.Millisecond), Compression: "zstd"}
	for _, recipient := range s.Recipients {
		m.Encryption = "age"
		if name, ok := recipient.(fmt.Stringer); ok {
			m.Recipients = append(m.Recipients, name.String())
		}
	}
	m.Object.Name = "dump.sql.zst"
	if m.Encryption != "" {
		m.Object.Name += ".age"
	}
	return m
}

// tell says what a new backup is, and what is odd about it.
func (s Store) tell(m Manifest) {
	for _, l := range m.Left {
		s.emit(Note{Warning: true, Text: l.String()})
	}
	for _, warning := range m.Warnings {
		s.emit(Note{Warning: true, Text: warning})
	}
	s.emit(Note{Text: fmt.Sprintf("backup %s: %s of %d databases in %s, %s stored", m.ID, Size(m.Content.Bytes), len(m.Databases),
		m.Finished.Sub(m.Started).Round(10*time.Millisecond), Size(m.Object.Bytes))})
}

// checkClock refuses a time that would put the backup into the wrong place of the list, where retention and "the
// newest before a time" go by it. By the store's clock it is at most minutes off: then a backup that is later still is no
// reason to make none, for whoever has a server's credentials can add such ones again and again.
func (s Store) checkClock(now, store time.Time, entries []Entry) error {
	if off := now.Sub(store); !store.IsZero() && off.Abs() > clockLimit {
		return fmt.Errorf("s3backup: %w: this machine's is %s off against the store's; set it (timedatectl) and try again",
			ErrClock, off.Round(time.Second))
	}
	for _, e := range slices.Backward(entries) {
		switch {
		case e.Problem != nil || now.After(e.At):
		case store.IsZero():
			return fmt.Errorf("s3backup: %w: it is %s, but backup %s is later", ErrClock, now.Format(time.RFC3339), e.ID)
		default:
			s.emit(Note{Warning: true, Text: fmt.Sprintf("it is %s, but backup %s is later: this machine's clock went back, or somebody added that backup", now.Format(time.RFC3339), e.ID)})
			return nil
		}
	}
	return nil
}

// copy runs the pipeline: source → zstd → age → chunks → store. check sees what was written before the object is
// made to exist.
func (s Store) copy(ctx context.Context, source Source, m *Manifest, check func(Manifest) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read, write := io.Pipe()
	made := make(chan error, 1)
	go func() {
		err := s.produce(ctx, source, m, write)
		if err == nil {
			err = check(*m)
		}
		made <- err
		// The uploader takes this for the end of the content, or ends the upload with it.
		_ = write.CloseWithError(err)
	}()
	upload := uploader{store: s, key: s.key(m.ID, m.Object.Name)}
	object, err := upload.run(ctx, read)
	select {
	case madeErr := <-made: // it came first, so it is the cause
		if madeErr != nil {
			err = madeErr
		}
	default:
		cancel()
		_ = read.CloseWithError(io.ErrClosedPipe)
		<-made
	}
	if err != nil {
		upload.abort(ctx)
		return err
	}
	object.Name = m.Object.Name
	m.Object = object
	return nil
}

func (s Store) produce(ctx context.Context, source Source, m *Manifest, w io.Writer) error {
	var sealed io.WriteCloser
	if len(s.Recipients) > 0 {
		var err error
		if sealed, err = age.Encrypt(w, s.Recipients...); err != nil {
			return fmt.Errorf("s3backup: encrypt: %w", err)
		}
		w = sealed
	}
	encoder, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return fmt.Errorf("s3backup: compress: %w", err)
	}
	meter := newMeter("dump", 0, s.emit)
	facts, err := source.Copy(ctx, io.MultiWriter(encoder, meter))
	if err != nil {
		return errors.Join(err, encoder.Close())
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	if sealed != nil {
		if err := sealed.Close(); err != nil {
			return err
		}
	}
	meter.finish()
	m.Kind, m.Tool, m.Server, m.Databases, m.Position = facts.Kind, facts.Tool+"; "+version(), facts.Server, facts.Databases, facts.Position
	m.Tables, m.Objects, m.Left, m.Warnings = facts.Tables, facts.Objects, facts.Left, facts.Warnings
	m.Content = Content{Bytes: meter.done, Longest: facts.Longest}
	m.Definers = facts.Definers
	return nil
}

func (s Store) checkShrink(m Manifest, previous *Entry, o Options) error {
	if m.Content.Bytes == 0 {
		return fmt.Errorf("s3backup: %w: the source wrote nothing", ErrTruncated)
	}
	if previous == nil || o.Shrink {
		return nil
	}
	limit := s.ShrinkLimit
	if limit == 0 {
		limit = 0.5
	}
	before := previous.Manifest.Content.Bytes
	if lost := 1 - float64(m.Content.Bytes)/float64(before); lost > limit {
		return fmt.Errorf("s3backup: %w: %s, backup %s had %s: %.0f %% less, and more than %.0f %% is refused; allow it once if it is meant",
			ErrShrank, Size(m.Content.Bytes), previous.ID, Size(before), 100*lost, 100*limit)
	}
	return nil
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return "siteblocks/s3backup " + info.Main.Version
	}
	return "siteblocks/s3backup"
}
