package s3backup

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Target is where Restore puts a backup.
type Target struct {
	Server Server
	// Replace allows databases of the same names that hold tables to be replaced. Zero refuses with ErrNotEmpty.
	Replace bool
	// KeepOld leaves the tables that were replaced beside the new ones, in the databases that Restored tells. Zero drops
	// them in the end.
	KeepOld bool
	// TrustDefiners accepts views, triggers, routines and events that run with rights beyond the restored databases though
	// neither the backup's manifest nor this server knows them so. Zero refuses them with ErrDefiner. Backups of before
	// manifests stated definers need it for those of root, on a server that does not have them.
	TrustDefiners bool
}

// Restored is what Restore did.
type Restored struct {
	Backup    Manifest
	Databases []string
	Rows      int64
	Took      time.Duration
	Old       map[string]string // by database, under which name the old one was kept
	Warnings  []string          // Find's, such as that a newer backup was passed over, and why
}

// Restore puts a backup's databases into a server. They are loaded under other names first, compared with the
// checksums that were taken in the backup's snapshot, and only then exchanged for the old ones, all tables in one
// statement. Until then, and after any error, the old ones are what is there. Killed at any point, nothing of them is
// lost: the next Restore puts back what the exchange had begun to take out, before it begins, and Backup refuses until
// then. The application should be stopped meanwhile: what it wrote since the backup is gone afterwards.
//
// Its errors: ErrNoBackup, ErrNotEmpty, ErrLocked, ErrWrongKey, ErrOtherSite, ErrCorrupt, ErrTruncated, ErrMismatch,
// ErrScript, ErrDefiner, ErrDiskFull, ErrStoreDown, ErrServerDown.
func (s Store) Restore(ctx context.Context, which Select, to Target) (Restored, error) {
	begin := time.Now()
	entry, err := s.Find(ctx, which)
	if err != nil {
		return Restored{}, err
	}
	m := entry.Manifest
	release, err := s.lock(ctx, "")
	if err != nil {
		return Restored{}, err
	}
	defer release()
	session, err := to.Server.restoring(ctx)
	if err != nil {
		return Restored{}, err
	}
	s.emit(Note{Text: fmt.Sprintf("restore of backup %s, taken %s", m.ID, m.Started.Format(time.RFC3339))})
	for _, l := range m.Left {
		s.emit(Note{Warning: true, Text: l.String()})
	}
	r := restore{store: s, session: session, manifest: m, to: to}
	if err := r.run(ctx); err != nil {
		return Restored{}, err
	}
	done := Restored{Backup: m, Databases: m.Databases, Rows: m.Rows(), Took: time.Since(begin), Warnings: entry.Warnings}
	if to.KeepOld {
		done.Old = r.old
	}
	s.emit(Note{Text: fmt.Sprintf("restored backup %s: %d tables, %d rows in %s", m.ID, len(m.Tables), done.Rows, done.Took.Round(10*time.Millisecond))})
	return done, nil
}

type restore struct {
	store    Store
	session  *session
	manifest Manifest
	to       Target
	fresh    map[string]string // by the database's own name
	old      map[string]string
	account  *account // that loads
}

// run does the work and clears up after it. It closes the session.
func (r *restore) run(ctx context.Context) error {
	err := r.recover(ctx)
	if err == nil {
		err = r.work(ctx)
	}
	_ = r.session.Close()
	// ctx may be what ended the work; clearing up gets a chance of its own.
	clear, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWait+time.Minute)
	defer cancel()
	clearErr := r.clearUp(clear)
	switch {
	case err != nil && clearErr != nil:
		return fmt.Errorf("%w; clear up: %w; nothing is lost, and the next restore puts the databases back as they were", err, clearErr)
	case err != nil:
		return fmt.Errorf("%w; the databases are as they were", err)
	case clearErr != nil:
		r.store.emit(Note{Warning: true, Text: "clear up after the restore: " + clearErr.Error() + "; the next restore does it"})
	}
	return nil
}

