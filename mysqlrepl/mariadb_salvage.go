package mysqlrepl

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// MariaDB throws away what a replica received as soon as one of its tasks is started after both were stopped, if it
// follows by GTID. Told to go on in a file of the relay log, it does not: so salvage looks up where the first
// transaction begins that was not applied, and has the applier, and only that, begin there. Transactions keep their
// GTIDs. The applier's workers are switched off meanwhile: with them, 11.8 crashes on that statement.

// relayed is what lies in the relay log and is not applied.
type relayed struct {
	file     string // where the first transaction begins
	position uint64
	last     GTIDs // the last transaction that is there as a whole
}

func (d mariaDBDialect) salvage(ctx context.Context, s *session) error {
	status, err := s.status(ctx)
	if err != nil || status.Replica == nil {
		return err
	}
	if status.Replica.Applier.State != ThreadStopped || status.Replica.Receiver.State != ThreadStopped {
		return nil
	}
	rest, err := d.relayed(ctx, s, status.Executed.(mariaDBGTIDs))
	if err != nil || rest.last == nil {
		return err
	}
	file, err := quoteText(rest.file)
	if err != nil {
		return err
	}
	err = s.do(ctx, "salvage what was received", "SET GLOBAL slave_parallel_threads = 0",
		fmt.Sprintf("CHANGE MASTER TO MASTER_USE_GTID = no, RELAY_LOG_FILE = %s, RELAY_LOG_POS = %d", file, rest.position), "START SLAVE SQL_THREAD")
	if err != nil {
		return err
	}
	if err := s.applied(ctx, rest.last); err != nil {
		return err
	}
	return s.do(ctx, "salvage what was received", "STOP SLAVE", fmt.Sprintf("SET GLOBAL slave_parallel_threads = %d", applyWorkers))
}

// errShowEvents is the server's answer both to a file that is not in its list and to one that breaks off within an
// event, as a crash leaves it.
const errShowEvents = 1220

func (d mariaDBDialect) relayed(ctx context.Context, s *session, executed mariaDBGTIDs) (relayed, error) {
	r := relayReader{executed: executed.newest()}
	for query := "SHOW RELAYLOG EVENTS"; ; query = "SHOW RELAYLOG EVENTS IN '" + r.next() + "'" {
		r.name, r.pending = r.next(), mariaDBGTIDs{}
		err := s.each(ctx, query, r.event)
		switch {
		case isServerError(err, errShowEvents) && strings.Contains(err.Error(), "find target log"):
			return r.found, nil
		case err != nil && !isServerError(err, errShowEvents):
			return relayed{}, err
		case r.name == "":
			return r.found, nil
		}
	}
}

// relayReader walks through relay logs, event by event.
type relayReader struct {
	executed mariaDBGTIDs
	found    relayed
	name     string       // file of the latest event
	pending  mariaDBGTIDs // transaction that has begun, as a set of its one GTID
	grouped  bool         // it ends with a commit; otherwise with its first event
}

var (
	relayGTID = regexp.MustCompile(`^(BEGIN )?GTID (\d+-\d+-\d+)`)
	relayName = regexp.MustCompile(`^([A-Za-z0-9_.-]+\.)(\d+)$`)
)

func (r *relayReader) event(f fieldsOf) error {
	r.name = f.text("Log_name")
	kind, info := f.text("Event_type"), f.text("Info")
	if kind == "Gtid" {
		return r.begin(info, f.number("Pos"))
	}
	commit := kind == "Xid" || kind == "XA_prepare" || kind == "Query" && (strings.HasPrefix(info, "COMMIT") || strings.HasPrefix(info, "ROLLBACK"))
	if len(r.pending.last) == 0 || r.grouped && !commit {
		return nil
	}
	if r.found.file != "" {
		r.found.last = r.pending.Union(r.found.last)
	}
	r.pending = mariaDBGTIDs{}
	return nil
}

func (r *relayReader) begin(info string, position uint64) error {
	m := relayGTID.FindStringSubmatch(info)
	if m == nil {
		return fmt.Errorf("mysqlrepl: read relay log %q: event %q is not understood", r.name, info)
	}
	set, err := parseMariaDB(m[2])
	if err != nil {
		return err
	}
	r.pending, r.grouped = set.(mariaDBGTIDs), m[1] != ""
	if r.found.file == "" && !r.executed.reaches(r.pending) {
		r.found.file, r.found.position = r.name, position
	}
	return nil
}

// reaches reports whether the position of a domain is at or after the one transaction of a set, whoever wrote either.
func (g mariaDBGTIDs) reaches(one mariaDBGTIDs) bool {
	for from, sequence := range one.last {
		for at, reached := range g.last {
			if at.domain == from.domain && reached >= sequence {
				return true
			}
		}
	}
	return false
}

// next is the name of the file after the one that was read; empty where none was.
func (r *relayReader) next() string {
	m := relayName.FindStringSubmatch(r.name)
	if m == nil {
		return ""
	}
	number, err := strconv.ParseUint(m[2], 10, 32)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s%0*d", m[1], len(m[2]), number+1)
}
