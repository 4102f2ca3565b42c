//go:build integration

package provision_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/provision"
)

// counter counts the round trips to a host.
type counter struct {
	sshx.Host
	runs atomic.Int32
}

func (c *counter) Run(ctx context.Context, s sshx.Script) error {
	c.runs.Add(1)
	return c.Host.Run(ctx, s)
}

func (c *counter) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.Host.Dial(ctx, network, address)
}

// output runs a script as root and returns what it put out.
func output(t testing.TB, host sshx.Host, script string) string {
	t.Helper()
	var out, errout bytes.Buffer
	err := host.Run(context.Background(), sshx.Script{Text: script, Root: true, Stdout: &out, Stderr: &errout})
	require.NoError(t, err, errout.String())
	return strings.TrimSpace(out.String())
}

func up(t testing.TB, host sshx.Host, state provision.State) (provision.Result, error) {
	t.Helper()
	target := provision.Target{Name: "web-1", Host: host, State: state}
	results, err := provision.Run(t.Context(), []provision.Target{target}, provision.Options{LockWait: time.Minute})
	return results[0], err
}

// settled brings the host to its state and shows that nothing is left to do, in one round trip.
func settled(t testing.TB, host sshx.Host, state provision.State) {
	t.Helper()
	_, err := up(t, host, state)
	require.NoError(t, err)
	unchanged(t, host, state)
}

func unchanged(t testing.TB, host sshx.Host, state provision.State) {
	t.Helper()
	counted := &counter{Host: host}
	result, err := up(t, counted, state)
	require.NoError(t, err)
	require.Empty(t, result.Plan.String())
	require.EqualValues(t, 1, counted.runs.Load())
	require.Empty(t, output(t, host, `find /var/lib/siteblocks /run/siteblocks -type f ! -name lock ! -name holder ! -name generation ! -name apt-updated
		find / -xdev -name '*.siteblocks-new'; ls -A /var/lib/siteblocks/provision/owed; [ ! -e /usr/sbin/policy-rc.d ] || cat /usr/sbin/policy-rc.d`))
}

func withConf(text string) provision.State {
	return change(func(step provision.Step) provision.Step {
		if c, ok := step.(provision.Config); ok {
			c.Files[0].Content = text
			return c
		}
		return step
	})
}

func get(t testing.TB, m *localtest.Machine) string {
	t.Helper()
	answer, err := http.Get("http://" + m.Port(80).String() + "/")
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(body)
}

func TestWebServer(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1", Ports: []uint16{80}})
	settled(t, m.Host, webState())
	require.Equal(t, "<h1>shop</h1>\n", get(t, m))
	require.Equal(t, "app app 600", output(t, m.Host, "stat -c '%U %G %a' /etc/app/password"))
	require.Equal(t, "from the input", output(t, m.Host, "cat /srv/app/seal"))
	require.Equal(t, "app", output(t, m.Host, "stat -c %U /srv/app/seal"))
	require.Equal(t, "run", output(t, m.Host, "cat /srv/app/count"))
	require.Equal(t, "active\nactive\nactive\nactive", output(t, m.Host, "systemctl is-active apache2 app@3001 app@3002 tick.timer"))

	t.Run("drift is shown and mended", func(t *testing.T) { drift(t, m) })
	t.Run("a refused configuration stays out", func(t *testing.T) { refused(t, m) })
	t.Run("a reload that failed is owed", func(t *testing.T) { owed(t, m) })
	t.Run("units that do not stay up", func(t *testing.T) { dyingUnit(t, m) })
	t.Run("two runs at once", func(t *testing.T) { together(t, m) })
	t.Run("secrets", func(t *testing.T) { secrets(t, m) })
}

