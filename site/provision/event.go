package provision

import (
	"fmt"
	"time"
)

// EventKind says what an Event reports.
type EventKind string

const (
	// EventGather: the facts of the host are being gathered.
	EventGather EventKind = "gather"
	// EventPlan: the difference is known; Total says how many changes there are, 0 none.
	EventPlan EventKind = "plan"
	// EventBegin: a change begins.
	EventBegin EventKind = "begin"
	// EventOutput: Line is a line that the running change put out, such as apt's.
	EventOutput EventKind = "output"
	// EventDone: a change was made, after Elapsed.
	EventDone EventKind = "done"
	// EventUnchanged: a change that was to be decided on the server turned out not to be needed.
	EventUnchanged EventKind = "unchanged"
	// EventFailed: a change failed, or (Index 0) something before the first one; Err says why.
	EventFailed EventKind = "failed"
	// EventFinished: the host is done, well or (Err) not, after Elapsed in all.
	EventFinished EventKind = "finished"
)

// Event is one report of the progress on one host. It holds no secret.
type Event struct {
	Host    string        // the target's name
	Kind    EventKind     //
	Step    string        // the change in words: "file /etc/motd"
	Index   int           // of the change, from 1
	Total   int           // number of changes in the plan
	Line    string        // of an EventOutput
	Elapsed time.Duration // since the change began; of the whole for EventFinished
	Err     error         // of EventFailed and EventFinished
}

// String returns the event as one line: "web-1: 3/9 file /etc/motd: done in 120ms".
func (e Event) String() string {
	s := e.Host + ": "
	if e.Index > 0 {
		s += fmt.Sprintf("%d/%d %s: ", e.Index, e.Total, e.Step)
	}
	switch e.Kind {
	case EventPlan:
		return s + fmt.Sprintf("%d changes", e.Total)
	case EventOutput:
		return s + e.Line
	case EventDone:
		return s + "done in " + e.Elapsed.Round(time.Millisecond).String()
	case EventFailed:
		return s + fmt.Sprint(e.Err)
	case EventFinished:
		if e.Err != nil {
			return s + "failed after " + e.Elapsed.Round(time.Millisecond).String()
		}
		return s + "finished in " + e.Elapsed.Round(time.Millisecond).String()
	}
	return s + string(e.Kind)
}
