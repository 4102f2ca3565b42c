package provision_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/provision"
)

// talker is a host that answers each script in turn; {} in an answer is the script's mark.
type talker struct {
	answers []string
	err     error
	asked   int
}

var markLine = regexp.MustCompile(`(?m)^mark=(\S+) wait`)

func (h *talker) Run(_ context.Context, s sshx.Script) error {
	answer := h.answers[min(h.asked, len(h.answers)-1)]
	h.asked++
	if m := markLine.FindStringSubmatch(s.Text); m != nil {
		answer = strings.ReplaceAll(answer, "{}", m[1])
	}
	if s.Stdin != nil {
		if _, err := io.Copy(io.Discard, s.Stdin); err != nil {
			return err
		}
	}
	_, err := io.WriteString(s.Stdout, answer)
	return errors.Join(err, h.err)
}

func (*talker) Dial(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }

func secretPlan() provision.Plan {
	return provision.Compare(steps(
		provision.File{Path: "/etc/a", Secret: "password = hunter2hunter2\n", Check: "check {}"},
		provision.Link{Path: "/etc/b", Target: "a"},
	), provision.Facts{})
}

func TestApplyReportsEvents(t *testing.T) {
	host := &talker{answers: []string{"\n{} begin 1\nworking on it\n\n{} done 1\n\n{} begin 2\n\n{} same 2\n\n{} finished\n"}}
	var lines []string
	err := provision.Apply(t.Context(), host, secretPlan(), provision.ApplyOptions{Name: "web-1", Events: func(e provision.Event) {
		e.Elapsed = 0
		lines = append(lines, e.String())
	}})
	require.NoError(t, err)
	require.Equal(t, []string{
		"web-1: 1/2 file /etc/a: begin", "web-1: 1/2 file /etc/a: working on it", "web-1: 1/2 file /etc/a: done in 0s",
		"web-1: 2/2 link /etc/b: begin", "web-1: 2/2 link /etc/b: unchanged",
	}, lines)
}

func TestApplyErrorSaysWhatFailed(t *testing.T) {
	for _, c := range []struct {
		answer, message string
		is              error
	}{
		{"\n{} begin 1\nline 3: password = hunter2hunter2 is bad\nhunter2hunter2\n\n{} failed 1 4\n", "provision: change 1 of 2: file /etc/a: exit status 4; " +
			"no change before it, none after it was begun\n  | line 3: REDACTED is bad\n  | REDACTED", nil},
		{"\n{} begin 2\n\n{} restored 2\n\n{} failed 2 1\n", "provision: change 2 of 2: link /etc/b: exit status 1; " +
			"the 1 before it are made, those after it were not begun; this one was put back as it was", nil},
		{"tar: x: Cannot write: No space left on device\n\n{} unprepared\n", "provision: prepare: no space left on the host; nothing was changed\n" +
			"  | tar: x: Cannot write: No space left on device", provision.ErrNoSpace},
		{"\n{} locked process 7 since now\n", "provision: prepare: another run holds the host; nothing was changed\n  | process 7 since now", provision.ErrLocked},
		{"\n{} stale\n", "provision: prepare: another run changed the host since the plan was made; plan again; nothing was changed", provision.ErrStale},
		{"\n{} begin 1\n", "provision: change 1 of 2: file /etc/a: the script ended without a word; no change before it, none after it was begun", nil},
		{"begin 2\nsb-X finished\n", "provision: prepare: the script ended without a word; nothing was changed\n  | begin 2\n  | sb-X finished", nil},
	} {
		err := provision.Apply(t.Context(), &talker{answers: []string{c.answer}}, secretPlan(), provision.ApplyOptions{})
		var step *provision.StepError
		require.ErrorAs(t, err, &step)
		require.Equal(t, c.message, err.Error())
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
	}
}

func TestApplyCutShort(t *testing.T) {
	lost := errors.New("connection lost")
	err := provision.Apply(t.Context(), &talker{answers: []string{"\n{} begin 2\n"}, err: lost}, secretPlan(), provision.ApplyOptions{})
	require.ErrorIs(t, err, lost)
	require.ErrorContains(t, err, "change 2 of 2: link /etc/b: cut short, the next run makes up for it: connection lost")
}

func TestApplyRefusesAChangedBlob(t *testing.T) {
	blob := provision.Blob{SHA256: sum("abc"), Size: 3, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("abd")), nil }}
	plan := provision.Compare(steps(provision.File{Path: "/usr/local/bin/agent", Blob: blob}), provision.Facts{})
	err := provision.Apply(t.Context(), &talker{answers: []string{""}}, plan, provision.ApplyOptions{})
	require.ErrorContains(t, err, "send blob agent: its content changed")

	plan = provision.Compare(steps(provision.File{Path: "/usr/local/bin/agent", Blob: blob}), provision.Facts{Free: map[string]int64{"/var/lib": 2}})
	host := &talker{answers: []string{""}}
	err = provision.Apply(t.Context(), host, plan, provision.ApplyOptions{})
	require.ErrorIs(t, err, provision.ErrNoSpace)
	require.Zero(t, host.asked, "nothing is sent")
}

func TestApplyOfNothing(t *testing.T) {
	host := &talker{answers: []string{""}}
	require.NoError(t, provision.Apply(t.Context(), host, provision.Plan{}, provision.ApplyOptions{}))
	require.Zero(t, host.asked)
}

const emptyFacts = "generation\x001\x00end\x00"

func TestRunPlansAgainWhenOvertaken(t *testing.T) {
	host := &talker{answers: []string{emptyFacts, "\n{} stale\n", emptyFacts, "\n{} finished\n"}}
	state := steps(provision.Link{Path: "/etc/b", Target: "a"})
	results, err := provision.Run(t.Context(), []provision.Target{{Name: "web-1", Host: host, State: state}}, provision.Options{})
	require.NoError(t, err)
	require.True(t, results[0].Applied)
	require.Equal(t, 4, host.asked)
}

func TestRunReportsAllFailuresInHostOrder(t *testing.T) {
	state := steps(provision.Link{Path: "/etc/b", Target: "a"})
	var targets []provision.Target
	for i := range 5 {
		host := &talker{answers: []string{emptyFacts, "\n{} finished\n"}}
		if i%2 == 1 {
			host.err = errors.New("unreachable")
		}
		targets = append(targets, provision.Target{Name: fmt.Sprintf("web-%d", i), Host: host, State: state})
	}
	results, err := provision.Run(t.Context(), targets, provision.Options{Parallel: 2})
	require.EqualError(t, err, "web-1: provision: gather facts: unreachable\nweb-3: provision: gather facts: unreachable")
	for i, r := range results {
		require.Equal(t, targets[i].Name, r.Name)
		require.Equal(t, i%2 == 0, r.Applied)
	}
}

func TestRunRefusesAnInvalidState(t *testing.T) {
	host := &talker{answers: []string{""}}
	_, err := provision.Run(t.Context(), []provision.Target{{Name: "web-1", Host: host, State: steps(provision.Link{})}}, provision.Options{})
	require.ErrorContains(t, err, `web-1: provision: step 1: link "": path "" is empty`)
	require.Zero(t, host.asked)
}

func TestFactsMustHaveAnEnd(t *testing.T) {
	for _, answer := range []string{"", "generation\x001\x00", "path\x00/etc", "hello\x00", "os\x00end\x00"} {
		_, err := provision.ParseFacts([]byte(answer), provision.State{})
		require.Error(t, err, "%q", answer)
	}
	_, err := provision.ParseFacts([]byte("locked\x00process 7\x00"), provision.State{})
	require.ErrorIs(t, err, provision.ErrLocked)
}
