package provision_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/provision"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func sum(s string) string {
	digest := sha256.Sum256([]byte(s))
	return hex.EncodeToString(digest[:])
}

func fileFact(content string) provision.PathFact {
	return provision.PathFact{Type: "f", Mode: 0o644, Owner: "root", Group: "root", UID: "0", GID: "0",
		Size: int64(len(content)), SHA256: sum(content)}
}

func linkFact(target string) provision.PathFact { return provision.PathFact{Type: "l", Target: target} }

// webFacts are those of a host in the state that webState describes.
func webFacts() provision.Facts {
	owned := func(f provision.PathFact, mode uint32) provision.PathFact {
		f.Owner, f.Group, f.UID, f.GID, f.Mode = "app", "app", "999", "999", mode
		return f
	}
	running := provision.UnitFact{Load: "loaded", Active: "active", Sub: "running", File: "enabled"}
	return provision.Facts{
		Generation: "7",
		Groups:     map[string]bool{"deploy": true},
		Users:      map[string]provision.UserFact{"app": {Group: "app", Groups: []string{"app", "deploy"}, Home: "/srv/app", Shell: "/usr/sbin/nologin"}},
		Packages:   map[string]string{"apache2": "installed", "tree": "installed"},
		Paths: map[string]provision.PathFact{
			"/srv/app":                                   owned(provision.PathFact{Type: "d"}, 0o755),
			"/etc/apache2/sites-available/shop.conf":     fileFact(shopConf),
			"/etc/apache2/conf-available/shop-name.conf": fileFact("ServerName shop.example\n"),
			"/etc/apache2/sites-enabled/shop.conf":       linkFact("../sites-available/shop.conf"),
			"/etc/apache2/conf-enabled/shop-name.conf":   linkFact("../conf-available/shop-name.conf"),
			"/etc/app/password":                          owned(fileFact("hunter2hunter2\n"), 0o600),
			"/etc/systemd/system/app@.service":           fileFact(appUnit),
			"/etc/systemd/system/tick.service":           fileFact("[Service]\nType=oneshot\nExecStart=/usr/bin/true\n"),
			"/etc/systemd/system/tick.timer":             fileFact("[Timer]\nOnCalendar=hourly\n[Install]\nWantedBy=timers.target\n"),
			"/srv/app/index.html":                        owned(fileFact("<h1>shop</h1>\n"), 0o644),
		},
		Units: map[string]provision.UnitFact{
			"apache2.service": running, "app@3001.service": running, "app@3002.service": running, "tick.timer": running,
		},
		Instances: map[string][]string{"app@.service": {"app@3001.service", "app@3002.service"}},
		Guards:    map[string]provision.GuardFact{"seal": {Satisfied: true}},
	}
}

func TestCompareEqual(t *testing.T) {
	plan := provision.Compare(webState(), webFacts())
	require.Empty(t, plan.String())
	require.True(t, plan.Empty())
	require.True(t, provision.Plan{}.Empty())
}

func TestCompareFreshHost(t *testing.T) {
	facts := provision.Facts{Candidates: map[string]bool{"apache2": true, "tree": true}}
	golden(t, "fresh.txt", provision.Compare(webState(), facts).String())
}

func TestCompareDrift(t *testing.T) {
	facts := webFacts()
	conf := facts.Paths["/etc/apache2/sites-available/shop.conf"]
	conf.SHA256, conf.HasText = "0", true
	conf.Content = "<VirtualHost *:8080>\n\tServerName shop.example\n\tDocumentRoot /srv/app\n\t<Directory /srv/app>\n\t\tRequire all granted\n\t</Directory>\n</VirtualHost>\n"
	facts.Paths["/etc/apache2/sites-available/shop.conf"] = conf
	password := facts.Paths["/etc/app/password"]
	password.SHA256, password.Mode = "0", 0o644
	facts.Paths["/etc/app/password"] = password
	dir := facts.Paths["/srv/app"]
	dir.Owner, dir.UID = "root", "0"
	facts.Paths["/srv/app"] = dir
	facts.Paths["/etc/apache2/sites-enabled/000-default.conf"] = linkFact("../sites-available/000-default.conf")
	facts.Instances["app@.service"] = append(facts.Instances["app@.service"], "app@3003.service")
	facts.Units["tick.timer"] = provision.UnitFact{Load: "loaded", Active: "inactive", File: "disabled"}
	golden(t, "drift.txt", provision.Compare(webState(), facts).String())
}

func TestCompareInterrupted(t *testing.T) {
	facts := webFacts()
	facts.Interrupted = "apache2"
	facts.Owed = map[string]bool{"reload:apache2.service": true, "restart:app@.service": true, "command:count": true}
	golden(t, "interrupted.txt", provision.Compare(webState(), facts).String())
}

