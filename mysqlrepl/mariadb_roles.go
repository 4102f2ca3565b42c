package mysqlrepl

import (
	"context"
	"fmt"
	"time"
)

func (mariaDBDialect) rewinds() bool { return true }

func (mariaDBDialect) fit(ctx context.Context, s *session, tls bool) error {
	want := [][2]string{{"log_bin", "1"}, {"log_slave_updates", "1"}, {"gtid_strict_mode", "1"}, {"binlog_format", "ROW"}, {"sync_binlog", "1"},
		{"innodb_flush_log_at_trx_commit", "1"}, {"relay_log_recovery", "0"}}
	if tls {
		want = append(want, [2]string{"have_ssl", "YES"})
	}
	return s.misfit(ctx, want)
}

func (mariaDBDialect) writable(ctx context.Context, s *session, on bool, patience time.Duration) error {
	if on {
		return s.do(ctx, "accept writes", "SET GLOBAL read_only = OFF")
	}
	return s.do(ctx, "refuse writes", fmt.Sprintf("SET SESSION lock_wait_timeout = %d", max(1, int(patience/time.Second))), "SET GLOBAL read_only = ON")
}

func (mariaDBDialect) unlogged(ctx context.Context, s *session, what string, statements ...string) error {
	if err := s.do(ctx, what, "SET SESSION sql_log_bin = 0"); err != nil {
		return err
	}
	err := s.do(ctx, what, statements...)
	if back := s.do(ctx, what, "SET SESSION sql_log_bin = 1"); err == nil {
		err = back
	}
	return err
}

func (mariaDBDialect) waitForReplica(ctx context.Context, s *session, on bool) error {
	if !on {
		return s.do(ctx, "commit without acknowledgment", "SET GLOBAL rpl_semi_sync_master_enabled = OFF")
	}
	// A year, since the server has no word for ever.
	return s.do(ctx, "commit with acknowledgment", "SET GLOBAL rpl_semi_sync_master_wait_point = 'AFTER_SYNC', "+
		"GLOBAL rpl_semi_sync_master_timeout = 31536000000, GLOBAL rpl_semi_sync_master_wait_no_slave = ON",
		"SET GLOBAL rpl_semi_sync_master_enabled = ON")
}

func (mariaDBDialect) acknowledge(ctx context.Context, s *session, on bool) error {
	word := "OFF"
	if on {
		word = "ON"
	}
	// When it stops, a replica that acknowledges asks its source to end their connection. A hung one holds that up, by default 5 s.
	return s.do(ctx, "switch acknowledgments "+word, "SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout = 1", "SET GLOBAL rpl_semi_sync_slave_enabled = "+word)
}

// follow begins at current_pos: where the server applied last as a replica or, where it was source since, at its own latest
// transaction. Setting gtid_slave_pos would say the same, but empties a table, which 11.8 refuses now and then; see adopt.
func (d mariaDBDialect) follow(ctx context.Context, s *session, l link) error {
	statement, err := l.changeMaster()
	if err != nil {
		return err
	}
	return s.do(ctx, "follow "+l.host, "STOP SLAVE", "SET GLOBAL slave_parallel_threads = "+fmt.Sprint(applyWorkers), statement)
}

func (l link) changeMaster() (string, error) {
	words := []any{}
	for _, value := range []string{l.host, l.user, string(l.password), l.ca} {
		quoted, err := quoteText(value)
		if err != nil {
			return "", fmt.Errorf("mysqlrepl: follow %q: %w", l.host, err)
		}
		words = append(words, quoted)
	}
	tls := "MASTER_SSL = 0, MASTER_SSL_VERIFY_SERVER_CERT = 0, MASTER_SSL_CA = %[4]s"
	if l.ca != "" {
		tls = "MASTER_SSL = 1, MASTER_SSL_VERIFY_SERVER_CERT = 1, MASTER_SSL_CA = %[4]s"
	}
	return fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = %[1]s, MASTER_USER = %[2]s, MASTER_PASSWORD = %[3]s, MASTER_PORT = %[5]d, "+
		"MASTER_USE_GTID = current_pos, MASTER_HEARTBEAT_PERIOD = %[6]s, MASTER_CONNECT_RETRY = 1, "+tls, append(words, l.port, heartbeatSeconds)...), nil
}

// adopt begins the binary log anew: what it held is of the data that the seed replaced. The position is set only where it differs:
// 11.8 answers with error 1940 in about every second life of a server that was started on a copy ("gtid_slave_pos.ibd already
// exists", says its log), for as long as it runs. So MariaDBBackup sets it, and restarts the server until it accepts.
func (d mariaDBDialect) adopt(ctx context.Context, s *session, executed GTIDs) error {
	state, same := executed.(mariaDBGTIDs)
	if !same {
		return fmt.Errorf("mysqlrepl: adopt %q on %q: these are not GTIDs of MariaDB", executed, s.name)
	}
	err := s.do(ctx, "adopt the seed's position", "STOP SLAVE", "RESET SLAVE ALL", "RESET MASTER", "SET GLOBAL gtid_binlog_state = '"+state.String()+"'")
	if err != nil {
		return err
	}
	row, err := s.row(ctx, "SELECT @@global.gtid_slave_pos AS pos")
	if err != nil {
		return err
	}
	position := state.newest().String()
	if at, err := d.parse(row.text("pos")); err == nil && at.String() == position {
		return nil
	}
	return s.do(ctx, "adopt the seed's position", "SET GLOBAL gtid_slave_pos = '"+position+"'")
}

func (mariaDBDialect) start(ctx context.Context, s *session) error {
	return s.do(ctx, "start to follow", "START SLAVE")
}

func (mariaDBDialect) startApplier(ctx context.Context, s *session) error {
	return s.do(ctx, "start the applier", "START SLAVE SQL_THREAD")
}

func (mariaDBDialect) stopReceiver(ctx context.Context, s *session) error {
	return s.do(ctx, "stop receiving", "STOP SLAVE IO_THREAD")
}

func (mariaDBDialect) stop(ctx context.Context, s *session) error {
	return s.do(ctx, "stop to follow", "STOP SLAVE")
}

func (mariaDBDialect) forget(ctx context.Context, s *session) error {
	return s.do(ctx, "follow nobody", "STOP SLAVE", "RESET SLAVE ALL")
}
