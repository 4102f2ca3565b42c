package s3backup

import (
	"context"
	"fmt"
	"strconv"
)

// measurer asks in a dump's own session: before the dump program's first command, and in its snapshot after its last.
type measurer struct {
	Dump
	facts  *Facts
	plain  bool
	unsafe []Table // those that no transaction covers, before the dump
	err    error   // of before

	position bool // ask for the snapshot's place in the binary log, which the dump does not state
}

func (m *measurer) scope() scope {
	return scope{databases: m.facts.Databases, plain: m.plain}
}

// before sets the session as a dump needs it.
func (m *measurer) before(ctx context.Context, a asker) error {
	if m.err = settle(ctx, a); m.err != nil || m.Unmeasured {
		return m.err
	}
	s := m.scope()
	s.unsafe = true
	var got measurement
	got, m.err = s.measure(ctx, a)
	m.unsafe = got.tables
	return m.err
}

// after measures what the dump has read. A table that no transaction covers has a checksum only if it was the same before.
func (m *measurer) after(ctx context.Context, a asker) error {
	if m.position {
		if err := m.askPosition(ctx, a); err != nil {
			return err
		}
	}
	if m.Unmeasured {
		return nil
	}
	if _, err := a.query(ctx, "SAVEPOINT s3backup"); err != nil {
		return err
	}
	s := m.scope()
	s.release = "ROLLBACK TO SAVEPOINT s3backup"
	got, err := s.measure(ctx, a)
	if err != nil {
		return err
	}
	was := map[Table]bool{}
	for _, t := range m.unsafe {
		was[t] = true
	}
	for _, t := range got.tables {
		if safe(t.Engine) || was[t] {
			m.facts.Tables = append(m.facts.Tables, t)
			continue
		}
		m.facts.Warnings = append(m.facts.Warnings, fmt.Sprintf("table %s.%s is %s and was written while it was dumped: there is no checksum of it, and it may hold half of a change",
			t.Database, t.Name, t.Engine))
	}
	left := map[string]int64{}
	for _, l := range m.facts.Left {
		left[l.Database]++
	}
	for _, o := range got.objects {
		o.Views -= left[o.Database]
		m.facts.Objects = append(m.facts.Objects, o)
	}
	m.facts.Warnings = append(m.facts.Warnings, got.warnings...)
	return nil
}

// withoutGTID reports that the server cannot tell the GTID of a position: an event in its binary log is larger than
// max_allowed_packet, as that of a row with several long values. mariadb-dump 10.11 dies of such an answer.
func (s *session) withoutGTID(ctx context.Context) (bool, error) {
	at, err := s.query(ctx, "SHOW MASTER STATUS")
	if err != nil || len(at) != 1 || len(at[0]) < 2 {
		return false, err
	}
	null, err := one(ctx, s, "SELECT BINLOG_GTID_POS("+quoteText(at[0][0])+", "+at[0][1]+") IS NULL", 0)
	return null == "1", err
}

// askPosition finds out the snapshot's place in the binary log, which MariaDB keeps with it.
func (m *measurer) askPosition(ctx context.Context, a asker) error {
	file, err := one(ctx, a, "SHOW STATUS LIKE 'Binlog_snapshot_file'", 1)
	if err != nil {
		return err
	}
	text, err := one(ctx, a, "SHOW STATUS LIKE 'Binlog_snapshot_position'", 1)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return err
	}
	m.facts.Position = &Position{File: file, Offset: offset}
	m.facts.Warnings = append(m.facts.Warnings, "the position has no GTID: the binary log holds an event larger than max_allowed_packet; raise that to replicate from this backup")
	return nil
}