func TestOwedStaysUntilPaid(t *testing.T) {
	state := steps(
		provision.File{Path: "/etc/a", Content: "a"},
		provision.Command{Name: "c", Script: "true", OnChange: []string{"/etc/a"}, OnlyIf: "test -e /x"},
	)
	facts := provision.Facts{Paths: map[string]provision.PathFact{"/etc/a": fileFact("a")}, Owed: map[string]bool{"command:c": true}}
	require.Equal(t, "run command c (owed since a run that was interrupted or failed)\n", provision.Compare(state, facts).String())
	facts.Guards = map[string]provision.GuardFact{"c": {Excluded: true}}
	require.True(t, provision.Compare(state, facts).Empty(), "the condition is not met, the debt stays")
}

func TestAGuardSaysWhyItsCommandRuns(t *testing.T) {
	state := steps(
		provision.Command{Name: "c", Script: "true", Unless: "false", Stdin: "hunter2hunter2"},
		provision.Command{Name: "d", Script: "true", Unless: "false"},
	)
	facts := provision.Facts{Guards: map[string]provision.GuardFact{"c": {Said: "to do: revoke FILE\nfor hunter2hunter2\x1b[0m\n"}}}
	require.Equal(t, `run command c ("to do: revoke FILE; for REDACTED\x1b[0m")
run command d (if its guard still says so)
`, provision.Compare(state, facts).String())
}

func TestUnitStates(t *testing.T) {
	loaded := func(active, file string) provision.UnitFact {
		return provision.UnitFact{Load: "loaded", Active: active, File: file}
	}
	masked := provision.UnitFact{Load: "masked", Active: "inactive", File: "masked"}
	missing := provision.UnitFact{Load: "not-found", Active: "inactive"}
	for _, c := range []struct {
		want provision.UnitState
		have provision.UnitFact
		plan string
	}{
		{"", loaded("active", "enabled"), ""},
		{"", loaded("inactive", "disabled"), "enable, start"},
		{"", loaded("failed", "static"), "start"},
		{"", masked, "unmask, enable, start"},
		{"", missing, "enable, start"},
		{provision.UnitRunning, provision.UnitFact{Load: "loaded", Active: "active", File: "enabled", NeedReload: true}, "daemon-reload"},
		{provision.UnitEnabled, loaded("inactive", "enabled"), ""},
		{provision.UnitEnabled, loaded("inactive", "disabled"), "enable"},
		{provision.UnitStopped, loaded("active", "enabled"), "stop, disable"},
		{provision.UnitStopped, loaded("inactive", "static"), ""},
		{provision.UnitStopped, missing, ""},
		{provision.UnitMasked, loaded("active", "enabled"), "stop, mask"},
		{provision.UnitMasked, masked, ""},
		{provision.UnitAsIs, loaded("inactive", "disabled"), ""},
		{provision.UnitAsIs, loaded("active", "disabled"), ""},
	} {
		state := steps(provision.Unit{Name: "a.service", State: c.want})
		plan := provision.Compare(state, provision.Facts{Units: map[string]provision.UnitFact{"a.service": c.have}})
		if c.plan != "" {
			c.plan += " unit a.service\n"
		}
		require.Equal(t, c.plan, plan.String(), "%s of %+v", c.want, c.have)
	}
}

func TestRestartWinsOverReload(t *testing.T) {
	state := steps(
		provision.File{Path: "/etc/a/x", Content: "new"},
		provision.Unit{Name: "a.service", ReloadOn: []string{"/etc/a/"}, RestartOn: []string{"/etc/a/x"}},
		provision.Unit{Name: "b.service", ReloadOn: []string{"a.service"}},
	)
	running := provision.UnitFact{Load: "loaded", Active: "active", File: "enabled"}
	facts := provision.Facts{
		Paths: map[string]provision.PathFact{"/etc/a/x": fileFact("old")},
		Units: map[string]provision.UnitFact{"a.service": running, "b.service": running},
	}
	changes := provision.Compare(state, facts).Changes()
	require.Equal(t, "update file /etc/a/x (3 bytes → 3 bytes)", changes[0].String())
	require.Equal(t, "restart unit a.service", changes[1].String())
	require.Equal(t, "reload unit b.service", changes[2].String())
}

func TestAfterAPackageStepsAreLookedAtAgain(t *testing.T) {
	state := steps(
		provision.File{Path: "/etc/before", Content: "x"},
		provision.Packages{Names: []string{"apache2"}},
		provision.Absent{Path: "/etc/apache2/sites-enabled/000-default.conf"},
	)
	facts := provision.Facts{Paths: map[string]provision.PathFact{"/etc/before": fileFact("x")}}
	changes := provision.Compare(state, facts).Changes()
	require.Len(t, changes, 2)
	require.Contains(t, changes[0].Detail, "decided on the server")
	require.True(t, changes[1].Undecided)
	require.Equal(t, "look again at path /etc/apache2/sites-enabled/000-default.conf (decided on the server, after the changes before it)", changes[1].String())
}

