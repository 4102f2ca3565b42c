package provision

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrLocked: another run held the host for longer than this one was to wait.
	ErrLocked = errors.New("another run holds the host")

	// ErrStale: the host was changed by another run after the facts of the plan were gathered. Plan again.
	ErrStale = errors.New("another run changed the host since the plan was made; plan again")

	// ErrNoSpace: a file system of the host is full. Files that were there are whole.
	ErrNoSpace = errors.New("no space left on the host")
)

// StepError says which change of a plan failed, and what became of the others.
type StepError struct {
	Step   string   // the change in words: `file "/etc/haproxy/haproxy.cfg"`; empty: before the first one
	Index  int      // of the change, from 1; 0: before the first one
	Total  int      // number of changes in the plan
	Output []string // last lines that it put out, without secrets
	Undone bool     // the change was put back as it was
	Err    error    // why: an exit status, ErrNoSpace, the end of the context, a lost connection
}

// Error names the step, its last lines of output and the state of the host.
func (e *StepError) Error() string {
	var b strings.Builder
	if e.Index == 0 {
		fmt.Fprintf(&b, "provision: prepare: %v", e.Err)
	} else {
		fmt.Fprintf(&b, "provision: change %d of %d: %s: %v", e.Index, e.Total, e.Step, e.Err)
	}
	switch {
	case e.Index == 0:
		b.WriteString("; nothing was changed")
	case e.Index == 1:
		b.WriteString("; no change before it, none after it was begun")
	default:
		fmt.Fprintf(&b, "; the %d before it are made, those after it were not begun", e.Index-1)
	}
	if e.Undone {
		b.WriteString("; this one was put back as it was")
	}
	for _, line := range e.Output {
		b.WriteString("\n  | " + line)
	}
	return b.String()
}

// Unwrap returns why.
func (e *StepError) Unwrap() error { return e.Err }
