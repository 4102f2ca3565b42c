package s3backup

import (
	"fmt"
	"time"
)

// Event is what a verb tells while it works: Progress, Note or Decision.
type Event interface{ String() string }

// Progress is how far a phase has come. It is sent about once a second.
type Progress struct {
	Phase string        // "dump", "restore", "verify"
	Done  int64         // bytes of content so far
	Total int64         // bytes of content in all; 0 where nobody knows
	Rate  float64       // bytes per second since the beginning
	Left  time.Duration // time left at that rate; 0 where nobody knows
}

func (p Progress) String() string {
	if p.Total == 0 {
		return fmt.Sprintf("%s: %s at %s/s", p.Phase, Size(p.Done), Size(int64(p.Rate)))
	}
	return fmt.Sprintf("%s: %s of %s (%d %%) at %s/s, %s left", p.Phase, Size(p.Done), Size(p.Total),
		100*p.Done/p.Total, Size(int64(p.Rate)), p.Left.Round(time.Second))
}

// Note is one step, or something odd that did not stop the work.
type Note struct {
	Text    string
	Warning bool
}

func (n Note) String() string {
	if n.Warning {
		return "warning: " + n.Text
	}
	return n.Text
}

// Size is a number of bytes that prints for people: "41.9 MB".
type Size int64

func (n Size) String() string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 1000 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", value, units[unit])
}

// meter sends Progress once a second. It is an io.Writer that counts.
type meter struct {
	phase      string
	total      int64
	done       int64
	start      time.Time
	last       time.Time
	emit       func(Event)
	everyTimes int
}

func newMeter(phase string, total int64, emit func(Event)) *meter {
	now := time.Now()
	return &meter{phase: phase, total: total, start: now, last: now, emit: emit}
}

func (m *meter) Write(p []byte) (int, error) {
	m.done += int64(len(p))
	// Asking for the time at each of a million small writes would cost more than the writes.
	if m.everyTimes++; m.everyTimes%16 == 0 {
		m.tick(time.Now(), time.Second)
	}
	return len(p), nil
}

func (m *meter) tick(now time.Time, interval time.Duration) {
	if now.Sub(m.last) < interval {
		return
	}
	m.last = now
	m.emit(progressAt(m.phase, m.done, m.total, now.Sub(m.start)))
}

// finish sends the last state, so that short work is seen too.
func (m *meter) finish() { m.emit(progressAt(m.phase, m.done, m.total, time.Since(m.start))) }

func progressAt(phase string, done, total int64, elapsed time.Duration) Progress {
	p := Progress{Phase: phase, Done: done, Total: total}
	if elapsed > 0 {
		p.Rate = float64(done) / elapsed.Seconds()
	}
	if total > done && p.Rate > 0 {
		p.Left = time.Duration(float64(total-done) / p.Rate * float64(time.Second))
	}
	return p
}
