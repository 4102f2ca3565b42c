package s3backup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// packetName is a table in a database of a restore's own. While it is there the server's max_allowed_packet is raised, and
// it says from what.
const packetName = "s3backup packet"

// mostPacket is the longest statement that a server takes.
const mostPacket = 1 << 30

// roomy opens the session that loads. A value takes twice its bytes in a script, and with the rest of its row may be more
// than the server takes in one statement; a session keeps the limit it was opened under, so that it is raised just for that
// moment. After a kill the next restore puts it back.
func (r *restore) roomy(ctx context.Context, open func(context.Context) (*session, error)) (*session, error) {
	limit, err := one(ctx, r.session, "SELECT @@GLOBAL.max_allowed_packet", 0)
	if err != nil {
		return nil, fmt.Errorf("s3backup: restore: %w", err)
	}
	has, err := strconv.ParseInt(limit, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("s3backup: restore: max_allowed_packet: %w", err)
	}
	const rest = 1 << 10 // of a packet, besides the line
	if longest := r.manifest.Content.Longest; longest > 0 && longest+rest < has || has >= mostPacket {
		return open(ctx)
	}
	at := quoteName(fmt.Sprintf("%s_sbnew_%06x", r.manifest.Databases[0], (time.Now().UnixNano()+1)&0xffffff))
	for _, text := range []string{
		"CREATE DATABASE " + at,
		"CREATE TABLE " + at + "." + quoteName(packetName) + " ENGINE=InnoDB AS SELECT " + limit + " AS bytes",
		fmt.Sprintf("SET GLOBAL max_allowed_packet = %d", mostPacket),
	} {
		if err := r.session.exec(ctx, text); err != nil {
			return nil, fmt.Errorf("s3backup: restore: raise max_allowed_packet: %w", err)
		}
	}
	session, err := open(ctx)
	if backErr := r.session.narrow(ctx, r.manifest.Databases, r.store.emit); backErr != nil {
		err = errors.Join(err, backErr)
	}
	if err != nil && session != nil {
		err = errors.Join(err, session.Close())
	}
	return session, err
}

// narrow gives the server its own max_allowed_packet again, where a restore of one of the databases has raised it.
func (s *session) narrow(ctx context.Context, databases []string, emit func(Event)) error {
	at, err := s.marked(ctx, packetName, databases)
	if err != nil || at == "" {
		return err
	}
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
	return nil
}
