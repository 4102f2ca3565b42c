package cli

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
)

// invoke runs the site's program with these arguments on a machine where no Docker answers.
func invoke(t *testing.T, change func(*site.Site), args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.ru"), nil, 0o644))
	s := site.AllInOne("shop", "www.shop.example", site.Rails(dir))
	if change != nil {
		change(&s)
	}
	var out, errout bytes.Buffer
	status = Program{Site: s}.run(t.Context(), args, strings.NewReader(""), &out, &errout)
	return status, out.String(), errout.String()
}

func TestWithoutDocker(t *testing.T) {
	for _, verb := range []string{"up", "status", "deploy", "rollback", "releases", "down", "logs"} {
		status, stdout, stderr := invoke(t, nil, verb)
		require.Equal(t, 1, status, verb)
		require.Empty(t, stdout, verb)
		require.Contains(t, stderr, "no Docker engine answers", verb)
		require.Contains(t, stderr, "/no/such/docker.sock", verb)
	}
	status, plan, _ := invoke(t, nil, "plan")
	require.Zero(t, status)
	require.Contains(t, plan, "no Docker engine answers")
	require.Contains(t, plan, "launch web-1 (web, app, db)")
	require.Contains(t, plan, "configuration apache2")

	status, files, _ := invoke(t, nil, "render", "web-1")
	require.Zero(t, status)
	require.Contains(t, files, "==> /etc/apache2/sites-available/shop.conf\n")
	require.Contains(t, files, "==> /etc/siteblocks/app.env (secret)\n")

	status, svg, _ := invoke(t, nil, "diagram")
	require.Zero(t, status)
	require.NoError(t, xml.Unmarshal([]byte(svg), new(struct{ XMLName xml.Name })))

	status, plan, _ = invoke(t, nil, "plan", "-json")
	require.Zero(t, status)
	require.True(t, json.Valid([]byte(plan)))
}

// TestWhatAVerbDoesNotKnowIsRefused tries words and flags that no verb, or another verb, knows, before and after words.
func TestWhatAVerbDoesNotKnowIsRefused(t *testing.T) {
	wrong := [][]string{
		{"upp"}, {"help", "downn"}, {"help", "down", "now"}, {"-json"}, {"-json", "status"}, {"maintenance"}, {"maintenance", "perhaps"}, {"maintenance", "on", "off"}, {"ssh"}, {"render"}, {"render", "web-1", "web-2"},
		{"agent"}, {"agent", "nothing"}, {"agent", "converge"}, {"agent", "boot", "now"}, {"agent", "backup", "all"}, {"agent", "request", "x"}, {"agent", "request", "-check"}, {"agent", "boot", "-check"},
		{"backup"}, {"backup", "everything"}, {"backup", "-json"}, {"backup", "prune", "-dry"}, {"backup", "restore", "-before", "soon"}, {"backup", "restore", "x", "-before", "8:00"},
		{"down", "-keep-data"}, {"down", "-delete-data=perhaps"}, {"logs", "web-1", "web-2"},
		{"plan", "-wait", "1m"}, {"deploy", "-delete-data"}, {"up", "--", "-json"},
	}
	for _, v := range verbs() {
		if v.most == 0 {
			wrong = append(wrong, append(strings.Fields(v.name), "shop"), append(strings.Fields(v.name), "shop", "-json"), append(strings.Fields(v.name), ""))
		}
		if v.name != "agent" {
			wrong = append(wrong, append(strings.Fields(v.name), "-no-such-flag"))
		}
		if !v.command {
			wrong = append(wrong, append(strings.Fields(v.name), "web-1", "-no-such-flag"), append(strings.Fields(v.name), "web-1", "--no-such-flag=1"))
		}
	}
	for _, args := range wrong {
		status, stdout, stderr := invoke(t, nil, args...)
		require.Equal(t, 2, status, args)
		require.Empty(t, stdout, args)
		require.NotEmpty(t, stderr, args)
		if v, _ := find(args); v.run != nil {
			require.Contains(t, stderr, "usage: "+v.usage(), args)
		}
	}
}

func TestFlagsStandBeforeAndAfterWords(t *testing.T) {
	for _, args := range [][]string{{"-follow", "-all", "web-1"}, {"web-1", "-follow", "--all"}, {"-follow", "web-1", "-all"}, {"-follow", "-all", "--", "web-1"}} {
		c := &command{verb: named(t, "logs")}
		require.NoError(t, c.parse(args), args)
		require.True(t, c.follow && c.all, args)
		require.Equal(t, []string{"web-1"}, c.args)
	}
	c := &command{verb: named(t, "ssh")}
	require.NoError(t, c.parse([]string{"web-1", "ls", "-l", "--", "-json"}))
	require.Equal(t, []string{"web-1", "ls", "-l", "--", "-json"}, c.args, "a command's flags are its own")
	require.Equal(t, time.Minute, func() time.Duration {
		c := &command{verb: named(t, "up")}
		require.NoError(t, c.parse(nil))
		return c.wait
	}())
}

func named(t *testing.T, name string) verb {
	t.Helper()
	v, _ := find(strings.Fields(name))
	require.NotNil(t, v.run, name)
	return v
}

