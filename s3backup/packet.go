package s3backup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// packetName is a table in a database of a restore's own. While it is there the server's max_allowed_packet is raised, and
// it says from what.
const packetName = "s3backup packet"

// noDatabase is what the database with that table is made for: it is the server's own business.
const noDatabase = ""

const (
	// mostPacket is the longest statement that a server takes.
	mostPacket = 1 << 30
	// mostRest is the rest of a packet, besides the statement.
	mostRest = 1 << 10
	// usualPacket is what the statements of a script need that go over several lines. Those that make tables and routines
	// do, and the manifest's longest line knows nothing of them. It is what MariaDB allows where nobody says otherwise.
	usualPacket = 16 << 20
)

// roomy opens a session that takes statements of so many bytes. A value takes twice its bytes in a script, and with the
// rest of its row may be more than the server takes in one statement; a session keeps the limit it was opened under, so
// that it is raised just for that moment. After a kill the next restore puts it back.
func (s *session) roomy(ctx context.Context, need int64, open func(context.Context) (*session, error)) (*session, error) {
	limit, err := one(ctx, s, "SELECT @@GLOBAL.max_allowed_packet", 0)
	if err != nil {
		return nil, fmt.Errorf("s3backup: restore: %w", err)
	}
	has, err := strconv.ParseInt(limit, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("s3backup: restore: max_allowed_packet: %w", err)
	}
	if need+mostRest < has || has >= mostPacket {
		return open(ctx)
	}
	at := quoteName(temporary("new", noDatabase, newSuffix()))
	for _, text := range []string{
		"CREATE DATABASE " + at,
		"CREATE TABLE " + at + "." + quoteName(packetName) + " ENGINE=InnoDB AS SELECT " + limit + " AS bytes",
		fmt.Sprintf("SET GLOBAL max_allowed_packet = %d", mostPacket),
	} {
		if err := s.exec(ctx, text); err != nil {
			return nil, fmt.Errorf("s3backup: restore: raise max_allowed_packet: %w", err)
		}
	}
	session, err := open(ctx)
	if backErr := s.narrow(ctx, func(Event) {}); backErr != nil {
		err = errors.Join(err, backErr)
	}
	if err != nil && session != nil {
		err = errors.Join(err, session.Close())
	}
	return session, err
}

// roomFor is what loading a backup needs.
func roomFor(m Manifest) int64 {
	if m.Content.Longest == 0 {
		return mostPacket
	}
	return max(m.Content.Longest, usualPacket-2*mostRest)
}

// execLong runs statements that may be longer than this session takes: then all of them in one that takes them.
func (s *session) execLong(ctx context.Context, statements ...string) error {
	longest := 0
	for _, text := range statements {
		longest = max(longest, len(text))
	}
	in := s
	if longest+mostRest > s.packet {
		wide, err := s.roomy(ctx, int64(longest), s.server.loading)
		if err != nil {
			return err
		}
		defer wide.Close()
		in = wide
	}
	for _, text := range statements {
		if err := in.exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// narrow gives the server its own max_allowed_packet again, where a restore has raised it.
func (s *session) narrow(ctx context.Context, emit func(Event)) error {
	marked, err := s.marked(ctx, packetName)
	if err != nil {
		return err
	}
	for _, at := range marked {
		limit, err := one(ctx, s, "SELECT bytes FROM "+quoteName(at)+"."+quoteName(packetName), 0)
		if err != nil {
			return fmt.Errorf("s3backup: restore: read the server's max_allowed_packet: %w", err)
		}
		emit(Note{Text: "max_allowed_packet is " + limit + " again"})
		for _, text := range []string{"SET GLOBAL max_allowed_packet = " + limit, "DROP DATABASE " + quoteName(at)} {
			if err := s.exec(ctx, text); err != nil {
				return fmt.Errorf("s3backup: restore: lower max_allowed_packet again: %w", err)
			}
		}
	}
	return nil
}
