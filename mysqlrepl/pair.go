package mysqlrepl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Pair is two servers, one of which accepts writes and the other of which acknowledges them. Its verbs read the state of both
// and return a Plan, which changes nothing until it is run.
type Pair struct {
	Servers [2]Server

	// Account is what a replica logs in with at its source, and what writes heartbeats.
	Account ReplicationAccount
	// CA is the file, on both servers, of the authority's certificate with which a replica checks its source's. It
	// is required unless Plain is set.
	CA string
	// Plain lets the servers replicate without TLS, which is right within a tunnel and nowhere else.
	Plain bool

	Epochs EpochStore // who is source
	Fence  Fencer     // for a server whose Process is out of reach; nil where there is none
	By     string     // who acts, for the record: "ops@laptop", "watch on web-1"
	Limits Limits
}

// ReplicationAccount may read the binary log and write the row of mysqlrepl.heartbeat, and nothing else.
type ReplicationAccount struct {
	Name     string // [A-Za-z0-9_.-]{1,32}; zero is "replication"
	Password Secret // at least 12 characters, no backslash and no control character
}

// Fencer keeps a server from accepting writes without asking it: by its firewall, its hypervisor, its power supply.
type Fencer interface {
	// Fence returns once the server cannot accept writes any more. Fencing a fenced server is no error.
	Fence(ctx context.Context, server string) error
}

func (a ReplicationAccount) name() string { return cmp.Or(a.Name, "replication") }

// Validate reports every mistake at once.
func (p *Pair) Validate() error {
	var errs []error
	for _, s := range p.Servers {
		errs = append(errs, s.validate()...)
	}
	if p.Servers[0].Name == p.Servers[1].Name {
		errs = append(errs, fmt.Errorf("mysqlrepl: both servers are named %q", p.Servers[0].Name))
	}
	account := Account{Name: p.Account.name(), Database: "x", Password: p.Account.Password, Host: "%"}
	if err := account.Validate(); err != nil {
		errs = append(errs, err)
	}
	if (p.CA == "") != p.Plain {
		errs = append(errs, errors.New("mysqlrepl: pair: give the authority's certificate (CA), or say Plain, not both"))
	}
	if _, err := quoteText(p.CA); err != nil {
		errs = append(errs, fmt.Errorf("mysqlrepl: pair: CA: %w", err))
	}
	if p.Epochs == nil {
		errs = append(errs, errors.New("mysqlrepl: pair: there is no store of epochs"))
	}
	if p.By == "" {
		errs = append(errs, errors.New("mysqlrepl: pair: By does not say who acts"))
	}
	return errors.Join(errs...)
}

// server finds a server and the other one.
func (p *Pair) server(name string) (this, other Server, err error) {
	for i, s := range p.Servers {
		if s.Name == name {
			return s, p.Servers[1-i], nil
		}
	}
	return Server{}, Server{}, fmt.Errorf("mysqlrepl: %q is neither %q nor %q", name, p.Servers[0].Name, p.Servers[1].Name)
}

func (p *Pair) link(source Server) link {
	return link{host: source.Host, port: source.port(), user: p.Account.name(), password: p.Account.Password, ca: p.CA}
}

// statusTimeout bounds how long a server may take to say how it stands.
const statusTimeout = 2 * time.Second

// Look reads the epoch and the state of both servers, each within two seconds. A single look cannot tell for how long
// something has lasted: Silent, Unheard and Stuck are as long as the patience of Limits where the server does not answer, so
// that Analyse says what would follow if it stayed so. A Watch measures them.
func (p *Pair) Look(ctx context.Context) Picture {
	pic := Picture{}
	var group sync.WaitGroup
	for i, server := range p.Servers {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			o := Observation{Server: server.Name, Startable: server.Process != nil}
			status, err := ReadStatus(ctx, server)
			o.Status = status
			if err != nil {
				o.Problem, o.Refused = err.Error(), refused(err)
				o.Silent = p.Limits.orDefault().Hung
			} else if r := status.Replica; r != nil && r.Receiver.State != ThreadRunning {
				o.Unheard = p.Limits.orDefault().Hung
			}
			pic.Servers[i] = o
		})
	}
	var err error
	if pic.Epoch, err = p.Epochs.Read(ctx); err != nil {
		pic.Problem = err.Error()
	}
	group.Wait()
	return pic
}
