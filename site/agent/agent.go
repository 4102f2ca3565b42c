package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/mysqlrepl"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// Agent is the site's program on one of its servers, where it runs as root.
type Agent struct {
	Site   site.Site
	Config site.AgentConfig
	Events func(site.Event)
}

// New reads the server's configuration. It refuses where s is another Site than the operator has (see Site.CheckRecord).
func New(s site.Site, events func(site.Event)) (Agent, error) {
	data, err := os.ReadFile(layout.AgentConfig)
	if err != nil {
		return Agent{}, fmt.Errorf("site: agent: %w; agent verbs run on a server of the site", err)
	}
	a := Agent{Site: s, Events: events}
	if err := json.Unmarshal(data, &a.Config); err != nil {
		return Agent{}, fmt.Errorf("site: agent: %s: %w", layout.AgentConfig, err)
	}
	record, err := os.ReadFile(layout.Record)
	if errors.Is(err, fs.ErrNotExist) { // the server was made before there was one
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("site: agent: %w", err)
	}
	return a, s.CheckRecord(record)
}

func (a Agent) step(name string, f func() error) error {
	return site.Step(a.Events, a.Config.Server, name, f)
}

func (a Agent) emit(e site.Event) {
	if a.Events != nil {
		a.Events(e)
	}
}

// progress is an event of how far a step has come, or of something odd on its way.
func (a Agent) progress(what string) site.Event {
	return site.Event{Time: time.Now(), Server: a.Config.Server, Step: what, State: site.StepProgress}
}

func (a Agent) client() *s3.Client {
	st := ec2x.Storage{Region: a.Config.Region, Endpoint: a.Config.Endpoint}
	if a.Config.AccessKeyID != "" {
		st.Credentials = credentials.NewStaticCredentialsProvider(a.Config.AccessKeyID, string(a.Config.SecretAccessKey), "")
	}
	return st.Client()
}

func (a Agent) store() codedeploy.Store {
	return codedeploy.Store{S3: a.client(), Bucket: a.Config.Bucket, Prefix: layout.Releases}
}

func (a Agent) target() codedeploy.Target { return a.Site.Target(sshx.Local{}) }

