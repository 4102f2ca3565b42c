package site

import (
	_ "embed" // unavailable.html
	"encoding/base64"
	"encoding/json"
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
	"github.com/siteblocks/siteblocks/site/provision"
)

// Inputs are what the desired state of a site's hosts depends on besides the Site itself.
type Inputs struct {
	Servers []ec2x.Server // as the cloud lists them
	Secrets Secrets
	Storage ec2x.Storage
	Agent   provision.Blob // the program that runs on the servers
}

// reservedEnv are the variables that the site, or systemd, sets for the application.
var reservedEnv = []string{
	"PORT", "HOST_NAME", "DATABASE_URL", "SECRET_KEY_BASE", "SITE_CONFIG", "SITE_RELEASE",
	"HOME", "USER", "LOGNAME", "SHELL", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "NOTIFY_SOCKET", "MAINPID",
}

// HostState is the desired state of one server. It is a pure function: equal inputs give equal states.
// The site is valid (see Validate), and the server one of in.Servers.
func (s Site) HostState(server string, in Inputs) (provision.State, error) {
	i := slices.IndexFunc(in.Servers, func(v ec2x.Server) bool { return v.Name == server })
	if i < 0 {
		return provision.State{}, fmt.Errorf("site: state of %q: %w", server, ErrUnknownServer)
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
	return append(steps, s.agentSteps(host, in)...)
}

// agentSteps are the agent and what it knows. Nothing is replaced where the program's Site on the server is not the
// operator's: the agent that is there stays, with what it knows.
func (s Site) agentSteps(host ec2x.Server, in Inputs) []provision.Step {
	record := base64.StdEncoding.EncodeToString(s.Record())
	return []provision.Step{
		provision.Dir{Path: "/etc/siteblocks", Mode: 0o755},
		provision.File{Path: agentPath, Blob: in.Agent, Mode: 0o755, Check: "{} agent version " + record},
		provision.File{Path: recordPath, Content: string(s.Record()), Mode: 0o600, Check: agentPath + " agent version " + record + " <{}"},
		provision.File{Path: agentConfig, Secret: s.agentConfig(host, in), SecretKeys: true, Mode: 0o600},
	}
}

// packages of all of the server's roles, so that apt runs once.
func (s Site) packages(host ec2x.Server) []string {
	names := []string{"ca-certificates"}
	if slices.Contains(host.Roles, RoleApp) {
		names = append(names, s.App.Packages...)
	}
	if slices.Contains(host.Roles, RoleWeb) {
		names = append(names, apachecfg.Packages(s.apache(host))...)
	}
	if slices.Contains(host.Roles, RoleDB) {
		names = append(names, s.engine().Packages...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// engine is the database's software; Validate has seen that the image has it.
func (s Site) engine() mysqlrepl.Software {
	sw, _ := mysqlrepl.SoftwareFor(mysqlrepl.Distro(s.Image), mysqlrepl.Flavor(s.Database.Engine))
	return sw
}

// AgentConfig is what a server's agent knows. It lies on the server, readable by root only.
type AgentConfig struct {
	Server           string `json:"server"`
	Host             string `json:"host,omitempty"` // in visitors' requests; empty is the site's domain
	Bucket           string `json:"bucket"`
	Region           string `json:"region"`
	Endpoint         string `json:"endpoint,omitempty"`
	AccessKeyID      string `json:"access_key_id,omitempty"`
	SecretAccessKey  string `json:"secret_access_key,omitempty"`
	DatabasePassword string `json:"database_password,omitempty"`
	BalancerSecret   string `json:"balancer_secret,omitempty"`
	BackupKey        string `json:"backup_key,omitempty"`
}

func (s Site) agentConfig(host ec2x.Server, in Inputs) Secret {
	c := AgentConfig{
		Server: host.Name, Host: s.address(host).authority(), Bucket: in.Storage.Bucket, Region: in.Storage.Region, Endpoint: in.Storage.ServerEndpoint,
		AccessKeyID: in.Storage.ServerCredentials.AccessKeyID, SecretAccessKey: in.Storage.ServerCredentials.SecretAccessKey,
		DatabasePassword: string(in.Secrets.DatabasePassword), BalancerSecret: string(in.Secrets.BalancerSecret),
		BackupKey: string(in.Secrets.BackupKey),
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		panic(err) // strings only
	}
	return Secret(data)
}

func (s Site) databaseSteps(ec2x.Server, Inputs) ([]provision.Step, error) {
	sw := s.engine()
	conf, err := mysqlrepl.Config{Version: sw.Version}.Render()
	if err != nil {
		return nil, err
	}
	steps := []provision.Step{
		provision.File{Path: sw.Config, Content: conf, Check: sw.Check[0] + " --defaults-file={} " + strings.Join(sw.Check[1:], " ") + " >/dev/null"},
		always(sw.Service),
		provision.Unit{Name: sw.Service, RestartOn: []string{sw.Config}},
		provision.Command{
			Name:   "database and account of the application",
			Script: agentPath + " agent database",
			Unless: agentPath + " agent database -check",
		},
	}
	return append(steps, s.backupSteps()...), nil
}

// appSteps lay out the place of the releases and the processes' unit. The processes themselves are started and
// restarted by a deploy, one by one; here they are only enabled.
func (s Site) appSteps(host ec2x.Server, in Inputs) ([]provision.Step, error) {
	root, shared := s.root(), path.Join(s.root(), "shared")
	steps := []provision.Step{
		provision.User{Name: deployUser, Home: "/home/deploy", Shell: "/bin/bash"},
		provision.Dir{Path: "/home/deploy", Owner: deployUser, Mode: 0o750},
		provision.User{Name: appUser},
		provision.Dir{Path: root, Owner: deployUser},
		provision.Dir{Path: path.Join(root, "releases"), Owner: deployUser},
		provision.Dir{Path: shared, Owner: deployUser},
	}
	var above []string
	for _, p := range slices.Concat(s.App.LinkedDirs, s.App.LinkedFiles) {
		above = append(above, parents(p)...)
	}
	slices.Sort(above)
	for _, p := range slices.Compact(above) {
		if !slices.Contains(s.App.LinkedDirs, p) {
			steps = append(steps, provision.Dir{Path: path.Join(shared, p), Owner: deployUser})
		}
	}
	for _, d := range s.App.LinkedDirs {
		steps = append(steps, provision.Dir{Path: path.Join(shared, d), Owner: appUser, Group: deployUser, Mode: 0o2775})
	}
	ports := make([]string, 0, 4)
	for _, p := range s.App.ports() {
		ports = append(ports, strconv.Itoa(int(p)))
	}
	env := s.environment(host, in)
	return append(steps,
		provision.File{Path: envPath, Secret: env, SecretKeys: true, Group: appUser, Mode: 0o640},
		provision.File{Path: appUnitPath, Content: s.appUnitFile(env)},
		provision.File{Path: "/etc/systemd/system/" + bootUnit, Content: s.bootUnitFile()},
		provision.Unit{Name: bootUnit, State: provision.UnitEnabled},
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
	sw := s.engine()
	env["HOST_NAME"] = s.address(host).host
	env["DATABASE_URL"] = fmt.Sprintf("mysql2://app:%s@localhost/%s?socket=%s", string(in.Secrets.DatabasePassword), s.database(), sw.Socket)
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
	conf := s.apache(host)
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
		provision.File{Path: balancerKey, Secret: in.Secrets.BalancerSecret, Group: apachecfg.User, Mode: 0o640},
		provision.File{Path: unavailablePath, Content: unavailablePage},
	}
	reload := []string{"config:apache2"}
	if conf.HTTPS.Port != 0 {
		steps = append(steps,
			provision.File{Path: certPath, Content: in.Secrets.Certificate.Cert},
			provision.File{Path: keyPath, Secret: in.Secrets.Certificate.Key, Mode: 0o600})
		reload = append(reload, certPath, keyPath)
	}
	// A module that was enabled since needs a restart: see apachecfg.Reload.
	return append(steps, config, always(apachecfg.Unit), provision.Unit{
		Name: apachecfg.Unit, ReloadOn: reload, RestartOn: []string{enabledModules}, Check: agentPath + " agent check-web",
	}), nil
}

// apache is the site as Apache serves it on one server.
func (s Site) apache(host ec2x.Server) apachecfg.Site {
	addr, web, app := s.address(host), s.Web.withDefaults(), s.App.withDefaults()
	c := apachecfg.Site{
		Name: s.Name, Host: addr.host, Aliases: s.Aliases,
		HTTP:        apachecfg.HTTP{Port: 80, PublicPort: addr.http, RedirectToHTTPS: web.HTTPS.Mode == HTTPSRedirect},
		Root:        path.Join(s.root(), "current", "public"),
		Immutable:   []string{"/assets/"},
		HealthPath:  app.Health,
		Maintenance: apachecfg.Maintenance{Flag: s.maintenanceFlag(), Page: unavailablePath},
		MaxBody:     web.MaxBody,
		Loopback:    apachecfg.Loopback{Port: statusPort, SecretFile: balancerKey},
	}
	if addr.host != s.Domain {
		c.Aliases = append([]string{s.Domain}, s.Aliases...)
	}
	if web.PageCache != "-" {
		c.CachedPages = []string{path.Join(c.Root, web.PageCache)}
	}
	if web.HTTPS.Mode != HTTPOnly {
		c.HTTPS = apachecfg.HTTPS{Port: 443, PublicPort: addr.https, Certificate: certPath, Key: keyPath}
	}
	for _, p := range s.App.ports() {
		c.App.Processes = append(c.App.Processes, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p))
	}
	return c
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
