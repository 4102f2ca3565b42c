//go:build integration

package operate_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// moments are the steps of a first up during which it is killed: the beginning of the event's step, or its end.
var moments = []struct {
	step  string
	state site.StepState
}{
	{"launch", site.StepStarted},
	{"connect", site.StepStarted},
	{"packages", site.StepStarted},
	{"unit mariadb.service", site.StepStarted},
	{"config apache2", site.StepStarted},
	{"unit apache2.service", site.StepDone},
	{"upload release", site.StepStarted},
	{"install release", site.StepStarted},
	{"migrate the database", site.StepStarted},
	{"start ", site.StepStarted},
}

// TestUpKilled kills up by SIGKILL at ten moments, each of a site of its own: the next up converges, and nothing is
// left over. In its small size two moments of TestHTTPS's site stand for all.
func TestUpKilled(t *testing.T) {
	if !localtest.Full() {
		t.Skip("ten sites, one after the other: SITEBLOCKS_FULL=1 runs it")
	}
	for _, m := range moments {
		t.Run(m.step, func(t *testing.T) {
			o, _ := guestBook(t, func(s *site.Site) { s.App.Processes, s.App.BootTimeout = 1, 3*time.Minute })
			killUp(t, o, m.step, m.state)
			r := converges(t, o)
			require.Contains(t, newVisitor(t, r.URL).get(t, "/").body, "</html>")
			require.NoError(t, o.Down(t.Context(), operate.DownOptions{DeleteData: true}))
			gone(t, o)
		})
	}
}

// The test binary becomes an operator that runs up and prints its events, where these are in its environment.
const (
	childSite    = "SITEBLOCKS_TEST_SITE"
	childProgram = "SITEBLOCKS_TEST_PROGRAM"
)

func TestMain(m *testing.M) {
	if os.Getenv(childSite) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child() error {
	o := operate.Operator{Program: os.Getenv(childProgram), LockWait: time.Minute}
	if err := json.Unmarshal([]byte(os.Getenv(childSite)), &o.Site); err != nil {
		return err
	}
	cloud, err := local.New(local.Options{Labels: map[string]string{localtest.Label: "localtest"}})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	o.Cloud, o.Events = cloud, func(e site.Event) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(os.Stdout).Encode(e)
	}
	_, err = o.Up(context.Background())
	return err
}

// killUp runs the site's program and kills it at a moment of its up.
func killUp(t *testing.T, o operate.Operator, step string, state site.StepState) {
	t.Helper()
	value, err := json.Marshal(o.Site)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childSite+"="+string(value), childProgram+"="+o.Program)
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		var e site.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil && strings.HasPrefix(e.Step, step) && e.State == state {
			break
		}
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	t.Logf("killed at %s (%s)", step, state)
}

// converges runs up after one that was killed.
func converges(t *testing.T, o operate.Operator) operate.Result {
	t.Helper()
	o.LockWait = time.Minute // the killed one's lock expires by itself
	r, err := o.Up(t.Context())
	require.NoError(t, err)
	upAgain(t, o)
	all, err := o.Releases(t.Context())
	require.NoError(t, err)
	require.True(t, all[0].Current && all[0].Good)
	require.Equal(t, all[0].Name, onServer(t, o, "ls /var/www/"+o.Site.Name+"/releases"), "one release, and nothing half-made beside it")
	return r
}
