//go:build integration

package operate_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// runOn runs a script as root and returns what it prints.
func runOn(t *testing.T, h sshx.Host, script string) string {
	t.Helper()
	var out, errout bytes.Buffer
	err := h.Run(t.Context(), sshx.Script{Text: script, Root: true, Stdout: &out, Stderr: &errout})
	require.NoError(t, err, "%s: %s", script, &errout)
	return strings.TrimSpace(out.String())
}

// TestLife lives through a site's whole life by the library alone, over the wire.
func TestLife(t *testing.T) {
	t.Parallel()
	o, j := guestBook(t, func(s *site.Site) { s.App.BootTimeout = 3 * time.Minute }) // on a machine that runs other tests too
	start := time.Now()
	r, err := o.Up(t.Context())
	require.NoError(t, err)
	t.Logf("up: %s, %d changes", time.Since(start).Round(time.Second), r.Changed)
	require.Equal(t, []string{"web-1"}, r.Launched)
	require.Contains(t, r.URL, "http://"+o.Site.Name+".localhost:")
	v := newVisitor(t, r.URL)

	t.Run("one server has it all", func(t *testing.T) { oneServer(t, o, v) })
	t.Run("files and cached pages without the application", func(t *testing.T) { withoutApplication(t, o, v) })
	t.Run("names", func(t *testing.T) { names(t, o, v) })
	t.Run("whoever should run, runs", func(t *testing.T) { runsAgain(t, o, v) })
	t.Run("the application is kept in", func(t *testing.T) { keptIn(t, o) })
	t.Run("up again changes nothing", func(t *testing.T) { upAgain(t, o) })
	t.Run("a process is killed", func(t *testing.T) { killedProcess(t, o, v) })
	t.Run("maintenance", func(t *testing.T) { maintenance(t, o, v) })
	t.Run("deploy and rollback", func(t *testing.T) { deployAndRollback(t, o, v) })
	t.Run("a release that does not boot", func(t *testing.T) { brokenRelease(t, o, v) })
	t.Run("drift", func(t *testing.T) { drift(t, o, v) })
	t.Run("faults", func(t *testing.T) { faults(t, o, v) })
	t.Run("a server boots with the release of the bucket", func(t *testing.T) { emptyDisk(t, o, v) })
	t.Run("what faults cost", func(t *testing.T) { losses(t, o, v, 1) })
	t.Run("status", func(t *testing.T) { status(t, o) })
	t.Run("logs", func(t *testing.T) { logs(t, o, v) })
	t.Run("no secret is told", func(t *testing.T) { untold(t, o, j) })
	t.Run("down leaves nothing", func(t *testing.T) { down(t, o) })
}

func oneServer(t *testing.T, o operate.Operator, v *visitor) {
	v.sign(t, "Ada", "the first entry")
	require.Contains(t, v.get(t, "/").body, "the first entry")
	balanced(t, v)
	require.Equal(t, "active\nactive\nactive\nactive\nactive\nactive",
		onServer(t, o, "systemctl is-active apache2 mariadb app@8001 app@8002 app@8003 app@8004"))
	require.Equal(t, "app", onServer(t, o, "ps -o user= -p $(systemctl show -p MainPID --value app@8001)"))
	listening := onServer(t, o, `apt-get install -qq -y iproute2 >/dev/null 2>&1; ss -Hltn | awk '{print $4}' | grep -v '^127\.\|^\[::1\]' | sed 's/.*://' | sort -un | xargs`)
	require.Equal(t, "22 80", listening, "nothing else is open to the world")
}

// balanced requires that Apache balances over four processes.
func balanced(t *testing.T, v *visitor) {
	t.Helper()
	ports := map[string]bool{}
	require.Eventually(t, func() bool {
		ports[v.whoami(t)["port"]] = true
		return len(ports) == 4
	}, 20*time.Second, 10*time.Millisecond)
}

func withoutApplication(t *testing.T, o operate.Operator, v *visitor) {
	written := v.get(t, "/about").body
	onServer(t, o, "systemctl stop 'app@*'")
	style := v.get(t, "/style.css")
	require.Equal(t, http.StatusOK, style.StatusCode)
	require.NotEmpty(t, style.Header.Get("Cache-Control"))
	about := v.get(t, "/about")
	require.Equal(t, http.StatusOK, about.StatusCode)
	require.Equal(t, written, about.body, "the page that the application wrote")
	require.Equal(t, http.StatusServiceUnavailable, v.get(t, "/").StatusCode)
	_, err := o.Up(t.Context())
	require.NoError(t, err, "up starts what was stopped")
	require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode)
}

