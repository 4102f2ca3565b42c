package mysqlrepl

import (
	"context"
	"net"
	"time"
)

type mariaDBDialect struct{ mariaDBNotation }

func (d mariaDBDialect) observe(ctx context.Context, s *session, into *Status) error {
	v, err := s.row(ctx, "SELECT @@server_id AS id, @@global.read_only AS ro, @@gtid_binlog_state AS state, @@gtid_slave_pos AS pos, "+
		"@@rpl_semi_sync_master_enabled AS waits, @@rpl_semi_sync_slave_enabled AS acks")
	if err != nil {
		return err
	}
	counters, err := s.named(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Rpl_semi_sync_master_status', "+
		"'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_wait_sessions', 'Slave_received_heartbeats')")
	if err != nil {
		return err
	}
	into.ServerID = uint32(v.number("id"))
	into.Writable = !v.on("ro")
	into.Uptime = time.Duration(counters.number("Uptime")) * time.Second
	into.SemiSync = SemiSyncStatus{
		Waits: v.on("waits") && counters.on("Rpl_semi_sync_master_status"), Acknowledges: v.on("acks"),
		Acknowledging: int(counters.number("Rpl_semi_sync_master_clients")), Waiting: int(counters.number("Rpl_semi_sync_master_wait_sessions")),
	}
	if into.Executed, err = d.parse(v.text("state") + "," + v.text("pos")); err != nil {
		return err
	}
	into.Replica, err = d.replica(ctx, s, into.Executed, counters.number("Slave_received_heartbeats"))
	return err
}

func (d mariaDBDialect) replica(ctx context.Context, s *session, executed GTIDs, heartbeats uint64) (*ReplicaStatus, error) {
	row, err := s.row(ctx, "SHOW REPLICA STATUS")
	if err != nil || row == nil {
		return nil, err
	}
	received, err := d.parse(row.text("Gtid_IO_Pos"))
	if err != nil {
		return nil, err
	}
	r := &ReplicaStatus{
		Source: net.JoinHostPort(row.text("Master_Host"), row.text("Master_Port")), SourceID: uint32(row.number("Master_Server_Id")),
		Receiver: Thread{threadState(row.text("Slave_IO_Running")), int(row.number("Last_IO_Errno")), row.text("Last_IO_Error")},
		Applier:  Thread{threadState(row.text("Slave_SQL_Running")), int(row.number("Last_SQL_Errno")), row.text("Last_SQL_Error")},
		Received: executed.Union(received), Lag: lag(row), Heartbeats: heartbeats,
		TLS: row.on("Master_SSL_Allowed") && row.on("Master_SSL_Verify_Server_Cert"),
	}
	return r, nil
}

// threadState reads what both flavors answer in SHOW REPLICA STATUS.
func threadState(word string) ThreadState {
	switch word {
	case "Yes":
		return ThreadRunning
	case "Connecting", "Preparing":
		return ThreadConnecting
	}
	return ThreadStopped
}

func lag(row fieldsOf) time.Duration {
	for _, name := range []string{"Seconds_Behind_Master", "Seconds_Behind_Source"} {
		if row[name].Valid {
			return time.Duration(row.number(name)) * time.Second
		}
	}
	return -1
}
