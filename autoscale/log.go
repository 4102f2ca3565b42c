package autoscale

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Record is one decision and all that it was made from: a line of a log.
type Record struct {
	View     View
	Decision Decision
}

// Log is a policy that writes every view and decision of another one as a line of JSON. What was seen is written before the decision is handed on;
// an error in writing does not disturb the policy: see Err.
type Log struct {
	Policy Policy // nil: Lead
	To     io.Writer
	// Window bounds the samples that are written with each view; zero: only those that were not written yet, from which Replay makes the whole again.
	Window time.Duration

	mu   sync.Mutex
	last time.Time // of the samples that were written
	err  error
}

// Decide asks the policy and writes the line.
func (l *Log) Decide(v View) Decision {
	d := orLead(l.Policy).Decide(v)
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := v
	if l.Window > 0 {
		seen.Window = v.since(l.Window)
	} else {
		seen.Window = after(v.Window, l.last)
	}
	if n := len(v.Window); n > 0 {
		l.last = v.Window[n-1].At
	}
	line, err := json.Marshal(Record{View: seen, Decision: d})
	if err == nil {
		_, err = l.To.Write(append(line, '\n'))
	}
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("autoscale: write decision of %s: %w", v.Now.Format(time.RFC3339), err)
	}
	return d
}

// Err is the first error in writing.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// ReadLog reads the lines of a Log. A last line that was cut off is left out.
func ReadLog(r io.Reader) ([]Record, error) {
	lines := bufio.NewReader(r)
	var out []Record
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("autoscale: read log: line %d: %w", n, err)
		}
		var one Record
		if err := json.Unmarshal(line, &one); err != nil {
			return out, fmt.Errorf("autoscale: read log: line %d: %w", n, err)
		}
		out = append(out, one)
	}
}

// Shadow asks a trial policy beside the acting one. The trial cannot act: what Decide returns is the acting policy's decision, whatever the trial wants
// and even where it panics. Differs is told of both where they want different sizes.
type Shadow struct {
	Acting, Trial Policy                               // nil: Lead
	Differs       func(v View, acting, trial Decision) // nil: nobody is told; the memory still keeps count
}

// ShadowMemory is what a Shadow remembers: Recall it from a decision's memory to see how the trial does.
type ShadowMemory struct {
	Acting, Trial    Memory
	Asked, Different int
}

// Decide asks both and returns what the acting policy wants.
func (s Shadow) Decide(v View) Decision {
	m, _ := Recall[ShadowMemory](v.Memory)
	acting, trial := v, v
	acting.Memory, trial.Memory = m.Acting, m.Trial
	d := orLead(s.Acting).Decide(acting)
	t, crash := Guard{Policy: s.Trial}.ask(trial)
	m.Asked++
	if crash != "" {
		t = Decision{Target: v.Array.Size(), Memory: m.Trial, Reasons: []Reason{{Stage: "trial", Target: v.Array.Size(), Code: "broken", Text: crash}}}
	}
	if t.Target != d.Target {
		m.Different++
		if s.Differs != nil {
			s.Differs(v, d, t)
		}
	}
	m.Acting, m.Trial = d.Memory, t.Memory
	d.Memory = Remember(m)
	return d
}