func names(t *testing.T, o operate.Operator, v *visitor) {
	for _, other := range append([]string{o.Site.Domain}, o.Site.Aliases...) {
		moved := v.get(t, other+"/entries?page=2&q=a%20b")
		require.Equal(t, http.StatusPermanentRedirect, moved.StatusCode, other)
		require.Equal(t, v.base.String()+"entries?page=2&q=a%20b", moved.Header.Get("Location"), other)
	}
	require.Equal(t, http.StatusMisdirectedRequest, v.get(t, "stranger.example/").StatusCode)
	forged := v.get(t, "/", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "Forwarded", "host=evil.example")
	require.NotContains(t, forged.body, "evil.example")
	require.NotEmpty(t, forged.Header.Get("X-Content-Type-Options"))
}

func upAgain(t *testing.T, o operate.Operator) {
	start := time.Now()
	r, err := o.Up(t.Context())
	require.NoError(t, err)
	t.Logf("up that changes nothing: %s", time.Since(start))
	require.Zero(t, r.Changed)
	require.Empty(t, r.Launched)
	p, err := o.Plan(t.Context())
	require.NoError(t, err)
	require.True(t, p.Empty())
}

func killedProcess(t *testing.T, o operate.Operator, v *visitor) {
	run := load(t, v.base.String())
	for range 3 {
		time.Sleep(time.Second) // load before, between and after
		onServer(t, o, "systemctl kill -s KILL app@8002")
	}
	require.Eventually(t, func() bool { return v.whoami(t)["port"] == "8002" }, 5*time.Minute, 100*time.Millisecond, "it comes back by itself")
	unharmed(t, "one of four processes killed three times", run)
}

func maintenance(t *testing.T, o operate.Operator, v *visitor) {
	run := load(t, v.base.String())
	end := run.Expect(http.StatusServiceUnavailable)
	for range 4 { // so that many requests meet a change
		require.NoError(t, o.SetMaintenance(t.Context(), true))
		require.NoError(t, o.SetMaintenance(t.Context(), false))
	}
	require.NoError(t, o.SetMaintenance(t.Context(), true))
	page := v.get(t, "/")
	require.Equal(t, http.StatusServiceUnavailable, page.StatusCode)
	require.NotEmpty(t, page.Header.Get("Retry-After"))
	require.Contains(t, page.body, "Back in a moment")
	require.Equal(t, http.StatusOK, v.get(t, "/up").StatusCode, "health is still answered")
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	require.True(t, st.Servers[0].Report.Maintenance)
	require.Equal(t, []string{"maintenance is on: visitors get 503 Service Unavailable; maintenance off ends it"}, st.Problems)
	require.NoError(t, o.SetMaintenance(t.Context(), false))
	require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode)
	end()
	unharmed(t, "maintenance on and off", run)

	upload := "/var/www/" + o.Site.Name + "/shared/public/system/maintenance.html"
	onServer(t, o, "echo '<h1>back at noon</h1>' >"+upload)
	require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode, "a file that the application may write switches nothing")
	require.Contains(t, v.get(t, "/system/maintenance.html").body, "back at noon")
	onServer(t, o, "rm "+upload)
}

// running is the release that every process runs.
func running(t *testing.T, o operate.Operator) string {
	t.Helper()
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ok", st.Answer)
	require.NotNil(t, st.Servers[0].Report, st.Servers[0].Error)
	for _, p := range st.Servers[0].Report.Processes {
		require.True(t, p.Running && p.Fresh, "%+v", p)
		require.Equal(t, st.Release, p.Release)
	}
	return st.Release
}

