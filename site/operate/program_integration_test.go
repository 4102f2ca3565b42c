//go:build integration

package operate_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// guestBook is a site of the guest book on this machine's Docker, with its own program as the agent. Everything of it is
// removed when the test ends. Change edits the value; nil leaves it.
func guestBook(t *testing.T, change func(*site.Site)) (operate.Operator, *journal) {
	t.Helper()
	cloud, name := localtest.Cloud(t)
	app, err := filepath.Abs("../../examples/app")
	require.NoError(t, err)
	s := site.AllInOne(name, "www.guestbook.example", site.Rails(app))
	s.Aliases = []string{"guestbook.example"}
	if change != nil {
		change(&s)
	}
	j := &journal{t: t}
	return operate.Operator{Site: s, Cloud: cloud, Program: program(t, s), Name: "tester@laptop", Events: j.write}, j
}

// program builds the site's program.
func program(t *testing.T, s site.Site) string {
	t.Helper()
	value, err := json.Marshal(s)
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "program")
	set := "-X main.value=" + base64.StdEncoding.EncodeToString(value)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= "+set, "-o", out, "./testdata/program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as an agent is built, so that it is taken as it is
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	return out
}

// journal keeps what an operator was told.
type journal struct {
	t      *testing.T
	mu     sync.Mutex
	events []site.Event
}

func (j *journal) write(e site.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
	if e.State == site.StepDone && e.Elapsed > 2*time.Second {
		j.t.Logf("%s %s: %s", e.Server, e.Step, e.Elapsed.Round(time.Second/10))
	}
}

// text is everything that was said, as JSON lines.
func (j *journal) text(t *testing.T) string {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var b strings.Builder
	for _, e := range j.events {
		line, err := json.Marshal(e)
		require.NoError(t, err)
		b.Write(append(line, '\n'))
	}
	return b.String()
}
