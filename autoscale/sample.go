package autoscale

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Sample is one measurement. A number that was not measured is NaN (null in JSON): see Unmeasured.
type Sample struct {
	At       time.Time // end of the interval that was measured
	Demand   float64   // requests per second that arrived at the load balancer's frontend, answered or not
	Queue    float64   // requests waiting in the load balancer
	Busy     float64   // share of the workers of all ready servers that serve, 0 to 1
	Response float64   // mean response time in seconds
	Errors   float64   // requests per second that were refused or failed
	Servers  []ServerSample
	Metrics  map[string]float64 // further ones, by name; ask for them by Metric: a map gives 0 for what was not measured
}

// Metric is the further number of that name. It is NaN where it was not measured.
func (s Sample) Metric(name string) float64 {
	if x, ok := s.Metrics[name]; ok {
		return x
	}
	return math.NaN()
}

// ServerSample is the measurement of one server.
type ServerSample struct {
	ID   string
	Busy float64 // share of its workers that serve, 0 to 1
}

// Unmeasured is a sample in which nothing is known yet but its time.
func Unmeasured(at time.Time) Sample {
	nan := math.NaN()
	return Sample{At: at, Demand: nan, Queue: nan, Busy: nan, Response: nan, Errors: nan}
}

type sampleJSON struct {
	At       time.Time
	Demand   *float64
	Queue    *float64            `json:",omitempty"`
	Busy     *float64            `json:",omitempty"`
	Response *float64            `json:",omitempty"`
	Errors   *float64            `json:",omitempty"`
	Servers  []ServerSample      `json:",omitempty"`
	Metrics  map[string]*float64 `json:",omitempty"`
}