func TestDestroyingIsSpeltOutAndConfirmed(t *testing.T) {
	for _, args := range []string{"down -delete-data", "down -skip-backup", "down -lose-files", "backup prune -delete", "backup restore -replace"} {
		for typed, goesOn := range map[string]bool{"shop\n": true, "yes\n": false, "": false, "shop 2\n": false} {
			v, words := find(strings.Fields(args))
			var stderr bytes.Buffer
			t.Setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
			c := &command{site: site.Site{Name: "shop"}, cloud: onDocker, verb: v, stdin: strings.NewReader(typed), stdout: io.Discard, stderr: &stderr, ask: func() bool { return true }}
			require.NoError(t, c.parse(words))
			err := v.run(c, t.Context())
			require.Contains(t, stderr.String(), "Type the site's name to go on: ", args)
			if goesOn {
				require.ErrorContains(t, err, "no Docker engine answers", args)
			} else {
				require.ErrorContains(t, err, "nothing was changed", args)
			}
		}
		status, _, stderr := invoke(t, nil, strings.Fields(args)...)
		require.Equal(t, 1, status)
		require.NotContains(t, stderr, "Type", "nobody sits there")
		require.Contains(t, stderr, "no Docker engine answers")
	}
	for _, args := range []string{"down", "backup prune", "backup restore"} {
		v, words := find(strings.Fields(args))
		c := &command{site: site.Site{Name: "shop"}, cloud: onDocker, verb: v, stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, ask: func() bool { t.Error(args); return true }}
		require.NoError(t, c.parse(words))
		require.ErrorContains(t, v.run(c, t.Context()), "no Docker engine answers", "what destroys nothing asks nothing")
	}
}

func TestSSHPassesTheCommandsStatusOn(t *testing.T) {
	for _, status := range []int{1, 2, 3, 137, 255} {
		var stderr bytes.Buffer
		err := fmt.Errorf("site: %w", &sshx.ExitError{Host: "web-1", Status: status})
		c := &command{verb: named(t, "ssh"), stderr: &stderr}
		require.Equal(t, status, c.exit(t.Context(), err))
		require.Empty(t, stderr.String())
		require.Equal(t, 1, (&command{verb: named(t, "up"), stderr: io.Discard}).exit(t.Context(), err), "other verbs just fail")
	}
}

func TestWrongArguments(t *testing.T) {
	status, _, stderr := invoke(t, nil, "render", "web-9")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, `"web-9"`)
	status, stdout, _ := invoke(t, nil)
	require.Zero(t, status, "without arguments it says what it can do")
	for _, v := range verbs() {
		require.Equal(t, !v.hidden, strings.Contains(stdout, "  "+strings.TrimSpace(v.name+" "+v.words)+" "), v.name)
	}
}

func TestHelpOfAVerbNamesItsFlags(t *testing.T) {
	for _, args := range [][]string{{"help", "down"}, {"down", "-h"}, {"down", "--help"}} {
		status, stdout, _ := invoke(t, nil, args...)
		require.Zero(t, status, args)
		require.Contains(t, stdout, "usage: down [-delete-data] [-skip-backup] [-lose-files] [-json] [-wait DURATION]\n")
		require.Contains(t, stdout, "  -wait DURATION  for another operator's verb to end (1m)\n")
	}
}

func TestWhatWasMeantIsNamed(t *testing.T) {
	for typed, want := range map[string]string{
		"pln": "there is plan", "stauts": "there is status", "rollbak": "there is rollback", "frobnicate": "see help", "-json status": "flags stand after the verb",
		"backup":     "there is backup now, backup list, backup verify, backup restore, backup prune",
		"backup nwo": "there is backup now, backup list",
	} {
		status, _, stderr := invoke(t, nil, strings.Fields(typed)...)
		require.Equal(t, 2, status)
		require.Contains(t, stderr, want, typed)
	}
}

func TestAProgramMayHaveACloudOfItsOwn(t *testing.T) {
	p := Program{Site: site.Site{Name: "shop"}, Cloud: func(func(string)) (ec2x.Cloud, error) { return nil, errors.New("the sky is clear") }}
	var stderr bytes.Buffer
	require.Equal(t, 1, p.run(t.Context(), []string{"status"}, nil, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "the sky is clear")
}

func TestStepsThatGoOnAreSaidWhereNothingIsDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, false)
		p.event(site.Event{Server: "web-1", Step: "packages \x1b[2J", State: site.StepStarted})
		time.Sleep(65 * time.Second)
		p.event(site.Event{Server: "web-1", Step: "packages", State: site.StepDone, Elapsed: 65 * time.Second})
		time.Sleep(time.Hour)
		p.end()
		require.Equal(t, "  10.0s  web-1    packages \\x1b[2J … 10s\n  20.0s  web-1    packages \\x1b[2J … 20s\n"+
			"  40.0s  web-1    packages \\x1b[2J … 40s\n  65.0s  web-1    packages (1m5s)\n", out.String())
	})
}

func TestWrongSiteIsNamedByItsFields(t *testing.T) {
	status, _, stderr := invoke(t, func(s *site.Site) {
		s.Domain = "www.shop.example\nServerAlias *"
		s.App.Port = 65534
	}, "plan")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "site: Domain:")
	require.Contains(t, stderr, "site: App.Port:")
}

func TestNoVerbSteersTheTerminal(t *testing.T) {
	status, plan, _ := invoke(t, func(s *site.Site) {
		s.App.Source = filepath.Join(s.App.Source, "odd \x1b[2J")
		require.NoError(t, os.Mkdir(s.App.Source, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(s.App.Source, "config.ru"), nil, 0o644))
	}, "plan")
	require.Zero(t, status)
	require.Contains(t, plan, `odd \x1b[2J: pack`)
	require.NotContains(t, plan, "\x1b")
	for _, v := range verbs() {
		require.Equal(t, slices.Contains([]string{"ssh", "run", "render", "diagram", "agent"}, v.name), v.raw, v.name)
	}
}
