package mysqlrepl

import (
	"context"
	"fmt"
	"time"
)

// dialect is what a server's administration does in each flavor's own words.
type dialect interface {
	notation

	// fit reports everything by which the server's configuration does not fit a pair.
	fit(ctx context.Context, s *session, tls bool) error
	// observe fills what the server says of its roles and positions.
	observe(ctx context.Context, s *session, into *Status) error

	// writable lets ordinary accounts write, or not. Refusing waits for commits under way, at most for patience.
	writable(ctx context.Context, s *session, on bool, patience time.Duration) error
	// unlogged runs statements that stay on this server, also while it is read-only.
	unlogged(ctx context.Context, s *session, what string, statements ...string) error
	// waitForReplica makes commits wait for a replica's acknowledgment, without end, or not. Switching it off
	// releases those that wait.
	waitForReplica(ctx context.Context, s *session, on bool) error
	// acknowledge makes a replica acknowledge what it receives from its next connection on, or not.
	acknowledge(ctx context.Context, s *session, on bool) error

	// follow points a server that applies nothing at a source, from what it has executed on.
	follow(ctx context.Context, s *session, l link) error
	// adopt declares what the data of a freshly seeded server holds.
	adopt(ctx context.Context, s *session, executed GTIDs) error
	start(ctx context.Context, s *session) error
	startApplier(ctx context.Context, s *session) error
	stopReceiver(ctx context.Context, s *session) error
	stop(ctx context.Context, s *session) error
	// forget makes the server follow nobody.
	forget(ctx context.Context, s *session) error
	// salvage applies what a server received before both of its tasks were stopped, be it by a crash.
	salvage(ctx context.Context, s *session) error
	// rewinds says that a server which is started with Process.Start's rewind takes back what nobody acknowledged.
	rewinds() bool
}

// link is what a replica needs to know of its source.
type link struct {
	host     string
	port     uint16
	user     string
	password Secret
	ca       string // empty is without TLS
}

// heartbeatSeconds is how often a source that has nothing to say tells its replica that it lives.
const (
	heartbeatPeriod  = 250 * time.Millisecond
	heartbeatSeconds = "0.25"
)

func dialectOf(flavor Flavor) (dialect, error) {
	if flavor == MariaDB || flavor == "" {
		return mariaDBDialect{}, nil
	}
	return nil, fmt.Errorf("mysqlrepl: replication of %s is not looked after", flavor)
}
