package mysqlrepl

import (
	"context"
	"fmt"
	"time"
)

// Status is what one server says of itself.
type Status struct {
	Server   string // Server.Name
	Version  Version
	ServerID uint32
	Uptime   time.Duration // since the server was started, in whole seconds

	// Writable says that ordinary accounts may write.
	Writable bool
	// Executed is what the server has in its binary log or was seeded with. On a source, the latest of it may still
	// wait for an acknowledgment.
	Executed GTIDs
	// Replica is what the server does as a replica; nil where it follows nobody.
	Replica  *ReplicaStatus
	SemiSync SemiSyncStatus

	// Epoch is the highest epoch that the server was told of, which makes it refuse older ones. Zero is none.
	Epoch uint64
	// Heartbeat is when the row of mysqlrepl.heartbeat was written, by its source's clock. Zero is never.
	Heartbeat time.Time
}

// Thread is how one of a replica's two tasks stands.
type Thread struct {
	State  ThreadState
	Number int    // the server's number of the latest error; 0 is none
	Error  string // the server's words
}

// ThreadState is a task's state in the server's own words.
type ThreadState string

// The states.
const (
	ThreadRunning    ThreadState = "running"
	ThreadConnecting ThreadState = "connecting" // the receiver looks for its source
	ThreadStopped    ThreadState = "stopped"
)

// ReplicaStatus is what a server does as a replica.
type ReplicaStatus struct {
	Source   string // host:port that it follows
	SourceID uint32 // the source's server ID; 0 until it was heard once
	Receiver Thread // reads the source's binary log
	Applier  Thread // executes what was received
	// Received is what it received and what it executed. What a server received before it was restarted counts
	// only once it is applied.
	Received GTIDs
	// Lag is how far the applier is behind, in whole seconds; negative where the server does not know.
	Lag time.Duration
	// Heartbeats is how many signs of life came from a source that had nothing else to say.
	Heartbeats uint64
	// TLS says that the connection is encrypted and the source's certificate checked.
	TLS bool
}

// SemiSyncStatus says who waits for whom.
type SemiSyncStatus struct {
	Waits         bool // commits wait until a replica has acknowledged them
	Acknowledges  bool // as a replica, it acknowledges what it received
	Acknowledging int  // replicas connected that acknowledge
	Waiting       int  // sessions that wait now
}

// ReadStatus asks a server for its status over a fresh connection. It changes nothing, and takes as long as ctx allows
// where the server is hung.
func ReadStatus(ctx context.Context, server Server) (*Status, error) {
	s, err := connect(ctx, server)
	if err != nil {
		return nil, err
	}
	status, err := s.status(ctx)
	_ = s.close() // nothing was written
	return status, err
}

func (s *session) status(ctx context.Context) (*Status, error) {
	status := &Status{Server: s.name, Version: s.version}
	if err := s.d.observe(ctx, s, status); err != nil {
		return nil, err
	}
	row, err := s.row(ctx, "SELECT number FROM mysqlrepl.epoch WHERE id = 1")
	if err == nil && row != nil {
		status.Epoch = row.number("number")
	}
	if err != nil && !isServerError(err, errNoTable, errNoDatabase) {
		return nil, err
	}
	row, err = s.row(ctx, "SELECT DATE_FORMAT(at, '%Y-%m-%dT%H:%i:%s.%fZ') AS at FROM mysqlrepl.heartbeat WHERE id = 1")
	if err != nil && !isServerError(err, errNoTable, errNoDatabase) {
		return nil, err
	}
	if err == nil && row != nil {
		if status.Heartbeat, err = time.Parse(time.RFC3339Nano, row.text("at")); err != nil {
			return nil, fmt.Errorf("mysqlrepl: read heartbeat on %q: %w", s.name, err)
		}
	}
	return status, nil
}

// The servers' own numbers of errors.
const (
	errNoDatabase = 1049
	errNoTable    = 1146
	errLockWait   = 1205
	errNoThread   = 1094
)