// MarshalJSON leaves out what was not measured. A metric that was not is null: its name stays.
func (s Sample) MarshalJSON() ([]byte, error) {
	number := func(x float64) *float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return &x
	}
	out := sampleJSON{At: s.At, Demand: number(s.Demand), Queue: number(s.Queue), Busy: number(s.Busy),
		Response: number(s.Response), Errors: number(s.Errors)}
	for _, one := range s.Servers {
		if number(one.Busy) != nil {
			out.Servers = append(out.Servers, one)
		}
	}
	if len(s.Metrics) > 0 {
		out.Metrics = map[string]*float64{}
	}
	for name, x := range s.Metrics {
		out.Metrics[name] = number(x)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote: what is missing was not measured.
func (s *Sample) UnmarshalJSON(data []byte) error {
	var in sampleJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*s = Unmeasured(in.At)
	s.Servers = in.Servers
	for _, f := range []struct {
		to   *float64
		from *float64
	}{{&s.Demand, in.Demand}, {&s.Queue, in.Queue}, {&s.Busy, in.Busy}, {&s.Response, in.Response}, {&s.Errors, in.Errors}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if len(in.Metrics) > 0 {
		s.Metrics = map[string]float64{}
	}
	for name, x := range in.Metrics {
		s.Metrics[name] = math.NaN()
		if x != nil {
			s.Metrics[name] = *x
		}
	}
	return nil
}

func isKnown(x float64) bool { return x >= 0 && x <= math.MaxFloat64 }

// What is not known is NaN wherever a View is asked, never 0: View.Servers makes it the size that is there, and no comparison with it is true.

// past is the window without the samples of a clock that is more than two minutes ahead: nobody knows when they were taken, and they would be fresh
// for as long as the clock is ahead.
func (v View) past() []Sample {
	n := len(v.Window)
	for n > 0 && v.Now.Sub(v.Window[n-1].At) < -leastPatience {
		n--
	}
	return v.Window[:n]
}

// Demand is the latest known demand in requests per second and how old it is. It is NaN and false where the window has none, or only samples of a clock
// that is more than two minutes ahead.
func (v View) Demand() (demand float64, age time.Duration, ok bool) {
	return v.latest(func(s Sample) float64 { return s.Demand })
}

// latest is the latest known number of the samples and how old it is.
func (v View) latest(of func(Sample) float64) (x float64, age time.Duration, ok bool) {
	window := v.past()
	for i := len(window) - 1; i >= 0; i-- {
		if x = of(window[i]); isKnown(x) {
			return x, v.Now.Sub(window[i].At), true
		}
	}
	return math.NaN(), 0, false
}

// Fresh reports whether the latest known demand is at most limit old.
func (v View) Fresh(limit time.Duration) bool {
	_, age, ok := v.Demand()
	return ok && age <= limit
}

// since is the part of the window that was measured in the last d: before now, or before the latest sample where metrics arrive late, but not stale.
func (v View) since(d time.Duration) []Sample {
	from, window := v.Now.Add(-d), v.past()
	if n := len(window); n > 0 && v.accepts(v.Now.Sub(window[n-1].At)) {
		from = window[n-1].At.Add(-d)
	}
	return after(window, from)
}

// isFresh reports whether the latest known demand is not stale.
func (v View) isFresh() bool {
	_, age, ok := v.Demand()
	return ok && v.accepts(age)
}

// accepts reports whether a sample of that age is not stale.
func (v View) accepts(age time.Duration) bool { return age <= leastPatience || age <= v.patience() }

const leastPatience = 2 * time.Minute

// patience is how old the latest sample may be before it is stale: two minutes, or one and a half intervals where samples are rarer, up to a quarter of an
// hour.
func (v View) patience() time.Duration {
	each, window := time.Duration(0), v.past()
	if n := len(window); n >= 3 {
		each = min(window[n-1].At.Sub(window[n-2].At), window[n-2].At.Sub(window[n-3].At))
	}
	return max(leastPatience, min(15*time.Minute, each*3/2))
}

// after is the part of a window that was measured after a time.
func after(window []Sample, from time.Time) []Sample {
	i := len(window)
	for i > 0 && window[i-1].At.After(from) {
		i--
	}
	return window[i:]
}

// Peak is the highest demand of the last d. It is NaN and false where none is known. As in all that looks back, what arrives up to two minutes late is the last that
// there is; what is older is nothing.
func (v View) Peak(d time.Duration) (float64, bool) {
	peak := -1.0
	for i, s := 0, v.since(d); i < len(s); i++ {
		if isKnown(s[i].Demand) {
			peak = max(peak, s[i].Demand)
		}
	}
	return known(peak)
}

// known is x, or NaN and false where x is no measurement.
func known(x float64) (float64, bool) {
	if !isKnown(x) {
		return math.NaN(), false
	}
	return x, true
}

// Mean is the mean demand of the last d. It is NaN and false where none is known.
func (v View) Mean(d time.Duration) (float64, bool) {
	return v.MeanOf(d, func(s Sample) float64 { return s.Demand })
}

// MeanOf is the mean of a number of the samples of the last d, such as their busy share. It is NaN and false where none is known.
func (v View) MeanOf(d time.Duration, of func(Sample) float64) (float64, bool) {
	sum, n := 0.0, 0
	for _, s := range v.since(d) {
		if x := of(s); isKnown(x) {
			sum, n = sum+x, n+1
		}
	}
	return known(sum / float64(n))
}

// Rate is how fast demand grew over the last d, in requests per second per second, by least squares. It is NaN and false with fewer than two known samples.
func (v View) Rate(d time.Duration) (float64, bool) {
	var n, st, sx, stt, stx float64
	for _, s := range v.since(d) {
		if !isKnown(s.Demand) {
			continue
		}
		t := s.At.Sub(v.Now).Seconds()
		n, st, sx, stt, stx = n+1, st+t, sx+s.Demand, stt+t*t, stx+t*s.Demand
	}
	if div := n*stt - st*st; n >= 2 && div > 0 {
		if rate := (n*stx - st*sx) / div; isKnown(math.Abs(rate)) {
			return rate, true
		}
	}
	return math.NaN(), false
}

// Votes is the share of servers (0 to 1) whose mean over the last d makes vote true. It is NaN and false where no server was measured.
func (v View) Votes(d time.Duration, vote func(busy float64) bool) (float64, bool) {
	type mean struct {
		id     string
		sum, n float64
	}
	var room [24]mean // larger arrays go to the heap
	means := room[:0]
	for k, s := range v.since(d) {
		for i := range s.Servers {
			one := &s.Servers[i]
			if !isKnown(one.Busy) {
				continue
			}
			// Servers mostly keep their places from sample to sample.
			if k == 0 {
				i = -1
			} else if i >= len(means) || means[i].id != one.ID {
				i = slices.IndexFunc(means, func(m mean) bool { return m.id == one.ID })
			}
			if i < 0 {
				i, means = len(means), append(means, mean{id: one.ID})
			}
			means[i].sum += one.Busy
			means[i].n++
		}
	}
	yes := 0.0
	for _, m := range means {
		if vote(m.sum / m.n) {
			yes++
		}
	}
	return known(yes / float64(len(means)))
}
