package mysqlrepl

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// SeedOptions say how a replica gets its data. The zero value overwrites nothing.
type SeedOptions struct {
	// Seeder copies the source's data. It may be nil where the replica already has the source's data.
	Seeder Seeder
	// Overwrite is the name of a server whose data is discarded whatever it is. Empty lets only those servers be overwritten
	// that hold no database of their own, or nothing that the source lacks.
	Overwrite string
	// Progress is told how a seed goes on; nil is not.
	Progress func(SeedProgress)
}

// Setup makes two servers a pair: the account and the tables on the source, its data on the other, and both told their roles. Both
// run with a Config that is Replicated. The source may be written to meanwhile. It can run again, and then changes only what
// differs.
func (p *Pair) Setup(ctx context.Context, source string, o SeedOptions) (*Plan, error) {
	plan, err := p.plan(ctx, "setup", "set up "+source+" as source")
	if err != nil {
		return nil, err
	}
	from, replica, err := p.server(source)
	if err != nil {
		return nil, err
	}
	if plan.From.Number > 0 && plan.From.Source != source {
		return nil, fmt.Errorf("mysqlrepl: setup of %q as source: there is one already: %s; Switchover moves the role", source, plan.From)
	}
	if err := p.fit(ctx); err != nil {
		return nil, err
	}
	if plan.From.Number == 0 {
		plan.step(func(ctx context.Context, w *work) (string, error) {
			return w.take(ctx, source, "no replica yet", "setup")
		}, "record that %s is source, alone", source)
	}
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.prepare(ctx, from) }, "make the account %q and the tables of mysqlrepl on %s", p.Account.name(), source)
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.promote(ctx, from) }, "accept writes on %s", source)
	seeded, err := p.hasData(ctx, from, replica)
	if err != nil {
		return nil, err
	}
	if !seeded {
		if err := plan.seed(ctx, from, replica, o); err != nil {
			return nil, err
		}
	}
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.follow(ctx, replica, from) }, "have %s follow %s", replica.Name, source)
	plan.restore(from, replica, "the replica is set up")
	return plan, nil
}

// Reseed discards what the server that is not source holds, copies the source's data to it and has it follow. No Watch may act on
// the pair meanwhile: it would have the server follow before it knows where to begin.
func (p *Pair) Reseed(ctx context.Context, o SeedOptions) (*Plan, error) {
	plan, err := p.plan(ctx, "reseed", "copy the source's data anew")
	if err != nil {
		return nil, err
	}
	source, replica, err := p.roles(plan.From)
	if err != nil {
		return nil, err
	}
	if plan.From.Degraded == "" {
		why := replica.Name + " is seeded anew"
		plan.step(func(ctx context.Context, w *work) (string, error) { return w.take(ctx, source.Name, why, why) }, "record that %s writes alone", source.Name)
		plan.step(func(ctx context.Context, w *work) (string, error) {
			return "", w.act(ctx, source, func(s *session) error { return s.d.waitForReplica(ctx, s, false) })
		}, "commit on %s without acknowledgment", source.Name)
	}
	if err := plan.seed(ctx, source, replica, o); err != nil {
		return nil, err
	}
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.follow(ctx, replica, source) }, "have %s follow %s", replica.Name, source.Name)
	plan.restore(source, replica, "the replica is seeded")
	return plan, nil
}

func (plan *Plan) seed(ctx context.Context, source, replica Server, o SeedOptions) error {
	if o.Seeder == nil {
		return fmt.Errorf("mysqlrepl: %s: %q has not the data of %q, and there is no Seeder to copy it", plan.Verb, replica.Name, source.Name)
	}
	if err := plan.pair.mayOverwrite(ctx, source, replica, o.Overwrite); err != nil {
		return err
	}
	plan.step(func(ctx context.Context, w *work) (string, error) { return w.seed(ctx, source, replica, o) },
		"discard what %s holds, and copy the data of %s to it", replica.Name, source.Name)
	return nil
}

