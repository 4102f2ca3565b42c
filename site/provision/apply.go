package provision

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// ApplyOptions of Apply.
type ApplyOptions struct {
	Name     string        // the host's name in events
	LockWait time.Duration // for another run on the host, and for another program's apt; zero: 3 minutes
	Events   func(Event)   // receives the progress, one call at a time; nil drops it
}

// Apply makes the changes of a plan on the host that its facts are of, by one script, in the plan's order. It does
// nothing where the plan is empty. It stops at the first change that fails, with a *StepError; what had been done
// stays. ErrLocked, ErrStale and ErrNoSpace can be told apart. It can be ended at any instant: plan and apply again.
func Apply(ctx context.Context, host sshx.Host, plan Plan, o ApplyOptions) error {
	if plan.Empty() {
		return nil
	}
	if err := plan.p.fits(); err != nil {
		return err
	}
	a := &application{plan: plan.p, options: o, mark: "sb-" + rand.Text(), redactor: plan.p.redactor(), begun: time.Now()}
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := plan.p.writePayload(w)
		_ = w.CloseWithError(err)
		sent <- err
	}()
	err := host.Run(ctx, sshx.Script{
		Text: plan.p.script(a.mark, cmp.Or(o.LockWait, defaultLockWait)), Root: true, Stdin: r, Stdout: a,
	})
	_ = r.Close()
	if failed := <-sent; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		err = failed
	}
	return a.outcome(err)
}

// fits refuses a plan whose payload the host has no room for, before anything is sent.
func (p *plan) fits() error {
	free, known := p.free["/var/lib"]
	if size := p.size(); known && size > free {
		return &StepError{Total: len(p.items), Err: fmt.Errorf("%s are to be put there, %s are free in /var/lib: %w",
			byteSize(size), byteSize(free), ErrNoSpace)}
	}
	return nil
}

const (
	keptLines = 20
	maxLine   = 4096
)

// application follows the output of a running script. It is the script's standard output.
type application struct {
	plan     *plan
	options  ApplyOptions
	mark     string
	redactor redactor

	partial  []byte
	index    int // of the running change, from 1
	begun    time.Time
	lines    []string // last ones of the running change
	state    string   // last word of the script about itself: "locked", "stale", "failed", "finished"
	status   string   // of the failed change
	restored bool
}

// Write implements io.Writer.
func (a *application) Write(p []byte) (int, error) {
	a.partial = append(a.partial, p...)
	for {
		i := strings.IndexByte(string(a.partial), '\n')
		if i < 0 {
			break
		}
		a.line(string(a.partial[:i]))
		a.partial = a.partial[i+1:]
	}
	if len(a.partial) > maxLine {
		a.line(string(a.partial))
		a.partial = nil
	}
	return len(p), nil
}

func (a *application) line(line string) {
	if rest, ours := strings.CutPrefix(line, a.mark+" "); ours {
		a.word(strings.Fields(rest))
		return
	}
	line = strings.TrimRight(line, " \r\t")
	if line == "" {
		return
	}
	line = plain(a.redactor.line(strings.ToValidUTF8(line, "�")))
	a.lines = append(a.lines, line)
	if len(a.lines) > keptLines {
		a.lines = a.lines[1:]
	}
	a.event(Event{Kind: EventOutput, Line: line})
}

// word takes up what the script says of itself.
func (a *application) word(words []string) {
	if len(words) == 0 {
		return
	}
	if len(words) > 1 {
		if n, err := strconv.Atoi(words[1]); err == nil && n > 0 && n <= len(a.plan.items) {
			a.index = n
		}
	}
	switch words[0] {
	case "begin":
		a.begun, a.lines = time.Now(), nil
		a.event(Event{Kind: EventBegin})
	case "done":
		a.event(Event{Kind: EventDone, Elapsed: time.Since(a.begun)})
	case "same":
		a.event(Event{Kind: EventUnchanged, Elapsed: time.Since(a.begun)})
	case "restored":
		a.restored = true
	case "failed":
		a.state, a.status = "failed", words[len(words)-1]
	case "locked":
		a.state, a.lines = "locked", append(a.lines, strings.Join(words[1:], " "))
	default:
		a.state = words[0]
	}
}

func (a *application) event(e Event) {
	if a.options.Events == nil {
		return
	}
	e.Host, e.Index, e.Total = a.options.Name, a.index, len(a.plan.items)
	if a.index > 0 {
		e.Step = a.step()
	}
	a.options.Events(e)
}

func (a *application) step() string { return a.plan.items[a.index-1].Step }

// outcome says how the script ended. err is what the connection said.
func (a *application) outcome(err error) error {
	if len(a.partial) > 0 {
		a.line(string(a.partial))
	}
	if a.state == "finished" && err == nil {
		return nil
	}
	failure := &StepError{Index: a.index, Total: len(a.plan.items), Output: a.lines, Undone: a.restored, Err: err}
	if a.index > 0 {
		failure.Step = a.step()
	}
	switch {
	case a.state == "locked":
		failure.Err = ErrLocked
	case a.state == "stale":
		failure.Err, failure.Output = ErrStale, nil
	case strings.Contains(strings.Join(a.lines, "\n"), "No space left on device"):
		failure.Err = ErrNoSpace
	case a.state == "failed":
		failure.Err = fmt.Errorf("exit status %s", a.status)
	case err == nil:
		failure.Err = errors.New("the script ended without a word")
	case a.index > 0:
		failure.Err = fmt.Errorf("cut short, the next run makes up for it: %w", err)
	}
	a.event(Event{Kind: EventFailed, Elapsed: time.Since(a.begun), Err: failure})
	return failure
}
