package operate

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// Status is the whole site at one moment.
type Status struct {
	Site     string         `json:"site"`
	URL      string         `json:"url"`
	Well     bool           `json:"well"`               // there is no problem
	Answer   string         `json:"answer"`             // of the health path, as a visitor would get it: "ok", or what is wrong
	Front    string         `json:"front"`              // the status that a visitor gets at URL, such as "200 OK"; empty where none came
	Problems []string       `json:"problems,omitempty"` // what keeps the site from being well, each with its remedy where one is known
	Release  string         `json:"release"`
	Servers  []ServerStatus `json:"servers"`
	Backups  *BackupStatus  `json:"backups,omitempty"`
}

// ServerStatus is one server of the site.
type ServerStatus struct {
	Name    string        `json:"name"`
	Roles   []string      `json:"roles"`
	Address netip.Addr    `json:"address"`
	State   string        `json:"state"` // in EC2's words; "missing" where the site wants a server that is not there
	Release string        `json:"release"`
	Uptime  time.Duration `json:"uptime_ns"`
	Report  *agent.Report `json:"report,omitempty"`
	Error   string        `json:"error,omitempty"` // why there is no report
}

// Status looks at the site. A server that does not answer is part of the result, not an error.
func (o Operator) Status(ctx context.Context) (Status, error) {
	st, err := o.observe(ctx)
	if err != nil {
		return st, err
	}
	st.Problems = st.problems()
	st.Well = len(st.Problems) == 0
	return st, nil
}

func (o Operator) observe(ctx context.Context) (Status, error) {
	st := Status{Site: o.Site.Name}
	there, err := o.Cloud.Servers(ctx, o.Site.Name)
	if err != nil {
		return st, err
	}
	for _, want := range o.Site.Servers() {
		if !slices.ContainsFunc(there, func(s ec2x.Server) bool { return s.Name == want.Name }) {
			st.Servers = append(st.Servers, ServerStatus{Name: want.Name, Roles: want.Roles, State: "missing"})
		}
	}
	s, err := o.open(ctx)
	if errors.Is(err, ec2x.ErrNoStorage) && len(there) == 0 {
		st.Answer = "the site is not there; run up"
		return st, nil
	}
	if err != nil {
		return st, err
	}
	sec, err := s.content(ctx, &st)
	if err != nil {
		return st, err
	}
	if len(there) == 0 {
		st.Answer = "the site is down, with its data kept; up brings it back"
		return st, nil
	}
	reports := make([]ServerStatus, len(there))
	var wg sync.WaitGroup
	for i, server := range there {
		wg.Go(func() { reports[i] = o.look(ctx, server, sec) })
	}
	st.visit(ctx, o, serversWith(there, site.RoleWeb))
	wg.Wait()
	st.Servers = append(st.Servers, reports...)
	slices.SortFunc(st.Servers, func(a, b ServerStatus) int { return strings.Compare(a.Name, b.Name) })
	return st, nil
}

// content reads what the site's bucket says.
func (s *session) content(ctx context.Context, st *Status) (sec site.Secrets, err error) {
	sec, found, err := s.secrets(ctx)
	if err != nil {
		return sec, err
	}
	if st.Release, _, err = s.releases().Current(ctx); err == nil && found {
		st.Backups, err = s.backupStatus(ctx, sec)
	}
	return sec, err
}

// visit asks the front ends as a visitor would. The first that does not serve is the site's answer.
func (st *Status) visit(ctx context.Context, o Operator, fronts []ec2x.Server) {
	st.Answer = "there is no front end; run up"
	for _, front := range fronts {
		st.URL, st.Answer, st.Front = o.Site.Address(front).URL(), "ok", ""
		err := o.answers(ctx, front)
		if status, _, getErr := o.get(ctx, front, ""); getErr == nil {
			st.Front = status
		}
		if err != nil {
			st.Answer = err.Error()
			return
		}
	}
}

func (o Operator) look(ctx context.Context, server ec2x.Server, sec site.Secrets) ServerStatus {
	s := ServerStatus{Name: server.Name, Roles: server.Roles, Address: server.Private, State: string(server.State), Uptime: time.Since(server.Launched).Round(time.Second)}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	h, err := sshx.Dial(ctx, sshx.Target{Name: server.Name, Addr: server.SSH.String(), User: server.User, Key: string(sec.OperatorKey), HostKey: server.HostKey})
	if err != nil {
		s.Error = err.Error()
		return s
	}
	defer h.Close()
	report, err := ask[agent.Report](ctx, o, h, agent.Request{Verb: agent.VerbReport})
	if err != nil {
		s.Error = agentTrouble(err)
		return s
	}
	s.Report, s.Release = &report, report.Release
	return s
}

// agentTrouble says why an agent did not answer.
func agentTrouble(err error) string {
	var exit *sshx.ExitError
	if errors.As(err, &exit) {
		switch exit.Status {
		case 126, 127: // the shell's words for a command that cannot be run or is not there
			return "its agent is not there, as before the first up, or cannot be run; run up"
		case 2: // the agent's word for arguments that it does not know
			return "its agent is of an older program; run up"
		}
	}
	return err.Error()
}

// SetMaintenance switches the maintenance page on or off. Visitors get 503 meanwhile; the health path is answered still.
func (o Operator) SetMaintenance(ctx context.Context, on bool) error {
	_, err := o.change(ctx, "maintenance", func(ctx context.Context, s *session) error {
		return s.setMaintenance(ctx, on)
	})
	return err
}

func (s *session) setMaintenance(ctx context.Context, on bool) error {
	flag := sshx.Quote(layout.Maintenance)
	script := "rm -f " + flag
	if on {
		script = "touch " + flag
	}
	return s.onEach(ctx, s.with(site.RoleWeb), script)
}
