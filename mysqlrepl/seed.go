package mysqlrepl

import (
	"context"
	"fmt"
)

// Seeder replaces what a server holds by a copy of another server's data. MariaDBBackup is one; a restore of a
// logical backup into an empty server is another.
type Seeder interface {
	// Seed returns which transactions the copy holds, in the server's own words: a MariaDB position such as
	// "0-1-4711", a MySQL set of GTIDs. The source may be written to meanwhile. When Seed returns, the server that was seeded
	// runs, follows nobody and knows Server.Login of both. A Seed that failed or was killed leaves nothing that could be taken
	// for a whole copy.
	Seed(ctx context.Context, from, to Server, progress func(SeedProgress)) (executed string, err error)
}

// SeedProgress is how far a seed has come.
type SeedProgress struct {
	Phase string // "copy", "prepare", "start"
	Bytes int64  // copied so far, as they travel
}

func (w *work) seed(ctx context.Context, source, replica Server, o SeedOptions) (string, error) {
	if err := w.holds(ctx); err != nil {
		return "", err
	}
	progress := o.Progress
	if progress == nil {
		progress = func(SeedProgress) {}
	}
	var last SeedProgress
	before, err := ReadStatus(ctx, source)
	if err != nil {
		return "", err
	}
	text, err := o.Seeder.Seed(ctx, source, replica, func(p SeedProgress) { last.Bytes = max(last.Bytes, p.Bytes); progress(p) })
	if err != nil {
		return "", err
	}
	executed, err := ParseGTIDs(before.Version.Flavor, text)
	if err != nil {
		return "", err
	}
	if err := w.await(ctx, replica); err != nil {
		return "", err
	}
	// What the source had before the copy began is in it; a position alone names only the latest of it.
	executed = executed.Union(before.Executed)
	err = w.act(ctx, replica, func(s *session) error { return s.d.adopt(ctx, s, executed) })
	return fmt.Sprintf("%d MiB, at %s", last.Bytes>>20, executed), err
}