// drift is one of each kind, as a person at the server would make it.
func drift(t *testing.T, m *localtest.Machine) {
	output(t, m.Host, `cd /etc/apache2; sed -i 's/shop.example/other.example/' sites-available/shop.conf; echo '# by hand' >>sites-available/shop.conf
		rm conf-enabled/shop-name.conf; ln -sfn /etc/passwd sites-enabled/shop.conf; echo '# a stranger' >sites-enabled/stranger.conf
		ln -s ../sites-available/000-default.conf sites-enabled/000-default.conf; ln -s ../sites-available/default-ssl.conf sites-enabled/
		chmod 644 /etc/app/password; chown app /etc/systemd/system/tick.service; rm /srv/app/index.html; chown root /srv/app; mkdir /var/www/html
		systemctl disable --now tick.timer; systemctl enable --now app@3009; systemctl stop app@3002; usermod --shell /bin/sh app
		systemctl stop apache2; systemctl mask apache2`)
	target := []provision.Target{{Name: "web-1", Host: m.Host, State: webState()}}
	results, err := provision.Run(t.Context(), target, provision.Options{DryRun: true})
	require.NoError(t, err)
	golden(t, "mend.txt", results[0].Plan.String())
	require.Equal(t, "644", output(t, m.Host, "stat -c %a /etc/app/password"), "a dry run changes nothing")
	settled(t, m.Host, webState())
	require.Equal(t, "<h1>shop</h1>\n", get(t, m))
	require.Equal(t, "inactive", output(t, m.Host, "systemctl is-active app@3009 || true"))
	require.Equal(t, "shop.conf\n# a stranger", output(t, m.Host, "ls /etc/apache2/sites-enabled; cat /var/backups/siteblocks/etc/apache2/sites-enabled/stranger.conf.*"))

	output(t, m.Host, "dpkg --remove tree; ln -s ../sites-available/default-ssl.conf /etc/apache2/sites-enabled/")
	results, err = provision.Run(t.Context(), target, provision.Options{DryRun: true})
	require.NoError(t, err)
	require.Contains(t, results[0].Plan.String(), "install packages apache2 no-such-server|tree (tree)\n")
	output(t, m.Host, "rm /etc/apache2/sites-enabled/default-ssl.conf")
	settled(t, m.Host, webState())
}

func refused(t *testing.T, m *localtest.Machine) {
	before := output(t, m.Host, "sha256sum /etc/apache2/sites-available/shop.conf; systemctl show -p MainPID -p NRestarts -p ActiveEnterTimestamp apache2")
	state := withConf("<VirtualHost *:80>\n\tNonsense on\n</VirtualHost>\n")
	for i, step := range state.Steps {
		if c, ok := step.(provision.Config); ok {
			c.Files = append(c.Files, provision.File{Path: "/etc/apache2/conf-available/more.conf", Content: "# more\n"})
			c.Links = append(c.Links, provision.Link{Path: "/etc/apache2/conf-enabled/more.conf", Target: "../conf-available/more.conf"})
			state.Steps[i] = c
		}
	}
	_, err := up(t, m.Host, state)
	require.ErrorContains(t, err, "change 1 of ")
	require.ErrorContains(t, err, "config apache2: exit status 1")
	require.ErrorContains(t, err, "this one was put back as it was")
	require.ErrorContains(t, err, "Invalid command 'Nonsense'")
	require.Equal(t, before, output(t, m.Host, "sha256sum /etc/apache2/sites-available/shop.conf; systemctl show -p MainPID -p NRestarts -p ActiveEnterTimestamp apache2"))
	require.Empty(t, output(t, m.Host, "ls /etc/apache2/conf-*/more.conf 2>/dev/null || true"))
	unchanged(t, m.Host, webState())

	sudoers := provision.File{Path: "/etc/sudoers.d/app", Mode: 0o440, Content: "app ALL=(root) NOPASSWD: /usr/bin/true\n", Check: "visudo -cf {}"}
	settled(t, m.Host, steps(sudoers))
	good := output(t, m.Host, "cat /etc/sudoers.d/app")
	sudoers.Content = "app may do anything\n"
	_, err = up(t, m.Host, steps(sudoers))
	require.ErrorContains(t, err, "syntax error")
	require.Equal(t, good, output(t, m.Host, "cat /etc/sudoers.d/app"))
	settled(t, m.Host, steps(provision.Absent{Path: "/etc/sudoers.d/app"}))
}

func owed(t *testing.T, m *localtest.Machine) {
	state := change(func(step provision.Step) provision.Step {
		switch s := step.(type) {
		case provision.Unit:
			if s.Name == "apache2.service" {
				s.Check = "test ! -e /tmp/not-now || { echo busy port; exit 1; }"
			}
			return s
		case provision.Config:
			s.Files[0].Content += "# a comment\n"
			return s
		}
		return step
	})
	pid := output(t, m.Host, "touch /tmp/not-now; systemctl show -p MainPID apache2")
	_, err := up(t, m.Host, state)
	require.ErrorContains(t, err, "unit apache2.service: exit status 1")
	require.ErrorContains(t, err, "busy port")
	output(t, m.Host, "rm /tmp/not-now")
	result, err := up(t, m.Host, state)
	require.NoError(t, err)
	require.Contains(t, result.Plan.String(), "reload unit apache2.service (owed since a run that was interrupted or failed)\n")
	require.Equal(t, pid, output(t, m.Host, "systemctl show -p MainPID apache2"), "reloaded, not restarted")
	unchanged(t, m.Host, state)
	settled(t, m.Host, webState())
}