func deployAndRollback(t *testing.T, o operate.Operator, v *visitor) {
	first := running(t, o)
	edited := o // in its program; the last up was o's
	edited.Site.App.Migrate += " && touch log/edited"
	edited.Site.App.Processes = 5
	_, err := edited.Deploy(t.Context())
	require.ErrorContains(t, err, "App.Migrate is", "the servers would run another Site than this one")
	require.Equal(t, first, running(t, o))

	edited.Program = program(t, edited.Site)
	run := load(t, v.base.String())
	r, err := edited.Deploy(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, r.Release)
	unharmed(t, "deploy", run)
	onServer(t, o, "test -e /var/www/"+o.Site.Name+"/shared/log/edited") // the new program's command
	require.Contains(t, strings.Join(r.Pending, "\n"), "web-1: update config apache2", "the fifth process waits for up")
	require.NotContains(t, strings.Join(r.Pending, "\n"), "agent")
	require.Equal(t, r.Release, v.whoami(t)["release"])

	run = load(t, v.base.String())
	back, err := o.Rollback(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, first, back.Release)
	require.Empty(t, back.Pending)
	require.Equal(t, first, running(t, o), "the fifth process is gone with its program")
	require.Equal(t, first, v.whoami(t)["release"])
	balanced(t, v)
	unharmed(t, "rollback", run)

	all, err := o.Releases(t.Context())
	require.NoError(t, err)
	require.Equal(t, r.Release, all[0].Name, "newest first")
	for _, release := range all {
		require.True(t, release.Good, release.Name)
		require.Equal(t, release.Name == first, release.Current)
	}
	require.Equal(t, "tester@laptop", all[0].By)

	_, err = o.Rollback(t.Context(), "20260101000000")
	require.ErrorContains(t, err, `release "20260101000000" is not there`)
	run = load(t, v.base.String())
	before := pids(t, o)
	require.NoError(t, o.Restart(t.Context()))
	unharmed(t, "restart", run)
	require.NotEqual(t, before, pids(t, o))
	var said strings.Builder
	require.NoError(t, o.Run(t.Context(), site.RoleApp, "echo here; id -un >&2", &said))
	require.Equal(t, "here\nadmin\n", said.String())
	var ended *sshx.ExitError
	require.ErrorAs(t, o.Run(t.Context(), "", "exit 3", &said), &ended)
	require.Equal(t, 3, ended.Status)
	require.ErrorIs(t, o.Run(t.Context(), "cache", "true", &said), site.ErrUnknownServer)
}

// pids are the main processes of the application's units.
func pids(t *testing.T, o operate.Operator) string {
	t.Helper()
	return onServer(t, o, "systemctl show --value -p MainPID 'app@*.service' | xargs")
}

// edited is a copy of the guest book with one file changed.
func edited(t *testing.T, file, content string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../examples/app")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644))
	return dir
}

func brokenRelease(t *testing.T, o operate.Operator, v *visitor) {
	good := running(t, o)
	o.Site.App.Source = edited(t, "config/puma.rb", "raise 'this one does not boot'\n")
	run := load(t, v.base.String())
	_, err := o.Deploy(t.Context())
	require.ErrorContains(t, err, "it died 3 times")
	require.ErrorContains(t, err, "this one does not boot", "the process's own words")
	require.ErrorContains(t, err, "web-1")
	require.ErrorContains(t, err, "the site runs "+good+", as before")
	require.Equal(t, good, running(t, o))
	require.NotContains(t, onServer(t, o, "grep -l 'does not boot' /var/www/"+o.Site.Name+"/releases/*/config/puma.rb || true"), "puma.rb")
	balanced(t, v)
	unharmed(t, "a release that does not boot", run)
}

func drift(t *testing.T, o operate.Operator, v *visitor) {
	conf := "/etc/apache2/sites-available/" + o.Site.Name + ".conf"
	onServer(t, o, "sed -i 's/Retry-After/Retry-Never/' "+conf+"; chmod 644 /etc/siteblocks/app.env; systemctl disable --now app@8003")
	p, err := o.Plan(t.Context())
	require.NoError(t, err)
	plan := p.Hosts[0].Plan.String()
	require.Contains(t, plan, "Retry-Never")
	require.Contains(t, plan, "/etc/siteblocks/app.env (mode 0644 → 0640)")
	require.Contains(t, plan, "app@8003")
	_, err = o.Up(t.Context())
	require.NoError(t, err)
	require.Equal(t, "0", onServer(t, o, "grep -c Retry-Never "+conf+" || true"))
	require.Equal(t, "active", onServer(t, o, "systemctl is-active app@8003"))
	upAgain(t, o)
}