// fit asks both servers whether they are configured for what is to come.
func (p *Pair) fit(ctx context.Context) error {
	var errs []error
	ids := map[uint32]string{}
	for _, server := range p.Servers {
		s, err := connect(ctx, server)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		status, err := s.status(ctx)
		if err == nil {
			if other, taken := ids[status.ServerID]; taken {
				errs = append(errs, fmt.Errorf("mysqlrepl: %q and %q both have the server ID %d; set Config.ServerID", other, server.Name, status.ServerID))
			}
			ids[status.ServerID] = server.Name
			err = s.d.fit(ctx, s, p.CA != "")
		}
		errs = append(errs, err, s.close())
	}
	return errors.Join(errs...)
}

// misfit compares variables with what replication needs of them.
func (s *session) misfit(ctx context.Context, want [][2]string) error {
	var errs []error
	for _, w := range want {
		row, err := s.row(ctx, "SELECT @@global."+w[0]+" AS value")
		if err != nil {
			return err
		}
		if got := row.text("value"); !strings.EqualFold(got, w[1]) {
			errs = append(errs, fmt.Errorf("mysqlrepl: %q has %s = %s, not %s; lay the text of a Config that is Replicated, and restart it", s.name, w[0], got, w[1]))
		}
	}
	return errors.Join(errs...)
}

// prepare makes what the pair needs on its source. It reaches the replica with the data.
func (w *work) prepare(ctx context.Context, source Server) (string, error) {
	account := w.pair.Account
	password, err := quoteText(string(account.Password))
	if err != nil {
		return "", err
	}
	require := " REQUIRE SSL"
	if w.pair.Plain {
		require = " REQUIRE NONE"
	}
	who := "'" + account.name() + "'@'%'"
	statements := append(ownTables[:len(ownTables):len(ownTables)],
		"CREATE USER IF NOT EXISTS "+who+" IDENTIFIED BY "+password+require,
		"ALTER USER "+who+" IDENTIFIED BY "+password+require,
		"GRANT REPLICATION SLAVE ON *.* TO "+who,
		"GRANT SELECT, INSERT, UPDATE ON mysqlrepl.heartbeat TO "+who)
	err = w.act(ctx, source, func(s *session) error { return s.do(ctx, "prepare the source", statements...) })
	return "they are there", redacted(err, account.Password)
}

// hasData reports whether a server holds a part of the source's history and nothing else.
func (p *Pair) hasData(ctx context.Context, source, replica Server) (bool, error) {
	r, err := ReadStatus(ctx, replica)
	if err != nil {
		return false, err
	}
	s, err := ReadStatus(ctx, source)
	if err != nil {
		return false, err
	}
	return !r.Executed.IsEmpty() && s.Executed.Contains(r.Executed), nil
}

// OverwriteError says that a server holds data which is not the source's.
type OverwriteError struct {
	Server    string
	Databases []string // what it holds
}

func (e *OverwriteError) Error() string {
	return fmt.Sprintf("mysqlrepl: %q holds data that is not the source's: %s; name it in Overwrite to discard that", e.Server, strings.Join(e.Databases, ", "))
}

func (p *Pair) mayOverwrite(ctx context.Context, source, replica Server, overwrite string) error {
	if overwrite == replica.Name {
		return nil
	}
	s, err := connect(ctx, replica)
	if err != nil {
		return fmt.Errorf("%w; what %q holds is unknown: name it in Overwrite to discard it", err, replica.Name)
	}
	var held []string
	err = s.each(ctx, "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) NOT IN "+
		"('mysql', 'sys', 'information_schema', 'performance_schema', 'mysqlrepl') ORDER BY 1", func(f fieldsOf) error {
		held = append(held, f.text("name"))
		return nil
	})
	if err := errors.Join(err, s.close()); err != nil || len(held) == 0 {
		return err
	}
	same, err := p.hasData(ctx, source, replica)
	if err == nil && !same {
		err = &OverwriteError{Server: replica.Name, Databases: held}
	}
	return err
}