// work loads, compares and exchanges.
func (r *restore) work(ctx context.Context) error {
	if err := r.guard(ctx); err != nil {
		return err
	}
	if err := r.room(ctx); err != nil {
		return err
	}
	enforced, err := r.session.enforcedEngine(ctx, nil)
	if err == nil && len(enforced) > 0 {
		err = fmt.Errorf("s3backup: restore %s: %s", r.manifest.ID, enforced[0])
	}
	if err != nil {
		return err
	}
	if err := r.session.checkGrants(ctx, r.manifest.Databases); err != nil {
		return err
	}
	r.giveNames(newSuffix())
	account, err := r.session.newAccount(ctx, r.to.Server, slices.Collect(maps.Values(r.fresh)), r.store.emit)
	if err != nil {
		return err
	}
	session, err := r.session.roomy(ctx, roomFor(r.manifest), account.open)
	if err != nil {
		return err
	}
	loader := &loader{session: session, fresh: r.fresh}
	err = r.store.load(ctx, r.manifest, loader, "restore")
	_ = session.Close() // and with it go the locks that a script left in its middle holds
	if err == nil && !r.to.TrustDefiners {
		err = r.session.checkDefiners(ctx, r.manifest, loader.later)
	}
	if err != nil {
		return err
	}
	r.account = account
	if err := r.compareTables(ctx); err != nil {
		return err
	}
	if err := r.checkOutside(ctx); err != nil {
		return err
	}
	return r.swap(ctx, loader.later)
}

// giveNames says under which names the databases are loaded, and what is there now goes.
func (r *restore) giveNames(suffix string) {
	r.fresh, r.old = map[string]string{}, map[string]string{}
	for _, name := range r.manifest.Databases {
		r.fresh[name], r.old[name] = temporary("new", name, suffix), temporary("old", name, suffix)
		if r.to.KeepOld {
			r.old[name] = keptName(name, suffix)
		}
	}
}

// guard refuses to replace what nobody allowed to be replaced.
func (r *restore) guard(ctx context.Context) error {
	if r.to.Replace {
		return nil
	}
	for _, name := range r.manifest.Databases {
		tables, err := one(ctx, r.session, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+quoteText(name), 0)
		if err != nil {
			return fmt.Errorf("s3backup: restore: look at database %q: %w", name, err)
		}
		if tables != "0" {
			return fmt.Errorf("s3backup: restore: %w: %q holds %s tables; allow it to be replaced if that is meant", ErrNotEmpty, name, tables)
		}
	}
	return nil
}

// room looks whether the server's disk takes the backup beside what is there, as far as its disk is this machine's.
func (r *restore) room(ctx context.Context) error {
	network, _ := r.to.Server.network()
	dir, err := one(ctx, r.session, "SELECT @@datadir", 0)
	if err != nil {
		return fmt.Errorf("s3backup: restore: %w", err)
	}
	if _, statErr := os.Stat(dir); network != "unix" || statErr != nil {
		return nil
	}
	need := r.manifest.Content.Bytes + r.manifest.Content.Bytes/2
	if err := checkSpace(dir, need); err != nil {
		return fmt.Errorf("s3backup: restore %s: %w", r.manifest.ID, err)
	}
	return nil
}

// compareTables measures what was loaded into the fresh databases against the manifest.
func (r *restore) compareTables(ctx context.Context) error {
	m := r.manifest
	if len(m.Tables) == 0 {
		r.store.emit(Note{Warning: true, Text: "backup " + m.ID + " holds no checksums; nothing was compared"})
		return nil
	}
	if err := r.checkHistory(); err != nil {
		return err
	}
	// The two flavors, and major versions, compute CHECKSUM TABLE differently.
	if major(m.Server) != major(r.session.origin) {
		r.store.emit(Note{Warning: true, Text: fmt.Sprintf("backup %s is from %s, this is %s: checksums are not comparable", m.ID, major(m.Server), major(r.session.origin))})
		return nil
	}
	got, err := scope{databases: m.Databases, at: r.fresh}.measure(ctx, r.session)
	if err != nil {
		return err
	}
	want := measurement{tables: m.Tables} // what else there is comes only after the exchange
	if wrong := differences(want, got, m.Server.Version == r.session.origin.Version); len(wrong) > 0 {
		return fmt.Errorf("s3backup: restore %s: %w: %s", m.ID, ErrMismatch, strings.Join(wrong, "; "))
	}
	return nil
}

