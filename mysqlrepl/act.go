package mysqlrepl

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// The database mysqlrepl holds two tables of one row. epoch is each server's own and never replicated: the highest
// epoch that it was told of. heartbeat is written on the source and replicated.
var ownTables = []string{
	"CREATE DATABASE IF NOT EXISTS mysqlrepl",
	"CREATE TABLE IF NOT EXISTS mysqlrepl.epoch (id INT PRIMARY KEY, number BIGINT UNSIGNED NOT NULL) ENGINE = InnoDB",
	"CREATE TABLE IF NOT EXISTS mysqlrepl.heartbeat (id INT PRIMARY KEY, epoch BIGINT UNSIGNED NOT NULL, at DATETIME(6) NOT NULL) ENGINE = InnoDB",
}

const (
	roleLock = "mysqlrepl.role"
	// lockTimeout is longer than anything that a caller does at a stretch while it holds the lock.
	lockTimeout = drainTimeout + 5*time.Second
	pollPeriod  = 5 * time.Millisecond
)

// SupersededError says that a server knows of a later epoch than its caller's.
type SupersededError struct {
	Server      string
	Told, Acted uint64 // the epoch that the server was told of, and the caller's
}

func (e *SupersededError) Error() string {
	return fmt.Sprintf("mysqlrepl: %q was told of epoch %d, and this is the work of epoch %d", e.Server, e.Told, e.Acted)
}

// act changes a server's role on behalf of an epoch. One caller at a time does, and none whose epoch is older than
// what the server was told; so a caller that stood still for an hour can do no harm.
func (s *session) act(ctx context.Context, epoch uint64, change func() error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	err := s.claim(ctx, epoch)
	if err == nil {
		err = change()
	}
	_, unlockErr := s.conn.ExecContext(ctx, "DO RELEASE_LOCK('"+roleLock+"')")
	if unlockErr != nil && err == nil {
		err = fmt.Errorf("mysqlrepl: unlock the role of %q: %w", s.name, unlockErr)
	}
	return err
}

// lock takes the named lock. Whoever holds it for too long has been killed or stands still, and is disconnected.
func (s *session) lock(ctx context.Context) error {
	for {
		var got, holder sql.NullInt64
		err := s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT GET_LOCK('%s', %d), IS_USED_LOCK('%[1]s')", roleLock, lockTimeout/time.Second)).Scan(&got, &holder)
		if err != nil {
			return fmt.Errorf("mysqlrepl: lock the role of %q: %w", s.name, err)
		}
		if got.Int64 == 1 {
			return nil
		}
		if holder.Valid {
			if err := s.do(ctx, "disconnect a caller that stands still", fmt.Sprintf("KILL CONNECTION %d", holder.Int64)); err != nil && !isServerError(err, errNoThread) {
				return err
			}
		}
	}
}

func (s *session) claim(ctx context.Context, epoch uint64) error {
	const raise = "INSERT INTO mysqlrepl.epoch (id, number) VALUES (1, %[1]d) ON DUPLICATE KEY UPDATE number = GREATEST(number, %[1]d)"
	statement := fmt.Sprintf(raise, epoch)
	err := s.d.unlogged(ctx, s, "record the epoch", statement)
	if isServerError(err, errNoDatabase, errNoTable) {
		err = s.d.unlogged(ctx, s, "record the epoch", append(ownTables[:len(ownTables):len(ownTables)], statement)...)
	}
	if err != nil {
		return err
	}
	row, err := s.row(ctx, "SELECT number FROM mysqlrepl.epoch WHERE id = 1")
	if err != nil {
		return err
	}
	if told := row.number("number"); told > epoch {
		return &SupersededError{Server: s.name, Told: told, Acted: epoch}
	}
	return nil
}

// applied waits until the server has executed a set. A replica whose applier stops on an error ends the wait.
func (s *session) applied(ctx context.Context, set GTIDs) error {
	return s.until(ctx, "apply "+set.String(), func(status *Status) (bool, error) {
		if status.Executed.Contains(set) {
			return true, nil
		}
		if r := status.Replica; r != nil && r.Applier.Number != 0 && r.Applier.State == ThreadStopped {
			return false, fmt.Errorf("mysqlrepl: apply %s on %q: the applier stopped: %s", set, s.name, r.Applier.Error)
		}
		return false, nil
	})
}

// until asks for the server's status until it is as wanted.
func (s *session) until(ctx context.Context, what string, wanted func(*Status) (bool, error)) error {
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		status, err := s.status(ctx)
		if err != nil {
			return err
		}
		if done, err := wanted(status); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("mysqlrepl: wait for %q to %s: it has %s: %w", s.name, what, status.Executed, ctx.Err())
		case <-ticker.C:
		}
	}
}

// endSessions disconnects everybody who may be writing. Who only reads the binary log stays.
func (s *session) endSessions(ctx context.Context, except string) error {
	var ids []uint64
	err := s.each(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND COMMAND NOT IN ('Binlog Dump', 'Binlog Dump GTID', 'Daemon', "+
		"'Slave_IO', 'Slave_SQL', 'Slave_worker') AND USER NOT IN ('system user', 'event_scheduler', ?)", func(f fieldsOf) error {
		ids = append(ids, f.number("ID"))
		return nil
	}, except)
	for _, id := range ids {
		if killed := s.do(ctx, "disconnect a session", fmt.Sprintf("KILL CONNECTION %d", id)); killed != nil && !isServerError(killed, errNoThread) {
			err = errors.Join(err, killed)
		}
	}
	return err
}