// Database makes the application's database and account, or, where check is set, tells by an error how they differ:
// what is missing, and what the account may do beyond its own database.
func (a Agent) Database(ctx context.Context, check bool) error {
	account := mysqlrepl.Account{Name: "app", Database: a.Site.DatabaseName(), Password: mysqlrepl.Secret(a.Config.DatabasePassword)}
	socket := mysqlrepl.Address{Socket: a.Site.DatabaseSoftware().Socket}
	if check {
		db, err := mysqlrepl.Open(ctx, sshx.Local{}.Dial, socket, mysqlrepl.Login{User: "root"})
		if err != nil {
			return err
		}
		defer db.Close()
		differs, err := mysqlrepl.Check(ctx, db, account)
		if err == nil && len(differs) > 0 {
			err = fmt.Errorf("site: agent: database: to do: %s", strings.Join(differs, "; "))
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	db, err := mysqlrepl.Wait(ctx, sshx.Local{}.Dial, socket, mysqlrepl.Login{User: "root"})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = mysqlrepl.Ensure(ctx, db, account)
	return err
}

// Install lays a release out beside the current one. It is not served yet.
func (a Agent) Install(ctx context.Context, release string) error {
	_, err := a.install(ctx, release)
	return err
}

func (a Agent) install(ctx context.Context, release string) (r codedeploy.Release, err error) {
	err = a.step("install release "+release, func() error {
		tarball, opened, err := a.store().Open(ctx, release)
		if err != nil {
			return err
		}
		defer tarball.Close()
		r = opened
		return a.target().Install(ctx, r, tarball, a.Site.App.Build)
	})
	return r, err
}

// Remove takes releases from this server; it refuses the current one.
func (a Agent) Remove(ctx context.Context, releases ...string) error {
	for _, r := range releases {
		if err := a.target().Remove(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// Migrate runs the application's migrations with a release that is installed.
func (a Agent) Migrate(ctx context.Context, release string) error {
	if a.Site.App.Migrate == "" {
		return nil
	}
	return a.step("migrate the database", func() error {
		return a.target().Migrate(ctx, release, a.Site.App.Migrate, layout.Environment, layout.AppUser)
	})
}

// Boot brings the release that the site's bucket names onto the server, before the processes start.
func (a Agent) Boot(ctx context.Context) error {
	want, _, err := a.store().Current(ctx)
	if err != nil || want == "" {
		return err
	}
	return a.publish(ctx, want)
}

// publish makes release the current one on this server.
func (a Agent) publish(ctx context.Context, release string) error {
	have, err := a.target().Current(ctx)
	if err != nil || have == release {
		return err
	}
	r, err := a.install(ctx, release)
	if err != nil {
		return err
	}
	return a.target().Publish(ctx, r)
}

// Converge makes the server run what the site's bucket names: release, unit and environment. Processes that run
// something older are restarted one by one, each without a request of its own meanwhile. Those that are none of the
// site's are ended once Apache does not know them any more.
func (a Agent) Converge(ctx context.Context) error {
	want, _, err := a.store().Current(ctx)
	if err != nil {
		return err
	}
	if want == "" {
		return errors.New("site: agent: nothing was deployed yet")
	}
	if err := a.publish(ctx, want); err != nil {
		return err
	}
	processes, err := a.Processes(ctx)
	if err != nil {
		return err
	}
	if err := a.start(ctx, processes); err != nil {
		return err
	}
	if err := a.restartEach(ctx, processes, func(p Process) bool { return p.Release != want || !p.Fresh }); err != nil {
		return err
	}
	return a.target().Prune(ctx, layout.KeepReleases)
}

// Restart restarts the application's processes one by one, each without a request of its own meanwhile.
func (a Agent) Restart(ctx context.Context) error {
	processes, err := a.Processes(ctx)
	if err != nil {
		return err
	}
	return a.restartEach(ctx, processes, func(Process) bool { return true })
}

// restartEach restarts those of the running processes that are to be, ends those that are none of the site's, and then
// gives requests to all.
func (a Agent) restartEach(ctx context.Context, processes []Process, which func(Process) bool) error {
	members, err := a.balancer().Members(ctx)
	if err != nil {
		return err
	}
	for _, p := range processes {
		member := slices.ContainsFunc(members, func(m apachecfg.Member) bool { return m.Addr == loopback(p.Port) })
		switch {
		case p.Extra && !member:
			err = a.run(ctx, "systemctl disable --now "+layout.AppUnit(p.Port))
		case p.Running && which(p):
			err = a.restart(ctx, p.Port, member)
		}
		if err != nil {
			return err
		}
	}
	return a.admit(ctx)
}

// admit gives requests to every process that runs: one whose restart failed, or was killed half-way, was left drained.
func (a Agent) admit(ctx context.Context) error {
	members, err := a.balancer().Members(ctx)
	if err != nil {
		return err
	}
	for _, m := range members {
		if !m.Drained() {
			continue
		}
		if err := a.readmit(ctx, m.Addr.Port()); err != nil {
			return err
		}
	}
	return nil
}

// apache is this server's, but for the ports at which visitors see it.
func (a Agent) apache() apachecfg.Site {
	return a.Site.Apache(ec2x.Server{Name: a.Config.Server, Roles: []string{site.RoleWeb, site.RoleApp, site.RoleDB}})
}

func (a Agent) balancer() *apachecfg.Balancer { return apachecfg.NewBalancer(sshx.Local{}, a.apache()) }

// CheckWeb tells by an error why Apache would not go on serving after a reload with the files that are there now.
func (a Agent) CheckWeb(ctx context.Context) error {
	return apachecfg.Preflight(ctx, sshx.Local{}, a.apache())
}

// start starts the processes that do not run, all at once, and waits for each.
func (a Agent) start(ctx context.Context, processes []Process) error {
	processes = slices.DeleteFunc(slices.Clone(processes), func(p Process) bool { return p.Running || p.Extra })
	if len(processes) == 0 {
		return nil
	}
	var units []string
	for _, p := range processes {
		units = append(units, layout.AppUnit(p.Port))
	}
	return a.step(fmt.Sprintf("start %d processes", len(units)), func() error {
		if err := a.run(ctx, "systemctl reset-failed "+strings.Join(units, " ")+" 2>/dev/null || true; systemctl start --no-block "+strings.Join(units, " ")); err != nil {
			return err
		}
		for _, p := range processes {
			if err := a.healthy(ctx, p.Port); err != nil {
				return err
			}
		}
		return nil
	})
}

// restart restarts one process while the others serve; no member of the balancer has no requests.
func (a Agent) restart(ctx context.Context, port uint16, member bool) error {
	return a.step("restart "+layout.AppUnit(port), func() error {
		work := func(ctx context.Context) error {
			if err := a.run(ctx, "systemctl restart "+layout.AppUnit(port)); err != nil {
				return err
			}
			return a.healthy(ctx, port)
		}
		if !member {
			return work(ctx)
		}
		err := a.drain(ctx, port)
		alone := errors.Is(err, apachecfg.ErrOnlyMember) // then the sooner it is back the better
		if err != nil && !alone {
			return err
		}
		if err := work(ctx); err != nil || alone {
			return err
		}
		return a.readmit(ctx, port)
	})
}

// drainTimeout bounds how long a process may finish its requests before it is restarted. It is Apache's own limit for a
// process that says nothing: what is under way for longer is a WebSocket in use, or a long download.
const drainTimeout = time.Minute

// drain takes a process out of the balancer. One that is not idle in time goes on to its end as a process does that
// systemd stops: see TimeoutStopSec in its unit.
func (a Agent) drain(ctx context.Context, port uint16) error {
	waiting, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	err := a.balancer().Drain(waiting, loopback(port))
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		a.emit(a.progress(fmt.Sprintf("warning: %s is restarted though it is not idle after %s: %v", layout.AppUnit(port), drainTimeout, err)))
		return nil
	}
	return err
}

// readyTimeout bounds how long Apache may take until it sees that a process is healthy: it asks every two seconds, on a
// machine that may be busy.
const readyTimeout = time.Minute

// readmit gives a healthy process requests again. Where Apache's own check does not agree, it asks for another path than
// this program does: the last Up was that of another App.Health.
func (a Agent) readmit(ctx context.Context, port uint16) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := a.balancer().Ready(ctx, loopback(port))
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w; App.Health is %s here; if it was changed, run up first", err, a.Site.WithDefaults().App.Health)
	}
	return err
}

// check asks a process as visitors' requests do.
func (a Agent) check(path string, timeout time.Duration) codedeploy.HTTPCheck {
	host := cmp.Or(a.Config.Host, a.Site.Domain)
	return codedeploy.HTTPCheck{Path: path, Host: host, HTTPS: a.Site.Web.HTTPS.Mode != site.HTTPOnly, Timeout: timeout}
}

func (a Agent) run(ctx context.Context, script string) error {
	return sshx.Local{}.Run(ctx, sshx.Script{Text: script, Root: true})
}

func loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}