// checkHistory refuses a server that takes the present rows of a table with a history for earlier ones: the end of time
// is another one from MariaDB 11.5 on.
func (r *restore) checkHistory() error {
	from, to := r.manifest.Server, r.session.origin
	for _, t := range r.manifest.Tables {
		if t.History && longTime(from) != longTime(to) {
			return fmt.Errorf("s3backup: restore %s: table %s.%s has a history from %s, and %s would take its present rows for earlier ones; restore into %s, and upgrade that",
				r.manifest.ID, t.Database, t.Name, major(from), major(to), major(from))
		}
	}
	return nil
}

// longTime reports a server whose timestamps go beyond 2038.
func longTime(o Origin) bool {
	var version, release int
	_, err := fmt.Sscanf(o.Version, "%d.%d", &version, &release)
	return err == nil && o.Flavor == "mariadb" && (version > 11 || version == 11 && release >= 5)
}

func major(o Origin) string {
	parts := strings.SplitN(o.Version, ".", 3)
	return o.Flavor + " " + strings.Join(parts[:min(2, len(parts))], ".")
}

// clearUp drops what is left of the work, in a session of its own.
func (r *restore) clearUp(ctx context.Context) error {
	session, err := r.to.Server.restoring(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	again := *r
	again.session = session
	return again.recover(ctx)
}

// recover puts back what an exchange had begun to take out, and drops what restores have left of these databases.
func (r *restore) recover(ctx context.Context) error {
	if err := r.session.dropAccounts(ctx); err != nil {
		return err
	}
	if err := r.session.narrow(ctx, r.store.emit); err != nil {
		return err
	}
	undone, err := r.putBack(ctx)
	if err != nil {
		return err
	}
	if err := r.session.mendKeys(ctx, r.manifest.Databases, r.store.emit); err != nil {
		return err
	}
	return r.dropLeft(ctx, undone)
}

// left lists the databases that restores have left of these.
func (r *restore) left(ctx context.Context) ([]string, error) {
	rows, err := r.session.query(ctx, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
	if err != nil {
		return nil, fmt.Errorf("s3backup: restore: list databases: %w", err)
	}
	var names []string
	for _, row := range rows {
		if _, kind := leftOf(row[0], r.owned()); kind != "" {
			names = append(names, row[0])
		}
	}
	return names, nil
}

// owned are the databases for which a restore makes others: those of the manifest, and noDatabase.
func (r *restore) owned() []string { return append(slices.Clone(r.manifest.Databases), noDatabase) }

// putBack undoes what exchanges had begun, and names the databases from which it took the old tables.
func (r *restore) putBack(ctx context.Context) (undone []string, err error) {
	names, err := r.left(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		database, _ := leftOf(name, r.owned())
		done, err := r.session.putBack(ctx, database, name, r.store.emit)
		if err != nil {
			return nil, err
		}
		if done {
			undone = append(undone, name)
		}
	}
	return undone, nil
}

// dropLeft drops what restores have left of these databases, but for what is to be kept.
func (r *restore) dropLeft(ctx context.Context, undone []string) error {
	names, err := r.left(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, kind := leftOf(name, r.owned()); kind == "kept" && !slices.Contains(undone, name) {
			continue
		}
		if err := r.session.exec(ctx, "DROP DATABASE "+quoteName(name)); err != nil {
			return fmt.Errorf("s3backup: restore: drop %q, left by a restore: %w", name, err)
		}
	}
	return nil
}
