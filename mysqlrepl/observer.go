package mysqlrepl

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// observer asks two servers and the store of epochs, each at its own pace, so that one that is hung holds up none.
type observer struct {
	pair     *Pair
	interval time.Duration
	servers  [2]*seen

	mu       sync.Mutex
	epoch    Epoch
	problem  string
	epochAt  time.Time // of the latest answer of the store
	writing  time.Time // since when a heartbeat has been under way; zero is none
	writesOn string    // on which server
}

// seen is what was seen of one server. The observer's lock guards it.
type seen struct {
	server   Server
	asked    time.Time // since when a question has been under way; zero is none
	answered time.Time
	moved    time.Time // when it was last seen to have received something
	status   *Status
	failed   bool
	refused  bool
	problem  string
}

const (
	// late is how long an answer may take before the server counts as silent.
	late = 500 * time.Millisecond
	// epochInterval is how often the store is asked, and epochAge how long its latest answer counts.
	epochInterval, epochAge = 500 * time.Millisecond, 5 * time.Second
	beatInterval            = 500 * time.Millisecond
)

// every calls do until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (o *observer) follow(ctx context.Context, s *seen) {
	every(ctx, o.interval, func() {
		o.mu.Lock()
		s.asked = time.Now()
		asked := s.asked
		o.mu.Unlock()
		limited, cancel := context.WithTimeout(ctx, statusTimeout)
		status, err := ReadStatus(limited, s.server)
		cancel()
		o.mu.Lock()
		defer o.mu.Unlock()
		s.asked = time.Time{}
		s.take(asked, status, err)
	})
}

// take notes an answer as of when it was asked for.
func (s *seen) take(asked time.Time, status *Status, err error) {
	var answer *mysql.MySQLError
	if err != nil && errors.As(err, &answer) && s.status != nil {
		// It lives, and has no connection to spare or no patience: that is not silence.
		s.answered, s.failed, s.refused, s.problem = asked, false, false, err.Error()
		return
	}
	if err != nil {
		s.failed, s.refused, s.problem = true, refused(err), err.Error()
		return
	}
	if s.status == nil || s.status.Replica == nil || status.Replica == nil || heard(s.status.Replica, status.Replica) {
		s.moved = asked
	}
	s.status, s.answered, s.failed, s.refused, s.problem = status, asked, false, false, ""
}

func (o *observer) readEpochs(ctx context.Context) {
	every(ctx, epochInterval, func() { o.readEpoch(ctx) })
}

func (o *observer) readEpoch(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, epochAge)
	defer cancel()
	e, err := o.pair.Epochs.Read(limited)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil && e.Number >= o.epoch.Number {
		o.epoch, o.problem, o.epochAt = e, "", time.Now()
	}
	if err != nil && time.Since(o.epochAt) > epochAge {
		o.problem = err.Error()
	}
}

// refresh waits for nothing older: what was seen before an action does not decide the next one.
func (o *observer) refresh() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.epochAt = time.Time{}
	for _, s := range o.servers {
		s.status, s.answered, s.moved, s.failed = nil, time.Now(), time.Now(), false
	}
}

// picture is what is known now. It is ready once the epoch was read and each server has answered or failed to.
func (o *observer) picture() (pic Picture, ready bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	pic = Picture{Epoch: o.epoch, Problem: o.problem}
	ready = !o.epochAt.IsZero() || o.problem != ""
	for i, s := range o.servers {
		hangs := !s.asked.IsZero() && now.Sub(s.asked) > late
		ready = ready && (s.status != nil || s.failed || hangs)
		seen := Observation{Server: s.server.Name, Status: s.status, Refused: s.refused, Problem: s.problem, Startable: s.server.Process != nil}
		if s.failed || hangs {
			seen.Silent = now.Sub(s.answered)
		}
		if hangs {
			seen.Refused = false
		}
		if unheard := now.Sub(s.moved); unheard > late {
			seen.Unheard = unheard
		}
		if !o.writing.IsZero() && o.writesOn == s.server.Name && now.Sub(o.writing) > late {
			seen.Stuck = now.Sub(o.writing)
		}
		pic.Servers[i] = seen
	}
	return pic, ready
}

// beat writes heartbeats on the epoch's source. A write that waits is waited for: it is how a source whose commits
// stand still shows.
func (o *observer) beat(ctx context.Context, leads func(context.Context) (time.Time, error)) {
	every(ctx, beatInterval, func() {
		o.mu.Lock()
		epoch := o.epoch
		o.mu.Unlock()
		if until, err := leads(ctx); err != nil || !until.After(time.Now()) || epoch.Number == 0 {
			return
		}
		server, _, err := o.pair.server(epoch.Source)
		if err != nil {
			return
		}
		limited, cancel := context.WithCancel(ctx)
		defer cancel()
		go o.whileSource(limited, cancel, epoch.Source)
		o.write(limited, server, epoch)
	})
}

// whileSource ends a write on a server that is source no more.
func (o *observer) whileSource(ctx context.Context, cancel func(), source string) {
	every(ctx, o.interval, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.epoch.Source != source {
			cancel()
		}
	})
}

func (o *observer) write(ctx context.Context, server Server, epoch Epoch) {
	o.mu.Lock()
	o.writing, o.writesOn = time.Now(), server.Name
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.writing = time.Time{}
	}()
	db, err := handle(server.Dial, server.Address, Login{User: o.pair.Account.name(), Password: o.pair.Account.Password})
	if err != nil {
		return
	}
	defer db.Close()
	_ = heartbeat(ctx, db, epoch.Number) // a server that refuses shows in its status
}

func heartbeat(ctx context.Context, db *sql.DB, epoch uint64) error {
	const statement = "INSERT INTO mysqlrepl.heartbeat (id, epoch, at) VALUES (1, ?, UTC_TIMESTAMP(6)) " +
		"ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), at = VALUES(at)"
	_, err := db.ExecContext(ctx, statement, epoch)
	return err
}
