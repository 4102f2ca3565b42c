package site

import (
	_ "embed" // unavailable.html
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/mysqlrepl"
	"github.com/siteblocks/siteblocks/site/internal/layout"
	"github.com/siteblocks/siteblocks/site/provision"
)

// ErrUnknownServer is returned for a server's name that the site does not have.
var ErrUnknownServer = errors.New("no such server")

// Inputs are what the desired state of a site's hosts depends on besides the Site itself.
type Inputs struct {
	Servers []ec2x.Server // as the cloud lists them
	Secrets Secrets
	Storage ec2x.Storage
	Agent   provision.Blob // the program that runs on the servers
}

// reservedEnv are the variables that the site, or systemd, sets for the application.
var reservedEnv = []string{
	"PORT", "HOST_NAME", "DATABASE_URL", "SECRET_KEY_BASE", "SITE_RELEASE",
	"HOME", "USER", "LOGNAME", "SHELL", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "NOTIFY_SOCKET", "MAINPID",
}

// HostState is the desired state of one server. It is a pure function: equal inputs give equal states.
// The site is valid (see Validate), and the server one of in.Servers.
func (s Site) HostState(server string, in Inputs) (provision.State, error) {
	i := slices.IndexFunc(in.Servers, func(v ec2x.Server) bool { return v.Name == server })
	if i < 0 {
		var names []string
		for _, v := range in.Servers {
			names = append(names, v.Name)
		}
		return provision.State{}, fmt.Errorf("site: state of %q: %w; there are %s", server, ErrUnknownServer, strings.Join(names, ", "))
	}
	host := in.Servers[i]
	steps := s.baseSteps(host, in)
	for _, part := range []struct {
		role  string
		steps func(ec2x.Server, Inputs) ([]provision.Step, error)
	}{{RoleDB, s.databaseSteps}, {RoleApp, s.appSteps}, {RoleWeb, s.webSteps}} {
		if !slices.Contains(host.Roles, part.role) {
			continue
		}
		more, err := part.steps(host, in)
		if err != nil {
			return provision.State{}, fmt.Errorf("site: state of %q: %w", server, err)
		}
		steps = append(steps, more...)
	}
	return provision.State{Steps: steps}, nil
}

// baseSteps are what every server has: the site's program as its agent.
func (s Site) baseSteps(host ec2x.Server, in Inputs) []provision.Step {
	steps := []provision.Step{
		provision.Packages{Names: s.packages(host)},
		always("ssh.service"), // a server without it cannot be reached to be mended
	}
	return append(steps, s.AgentState(host, in).Steps...)
}

// AgentState is the part of HostState that is the agent and what it knows. Nothing is replaced where the program's Site on the server is not the
// operator's: the agent that is there stays, with what it knows.
func (s Site) AgentState(host ec2x.Server, in Inputs) provision.State {
	record := base64.StdEncoding.EncodeToString(s.Record())
	return provision.State{Steps: []provision.Step{
		provision.Dir{Path: "/etc/siteblocks", Mode: 0o755},
		provision.File{Path: layout.Agent, Blob: in.Agent, Mode: 0o755, Check: "{} agent version " + record},
		provision.File{Path: layout.Record, Content: string(s.Record()), Mode: 0o600, Check: layout.Agent + " agent version " + record + " <{}"},
		provision.File{Path: layout.AgentConfig, Secret: s.agentConfig(host, in).file(), SecretKeys: true, Mode: 0o600},
	}}
}