func dyingUnit(t *testing.T, m *localtest.Machine) {
	state := steps(
		provision.File{Path: "/etc/systemd/system/dies.service", Content: "[Service]\nExecStart=/bin/sh -c 'echo no database; exit 3'\n[Install]\nWantedBy=multi-user.target\n"},
		provision.Unit{Name: "dies.service"},
	)
	_, err := up(t, m.Host, state)
	require.ErrorContains(t, err, "change 2 of 2: unit dies.service")
	require.ErrorContains(t, err, "status=3")
	state.Steps[0] = provision.File{Path: "/etc/systemd/system/dies.service", Content: appUnit}
	settled(t, m.Host, state)
	state.Steps[1] = provision.Unit{Name: "dies.service", State: provision.UnitStopped}
	settled(t, m.Host, state)
	require.Equal(t, "inactive disabled", output(t, m.Host, "echo $(systemctl is-active dies; systemctl is-enabled dies)"))
	settled(t, m.Host, steps(provision.Unit{Name: "apt-daily.timer", State: provision.UnitMasked}))
	settled(t, m.Host, steps(provision.Unit{Name: "apt-daily.timer"}))
}

func together(t *testing.T, m *localtest.Machine) {
	state := change(func(step provision.Step) provision.Step {
		if f, ok := step.(provision.File); ok && f.Path == "/srv/app/index.html" {
			f.Content = "<h1>new shop</h1>\n"
			return f
		}
		return step
	})
	var targets []provision.Target
	for range 4 {
		targets = append(targets, provision.Target{Name: "web-1", Host: m.Host, State: state})
	}
	_, err := provision.Run(t.Context(), targets, provision.Options{})
	require.NoError(t, err)
	require.Equal(t, "run\nrun\nrun", output(t, m.Host, "cat /srv/app/count"), "one of them changed it, once")
	settled(t, m.Host, webState())

	held := make(chan error, 1)
	ctx, release := context.WithCancel(t.Context())
	go func() {
		held <- m.Host.Run(ctx, sshx.Script{Root: true, Text: "exec 9>>/run/siteblocks/provision/lock; flock 9; : >/tmp/held; sleep 60"})
	}()
	output(t, m.Host, "for i in $(seq 100); do [ -e /tmp/held ] && break; sleep 0.1; done; [ -e /tmp/held ]; rm /tmp/held")
	target := provision.Target{Name: "web-1", Host: m.Host, State: state}
	_, err = provision.Run(t.Context(), []provision.Target{target}, provision.Options{LockWait: time.Second})
	require.ErrorIs(t, err, provision.ErrLocked)
	require.ErrorContains(t, err, "since 20")
	release()
	require.Error(t, <-held)
	unchanged(t, m.Host, webState())
}

func secrets(t *testing.T, m *localtest.Machine) {
	const secret = "correct-horse-battery"
	state := steps(
		provision.File{Path: "/etc/app/key", Secret: "key: " + secret + "\n", Check: "sleep 1; cat {}; false"},
		provision.Command{Name: "use", Script: "sleep 1; cat", Unless: "false", Stdin: secret},
	)
	seen := make(chan string, 1)
	go func() {
		seen <- output(t, m.Host, "for i in $(seq 30); do ps axwwe -o args; sleep 0.1; done; find /run/siteblocks /var/lib/siteblocks -perm /077 -type f")
	}()
	for range 2 {
		var shown strings.Builder
		target := provision.Target{Name: "web-1", Host: m.Host, State: state}
		_, err := provision.Run(t.Context(), []provision.Target{target}, provision.Options{
			Events: func(e provision.Event) { shown.WriteString(e.String() + "\n") },
		})
		require.Error(t, err)
		require.Contains(t, shown.String(), "REDACTED")
		require.NotContains(t, shown.String()+err.Error(), secret)
		state.Steps = state.Steps[1:]
	}
	processes := <-seen
	require.Contains(t, processes, "sleep 1")
	require.NotContains(t, processes, secret)
	require.Empty(t, output(t, m.Host, "grep -rl correct-hors[e]-battery /run/siteblocks /var/lib/siteblocks /etc /tmp /dev/shm || true"))
}
