package sim

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trace is how many requests arrived in each interval of a recording.
type Trace struct {
	Name     string
	Start    time.Time
	Interval time.Duration
	Requests []float64
}

// Read reads a recording: CSV lines `unix,requests` in order of time, the time being the start of the interval in seconds since 1970; a first line
// without numbers is a heading, empty lines and those that begin with # are left out. The name, such as a path, is for errors.
//
// An interval of zero is found: the most frequent distance between two lines. Lines within one interval are added up. Missing intervals of up to an hour,
// or of two intervals where that is longer, are filled by a straight line, longer ones with zero.
func Read(r io.Reader, name string, interval time.Duration) (Trace, error) {
	var at, requests []float64
	lines := bufio.NewScanner(r)
	n, heading := 0, false
	bad := func(format string, more ...any) (Trace, error) {
		return Trace{}, fmt.Errorf("sim: read trace %q: "+format, append([]any{name}, more...)...)
	}
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		left, right, _ := strings.Cut(line, ",")
		t, terr := strconv.ParseFloat(strings.TrimSpace(left), 64)
		x, xerr := strconv.ParseFloat(strings.TrimSpace(right), 64)
		switch {
		case terr != nil && len(at) == 0 && !heading:
			heading = true
		case terr != nil || xerr != nil:
			return bad("line %d: %.60q is not unix,requests", n, line)
		case !(x >= 0) || math.IsInf(x, 0):
			return bad("line %d: %.60q: requests must be a number from 0", n, line)
		case !(math.Abs(t) < 1e11):
			return bad("line %d: %.60q: the time is not in seconds since 1970", n, line)
		case len(at) > 0 && t <= at[len(at)-1]:
			return bad("line %d: %.60q: the time is not after that of the line before", n, line)
		default:
			at, requests = append(at, t), append(requests, x)
		}
	}
	if err := lines.Err(); err != nil {
		return bad("line %d: %w", n+1, err)
	}
	if len(at) < 2 {
		return bad("%d samples in %d lines; at least 2 are needed", len(at), n)
	}
	found := frequent(at)
	if interval <= 0 {
		interval = found
	}
	if slots := (at[len(at)-1] - at[0]) / interval.Seconds(); slots > 50e6 {
		return bad("%.0f intervals of %s between the first line and the last; are all times in seconds?", slots, interval)
	}
	return fill(name, interval, found/2, at, requests), nil
}

// ReadFile reads the recording in a file; its name is that of the file without folder and ending.
func ReadFile(path string, interval time.Duration) (Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return Trace{}, fmt.Errorf("sim: read trace: %w", err)
	}
	defer f.Close()
	t, err := Read(f, path, interval)
	t.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return t, err
}

// frequent is the most frequent distance between two times; of several the shortest.
func frequent(at []float64) time.Duration {
	gaps := map[float64]int{}
	for i := 1; i < len(at); i++ {
		gaps[at[i]-at[i-1]]++
	}
	best := 0.0
	for gap, n := range gaps {
		if n > gaps[best] || n == gaps[best] && gap < best {
			best = gap
		}
	}
	return max(time.Millisecond, time.Duration(best*float64(time.Second)))
}

// fill puts lines, whose times may be off by a little, into intervals.
func fill(name string, interval, off time.Duration, at, requests []float64) Trace {
	t := Trace{Name: name, Start: time.UnixMilli(int64(1000 * at[0])).UTC(), Interval: interval}
	each := interval.Seconds()
	line := max(3600, 2*each)
	for i := range at {
		slot := int((at[i] - at[0] + off.Seconds()) / each)
		missing := slot - len(t.Requests)
		for k := range missing {
			x := 0.0
			if float64(missing)*each <= line {
				share := float64(k+1) / float64(missing+1)
				x = requests[i-1]*(1-share) + requests[i]*share
			}
			t.Requests = append(t.Requests, x)
		}
		if slot < len(t.Requests) {
			t.Requests[slot] += requests[i]
		} else {
			t.Requests = append(t.Requests, requests[i])
		}
	}
	return t
}

// Coarse is the trace in intervals of at least d: where they are shorter their requests are added up.
func (t Trace) Coarse(d time.Duration) Trace {
	if t.Interval >= d {
		return t
	}
	out := make([]float64, int(math.Ceil(float64(t.Duration())/float64(d))))
	for i, x := range t.Requests {
		// What straddles a border is divided.
		from, to := float64(i)*float64(t.Interval)/float64(d), float64(i+1)*float64(t.Interval)/float64(d)
		k := int(from)
		share := min(1, (float64(k+1)-from)/(to-from))
		out[k] += x * share
		if share < 1 && k+1 < len(out) {
			out[k+1] += x * (1 - share)
		}
	}
	t.Interval, t.Requests = d, out
	return t
}

// Duration is how long the recording lasts.
func (t Trace) Duration() time.Duration { return t.Interval * time.Duration(len(t.Requests)) }

// HalfWidth is how many samples on each side a triangular kernel needs so that Poisson noise of the counts is at most a fifteenth in the mean: the
// first of 0, 1, 2, 4, 8 … that is enough. 0 means that nothing needs smoothing.
//
// A recording of few requests that is scaled to many servers would otherwise show the noise of the few, multiplied, as if it were demand.
func (t Trace) HalfWidth() int {
	sum := 0.0
	for _, x := range t.Requests {
		sum += x
	}
	mean := sum / max(1, float64(len(t.Requests)))
	h := 0
	for mean > 0 && mean/kernelPower(h) < 15*15 && h < 64 {
		h = max(1, 2*h)
	}
	return h
}

// kernelPower is the sum of the squared weights of the kernel: how much of the variance of independent samples it leaves.
func kernelPower(half int) float64 {
	n := float64(half + 1)
	return (2*n*n + 1) / (3 * n * n * n)
}

// Smooth is the trace under a triangular kernel: the sample k places away, k from -half to half, has the weight 1 - |k|/(half+1), and the weights are
// normalised to a sum of 1, also at the ends of the trace. A half width of 0 changes nothing.
func (t Trace) Smooth(half int) Trace {
	if half <= 0 {
		return t
	}
	out := make([]float64, len(t.Requests))
	for i := range out {
		sum, weights := 0.0, 0.0
		for k := max(-half, -i); k <= half && i+k < len(out); k++ {
			w := 1 - math.Abs(float64(k))/float64(half+1)
			sum, weights = sum+w*t.Requests[i+k], weights+w
		}
		out[i] = sum / weights
	}
	t.Requests = out
	return t
}

// Scale multiplies the trace so that its 99.9th percentile is rate requests per second: the sample at place ⌊0.999·n⌋ of the sorted n.
func (t Trace) Scale(rate float64) Trace {
	if len(t.Requests) == 0 {
		return t
	}
	sorted := slices.Sorted(slices.Values(t.Requests))
	high := sorted[min(len(sorted)-1, len(sorted)*999/1000)]
	if high <= 0 {
		return t
	}
	factor := rate * t.Interval.Seconds() / high
	out := make([]float64, len(t.Requests))
	for i, x := range t.Requests {
		out[i] = x * factor
	}
	t.Requests = out
	return t
}

// Slice is the part of the trace from one time after its start up to another.
func (t Trace) Slice(from, to time.Duration) Trace {
	a := min(len(t.Requests), int(from/t.Interval))
	b := min(len(t.Requests), int(to/t.Interval))
	t.Start = t.Start.Add(t.Interval * time.Duration(a))
	t.Requests = t.Requests[a:max(a, b)]
	return t
}