// packages of all of the server's roles, so that apt runs once.
func (s Site) packages(host ec2x.Server) []string {
	names := []string{"ca-certificates"}
	if slices.Contains(host.Roles, RoleApp) {
		names = append(names, s.App.Packages...)
	}
	if slices.Contains(host.Roles, RoleWeb) {
		names = append(names, apachecfg.Packages(s.Apache(host))...)
	}
	if slices.Contains(host.Roles, RoleDB) {
		names = append(names, s.DatabaseSoftware().Packages...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// DatabaseSoftware is the database's software; Validate has seen that the image has it.
func (s Site) DatabaseSoftware() mysqlrepl.Software {
	sw, _ := mysqlrepl.SoftwareFor(mysqlrepl.Distro(s.Image), mysqlrepl.Flavor(s.Database.Engine))
	return sw
}

func (s Site) databaseSteps(ec2x.Server, Inputs) ([]provision.Step, error) {
	sw := s.DatabaseSoftware()
	conf, err := mysqlrepl.Config{Version: sw.Version, SocketOnly: true}.Render() // a port could be taken while the server restarts
	if err != nil {
		return nil, err
	}
	steps := []provision.Step{
		provision.File{Path: sw.Config, Content: conf, Check: sw.Check[0] + " --defaults-file={} " + strings.Join(sw.Check[1:], " ") + " >/dev/null"},
		provision.Dir{Path: mysqlrepl.LogDir, Owner: "mysql", Group: "adm", Mode: 0o2750},
		always(sw.Service),
		provision.Unit{Name: sw.Service, RestartOn: []string{sw.Config}},
		provision.Command{
			Name:   "database and account of the application",
			Script: layout.Agent + " agent database",
			Unless: layout.Agent + " agent database -check",
		},
	}
	return append(steps, s.backupSteps()...), nil
}

// appSteps lay out the place of the releases and the processes' unit. The processes themselves are started and
// restarted by a deploy, one by one; here they are only enabled.
func (s Site) appSteps(host ec2x.Server, in Inputs) ([]provision.Step, error) {
	root, shared := s.Root(), path.Join(s.Root(), "shared")
	steps := []provision.Step{
		provision.User{Name: layout.DeployUser, Home: "/home/deploy", Shell: "/bin/bash"},
		provision.Dir{Path: "/home/deploy", Owner: layout.DeployUser, Mode: 0o750},
		provision.User{Name: layout.AppUser},
		provision.Dir{Path: root, Owner: layout.DeployUser},
		provision.Dir{Path: path.Join(root, "releases"), Owner: layout.DeployUser},
		provision.Dir{Path: shared, Owner: layout.DeployUser},
	}
	var above []string
	for _, p := range slices.Concat(s.App.LinkedDirs, s.App.LinkedFiles) {
		above = append(above, parents(p)...)
	}
	slices.Sort(above)
	for _, p := range slices.Compact(above) {
		if !slices.Contains(s.App.LinkedDirs, p) {
			steps = append(steps, provision.Dir{Path: path.Join(shared, p), Owner: layout.DeployUser})
		}
	}
	for _, d := range s.App.LinkedDirs {
		steps = append(steps, provision.Dir{Path: path.Join(shared, d), Owner: layout.AppUser, Group: layout.DeployUser, Mode: 0o2775})
	}
	ports := make([]string, 0, 4)
	for _, p := range s.App.Ports() {
		ports = append(ports, strconv.Itoa(int(p)))
	}
	env := s.environment(host, in)
	return append(steps,
		provision.File{Path: layout.Environment, Secret: env, SecretKeys: true, Group: layout.AppUser, Mode: 0o640},
		provision.File{Path: layout.AppUnitFile, Content: s.appUnitFile(env)},
		provision.File{Path: "/etc/systemd/system/" + layout.BootUnit, Content: s.bootUnitFile()},
		provision.Unit{Name: layout.BootUnit, State: provision.UnitEnabled},
		provision.Unit{Name: "app@.service", Instances: ports, State: provision.UnitEnabled},
	), nil
}

// parents of "a/b/c" are "a" and "a/b".
func parents(p string) []string {
	var all []string
	for d := path.Dir(p); d != "."; d = path.Dir(d) {
		all = append([]string{d}, all...)
	}
	return all
}

// environment is the processes' environment file: secrets are in it.
func (s Site) environment(host ec2x.Server, in Inputs) Secret {
	env := maps.Clone(s.App.Env)
	if env == nil {
		env = map[string]string{}
	}
	sw := s.DatabaseSoftware()
	env["HOST_NAME"] = s.Address(host).Host
	env["DATABASE_URL"] = fmt.Sprintf("mysql2://app:%s@localhost/%s?socket=%s", string(in.Secrets.DatabasePassword), s.DatabaseName(), sw.Socket)
	env["SECRET_KEY_BASE"] = string(in.Secrets.SecretKeyBase)
	var b strings.Builder
	for _, k := range sortedKeys(env) {
		fmt.Fprintf(&b, "%s=%s\n", k, unitQuote(env[k]))
	}
	return Secret(b.String())
}

// distributionConf is what Debian's package of Apache enables besides its welcome page.
var distributionConf = []string{
	confEnabled + "/charset.conf", confEnabled + "/localized-error-pages.conf", confEnabled + "/other-vhosts-access-log.conf",
	confEnabled + "/security.conf", confEnabled + "/serve-cgi-bin.conf",
}

//go:embed unavailable.html
var unavailablePage string

func (s Site) webSteps(host ec2x.Server, in Inputs) ([]provision.Step, error) {
	conf := s.Apache(host)
	files, err := apachecfg.Files(conf)
	if err != nil {
		return nil, err
	}
	config := provision.Config{
		Name: "apache2", Check: "apache2ctl -t", Absent: []string{apachecfg.DefaultPath},
		Owns: []string{sitesEnabled, confEnabled}, Keep: distributionConf,
	}
	for _, f := range files {
		config.Files = append(config.Files, provision.File{Path: f.Path, Content: string(f.Content), Mode: uint32(f.Mode.Perm())})
	}
	for _, m := range apachecfg.Modules(conf) {
		config.Links = append(config.Links, provision.Link{Path: enabledModules + m + ".load", Target: "../mods-available/" + m + ".load"})
	}
	config.Links = append(config.Links, provision.Link{Path: apachecfg.EnabledPath(s.Name), Target: apachecfg.ConfigPath(s.Name)})
	steps := []provision.Step{
		provision.File{Path: layout.BalancerSecret, Secret: in.Secrets.BalancerSecret, Mode: 0o600},
		provision.File{Path: apachecfg.SecretConfPath(layout.BalancerSecret), Secret: Secret(apachecfg.SecretConf(string(in.Secrets.BalancerSecret))), Mode: 0o600},
		provision.File{Path: apachecfg.DropInPath, Content: apachecfg.DropIn},
		provision.File{Path: layout.Unavailable, Content: unavailablePage},
	}
	reload := []string{"config:apache2", apachecfg.SecretConfPath(layout.BalancerSecret)}
	if conf.HTTPS.Port != 0 {
		steps = append(steps,
			provision.File{Path: layout.Certificate, Content: in.Secrets.Certificate.Cert},
			provision.File{Path: layout.CertificateKey, Secret: in.Secrets.Certificate.Key, Mode: 0o600})
		reload = append(reload, layout.Certificate, layout.CertificateKey)
	}
	// A module that was enabled since needs a restart: see apachecfg.Reload.
	return append(steps, config, always(apachecfg.Unit), provision.Unit{
		Name: apachecfg.Unit, ReloadOn: reload, RestartOn: []string{enabledModules}, Check: layout.Agent + " agent check-web",
	}), nil
}

// Apache is the site as Apache serves it on one server.
func (s Site) Apache(host ec2x.Server) apachecfg.Site {
	addr, web, app := s.Address(host), s.Web.withDefaults(), s.App.withDefaults()
	c := apachecfg.Site{
		Name: s.Name, Host: addr.Host, Aliases: s.Aliases,
		HTTP:        apachecfg.HTTP{Port: 80, PublicPort: addr.HTTP, RedirectToHTTPS: web.HTTPS.Mode == HTTPSRedirect},
		Root:        s.public(""),
		Shared:      map[string]string{},
		Immutable:   []string{"/assets/"},
		HealthPath:  app.Health,
		Maintenance: apachecfg.Maintenance{Flag: layout.Maintenance, Page: layout.Unavailable},
		MaxBody:     web.MaxBody,
		Loopback:    apachecfg.Loopback{Port: layout.StatusPort, SecretFile: layout.BalancerSecret},
	}
	if addr.Host != s.Domain {
		c.Aliases = append([]string{s.Domain}, s.Aliases...)
	}
	if web.PageCache != "-" {
		c.CachedPages = []string{s.public(web.PageCache)}
	}
	if web.HTTPS.Mode != HTTPOnly {
		c.HTTPS = apachecfg.HTTPS{Port: 443, PublicPort: addr.HTTPS, Certificate: layout.Certificate, Key: layout.CertificateKey, HSTS: web.HTTPS.HSTS}
	}
	for _, d := range s.App.LinkedDirs {
		if below, ok := strings.CutPrefix(d, "public/"); ok && !strings.HasPrefix(below, ".") {
			c.Shared["/"+below+"/"] = s.public(below)
		}
	}
	for _, p := range s.App.Ports() {
		c.App.Processes = append(c.App.Processes, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p))
	}
	return c
}

// public is where a path below public/ really lies: Apache follows no link into what the application may write.
func (s Site) public(below string) string {
	for _, d := range s.App.LinkedDirs {
		if p := path.Join("public", below); p == d || strings.HasPrefix(p, d+"/") {
			return path.Join(s.Root(), "shared", p)
		}
	}
	return path.Join(s.Root(), "current", "public", below)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