// emptyDisk takes the code away and boots the server: it fetches the release by itself, and nobody runs up.
func emptyDisk(t *testing.T, o operate.Operator, v *visitor) {
	release := running(t, o)
	root := "/var/www/" + o.Site.Name
	onServer(t, o, "systemctl stop 'app@*'; rm -rf "+root+"/current "+root+"/releases/*")
	servers, err := o.Cloud.Servers(t.Context(), o.Site.Name)
	require.NoError(t, err)
	restart(t, servers[0].ID)
	require.Eventually(t, func() bool {
		answer, err := v.client.Get(v.base.JoinPath("whoami").String())
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 10*time.Minute, time.Second)
	require.Equal(t, release, v.whoami(t)["release"])
	require.Contains(t, v.get(t, "/").body, "the first entry", "the database is as it was")
}

func status(t *testing.T, o operate.Operator) {
	require.Eventually(t, func() bool {
		st, err := o.Status(t.Context())
		return err == nil && st.Servers[0].Report != nil
	}, time.Minute, time.Second)
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	data, err := json.Marshal(st)
	require.NoError(t, err)
	var said struct {
		Site, URL, Release string
		Servers            []struct {
			Name, Address, State, Release string
			Roles                         []string
		}
	}
	require.NoError(t, json.Unmarshal(data, &said))
	require.Equal(t, o.Site.Name, said.Site)
	require.NotEmpty(t, said.URL)
	require.Equal(t, "web-1", said.Servers[0].Name)
	require.Equal(t, []string{"web", "app", "db"}, said.Servers[0].Roles)
	require.Equal(t, "running", said.Servers[0].State)
	require.NotEmpty(t, said.Servers[0].Address)
	require.Equal(t, said.Release, said.Servers[0].Release)
	require.Equal(t, "ok", st.Servers[0].Report.Database)

	h, err := o.Host(t.Context(), "web-1")
	require.NoError(t, err)
	defer h.Close()
	b := &apachecfg.Balancer{Host: h, Name: o.Site.Name, Port: 89, SecretFile: "/etc/siteblocks/balancer.secret"}
	first := netip.MustParseAddrPort("127.0.0.1:8001")
	require.NoError(t, b.Drain(t.Context(), first))
	require.Contains(t, strings.Join(problems(t, o), "\n"), "web-1: 1 of 4 processes (8001): drained")
	require.NoError(t, b.Ready(t.Context(), first))
	onServer(t, o, "mv /usr/local/lib/siteblocks/agent /root/agent")
	require.Contains(t, strings.Join(problems(t, o), "\n"), "web-1: its agent is not there")
	onServer(t, o, "mv /root/agent /usr/local/lib/siteblocks/agent")
}

// problems are the site's by its status.
func problems(t *testing.T, o operate.Operator) []string {
	t.Helper()
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, len(st.Problems) == 0, st.Well)
	return st.Problems
}

// logs shows what visitors asked for, and the health checks, several a second, only where it is told to.
func logs(t *testing.T, o operate.Operator, v *visitor) {
	v.get(t, "/entries?seen=in-the-log")
	var shown, all bytes.Buffer
	require.NoError(t, o.Logs(t.Context(), "web-1", operate.LogOptions{}, &shown))
	require.Regexp(t, `visitor \S+ "GET /entries\?seen=in-the-log HTTP/1.1" 301`, shown.String())
	require.Regexp(t, `app@800\d .*Started GET "/entries\?seen=in-the-log"`, shown.String())
	require.NotContains(t, shown.String(), `GET "/up"`)
	require.NotContains(t, shown.String(), "HealthController#up")
	require.NoError(t, o.Logs(t.Context(), "web-1", operate.LogOptions{All: true}, &all))
	require.Contains(t, all.String(), `GET "/up"`)
}

// untold looks for the site's secrets where a stranger might look.
func untold(t *testing.T, o operate.Operator, j *journal) {
	secrets := strings.Fields(onServer(t, o, `. /etc/siteblocks/app.env; echo "$SECRET_KEY_BASE"; echo "$DATABASE_URL" | sed 's/.*app:\(.*\)@.*/\1/'; cat /etc/siteblocks/balancer.secret`))
	require.Len(t, secrets, 3)
	p, err := o.Plan(t.Context())
	require.NoError(t, err)
	plan, err := json.Marshal(p)
	require.NoError(t, err)
	told := j.text(t) + string(plan) + onServer(t, o, "ps axww; journalctl -q --no-pager; cat /var/log/apache2/*.log; ls -lR /var/www; systemctl cat app@8001")
	for _, s := range secrets {
		require.Greater(t, len(s), 15)
		require.NotContains(t, told, s)
	}
	require.Equal(t, "nobody", onServer(t, o, "setpriv --reuid=nobody --clear-groups cat /etc/siteblocks/app.env /etc/siteblocks/agent.json /etc/siteblocks/balancer.secret 2>/dev/null || echo nobody"))
}

func down(t *testing.T, o operate.Operator) {
	upload := "/var/www/" + o.Site.Name + "/shared/public/system/portrait.png"
	onServer(t, o, "touch "+upload)
	require.ErrorIs(t, o.Down(t.Context(), operate.DownOptions{}), operate.ErrFilesWouldBeLost)
	require.Equal(t, "active", onServer(t, o, "systemctl is-active app@8001"), "nothing was touched")
	require.NoError(t, o.Down(t.Context(), operate.DownOptions{DeleteData: true}))
	gone(t, o)
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, "missing", st.Servers[0].State)
	require.NoError(t, o.Down(t.Context(), operate.DownOptions{DeleteData: true}), "down twice is no error")
}
