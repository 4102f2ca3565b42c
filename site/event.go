package site

import "time"

// Event is one step of a verb.
type Event struct {
	Time    time.Time     `json:"time"`
	Server  string        `json:"server,omitempty"` // empty: the site as a whole
	Step    string        `json:"step"`             // what is being done, such as "install packages"
	State   StepState     `json:"state"`
	Elapsed time.Duration `json:"elapsed_ns,omitempty"` // of a step that has ended
	Error   string        `json:"error,omitempty"`
}

// StepState is where a step stands.
type StepState string

// The states of a step.
const (
	StepStarted StepState = "started"
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"

	// StepProgress is how far a step has come, or something odd on its way: Step says it.
	StepProgress StepState = "progress"
)

// Step runs f as one step on a server, "" for the site as a whole, and sends its events. Nil drops them.
func Step(events func(Event), server, name string, f func() error) error {
	if events == nil {
		return f()
	}
	start := time.Now()
	events(Event{Time: start, Server: server, Step: name, State: StepStarted})
	err := f()
	e := Event{Time: time.Now(), Server: server, Step: name, State: StepDone, Elapsed: time.Since(start)}
	if err != nil {
		e.State, e.Error = StepFailed, err.Error()
	}
	events(e)
	return err
}