// What is printed, the JSON and the changes are one thing.
func TestPlanAsJSONIsWhatIsPrinted(t *testing.T) {
	facts := webFacts()
	delete(facts.Paths, "/srv/app/index.html")
	facts.Paths["/etc/apache2/sites-enabled/shop.conf"] = linkFact("/elsewhere")
	conf := fileFact(shopConf + "# by hand\n")
	conf.Content, conf.HasText = shopConf+"# by hand\n", true
	facts.Paths["/etc/apache2/sites-available/shop.conf"] = conf
	plan := provision.Compare(webState(), facts)
	data, err := json.Marshal(plan)
	require.NoError(t, err)
	var read struct{ Changes []provision.Change }
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, plan.Changes(), read.Changes)
	require.Contains(t, plan.String(), "        -# by hand\n")
	require.Contains(t, string(data), `-# by hand\n`)
	require.Contains(t, string(data), `"detail":"/elsewhere → ../sites-available/shop.conf"`)
	data, err = json.Marshal(provision.Plan{})
	require.NoError(t, err)
	require.JSONEq(t, `{"changes": []}`, string(data))
}

func TestWhatStandsInAnOwnedDirectoryIsSeen(t *testing.T) {
	facts := webFacts()
	facts.Paths["/etc/apache2/sites-enabled/evil.conf"] = fileFact("x")
	facts.Paths["/etc/apache2/sites-enabled/dir.conf"] = provision.PathFact{Type: "d"}
	facts.Paths["/etc/apache2/sites-enabled/other.conf"] = linkFact("../sites-available/other.conf")
	require.Equal(t, `update config apache2
    set aside /etc/apache2/sites-enabled/dir.conf (not of this state: a directory, kept in /var/backups/siteblocks)
    set aside /etc/apache2/sites-enabled/evil.conf (not of this state: a file, kept in /var/backups/siteblocks)
    remove /etc/apache2/sites-enabled/other.conf (not of this state: a link to ../sites-available/other.conf)
reload unit apache2.service
look again at command seal (decided on the server, after the changes before it)
`, provision.Compare(webState(), facts).String())
	state := change(func(step provision.Step) provision.Step {
		if c, ok := step.(provision.Config); ok {
			c.Keep = []string{"/etc/apache2/sites-enabled/evil.conf", "/etc/apache2/sites-enabled/dir.conf", "/etc/apache2/sites-enabled/other.conf"}
			return c
		}
		return step
	})
	require.NoError(t, state.Validate())
	require.Empty(t, provision.Compare(state, facts).String())
}

func TestASecretFileShowsItsKeysOnly(t *testing.T) {
	file := provision.File{Path: "/etc/app.env", SecretKeys: true, Mode: 0o644, Secret: "A=\"same-value\"\nKEY=new-value\n  \"json\": \"new-json\",\n}\n"}
	fact := fileFact("x")
	fact.HasText, fact.Hidden = true, "A=\"same-value\"\nKEY=old-value\n}\npasted-secret\nQUFB+aGVsbG8=\n"
	plan := provision.Compare(steps(file), provision.Facts{Paths: map[string]provision.PathFact{"/etc/app.env": fact}})
	require.Equal(t, `update file /etc/app.env (secret changed)
    --- a/etc/app.env
    +++ b/etc/app.env
    @@ -1,5 +1,4 @@
     A=REDACTED
    -KEY=REDACTED
    +KEY=REDACTED
    +  "json":REDACTED
     }
    -REDACTED
    -REDACTED
`, plan.String())
	file.SecretKeys = false
	plan = provision.Compare(steps(file), provision.Facts{Paths: map[string]provision.PathFact{"/etc/app.env": fact}})
	require.Equal(t, "update file /etc/app.env (secret changed)\n", plan.String())
	require.ErrorContains(t, steps(provision.File{Path: "/etc/x", SecretKeys: true}).Validate(), "SecretKeys without a Secret")
}

// manyFiles is a state of n files of which every tenth differs, and its facts.
func manyFiles(n int) (provision.State, provision.Facts) {
	facts := provision.Facts{Paths: map[string]provision.PathFact{}}
	var state provision.State
	for i := range n {
		content := fmt.Sprintf("# file %d\n%0500d\n", i, i)
		path := fmt.Sprintf("/etc/many/%d.conf", i)
		state.Steps = append(state.Steps, provision.File{Path: path, Content: content})
		fact := fileFact(content)
		if i%10 == 0 {
			fact.SHA256, fact.Content, fact.HasText = "0", content+"old\n", true
		}
		facts.Paths[path] = fact
	}
	return state, facts
}

func BenchmarkCompare1000Files(b *testing.B) {
	state, facts := manyFiles(1000)
	state.Steps = append(state.Steps, provision.Unit{Name: "many.service", ReloadOn: []string{"/etc/many/"}})
	require.NoError(b, state.Validate())
	for b.Loop() {
		require.Len(b, provision.Compare(state, facts).Changes(), 101)
	}
}
