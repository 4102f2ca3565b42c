package sim

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Named is a policy with the name that tables show.
type Named struct {
	Name   string
	Policy autoscale.Policy
}

// Baselines are the autoscalers that others ship, with their published rules and defaults.
func Baselines() []Named {
	return []Named{
		{"hpa-cpu", HPA{}},
		{"hpa-requests", HPA{Requests: true}},
		{"target-tracking-cpu", TargetTracking{}},
		{"target-tracking-requests", TargetTracking{Requests: true}},
		{"predictive", Predictive{}},
		{"kpa", KPA{}},
		{"peak-hold", PeakHold{}},
		{"voting", autoscale.Vote{}},
		{"delayed-off", DelayedOff{}},
	}
}

// Row is one replay of a comparison.
type Row struct {
	Policy     string  `json:"policy"`
	Trace      string  `json:"trace"`
	Boot       Seconds `json:"boot"`
	Seed       uint64  `json:"seed"`
	J          float64 `json:"j"`
	Cost       float64 `json:"cost"`
	Violations float64 `json:"violations_percent"`
	Actions    float64 `json:"actions_per_day"`
}

// Seconds is a duration that reads and prints as "120s".
type Seconds time.Duration

// String prints seconds.
func (s Seconds) String() string {
	return strconv.FormatFloat(time.Duration(s).Seconds(), 'f', -1, 64) + "s"
}

// MarshalText prints seconds.
func (s Seconds) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads any duration.
func (s *Seconds) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = Seconds(d)
	return err
}

// Study is what a comparison replays: every policy on every trace, with every boot time and seed.
type Study struct {
	Traces   []Trace
	Policies []Named
	Boots    []time.Duration // none: 60, 120 and 180 s
	Seeds    int             // 1 to so many; zero: 5
	Options  Options         // Boot and Seed are replaced
	Workers  int             // replays at the same time; zero: one for each processor
	Done     func(Row)       // told of each replay when it is done, one at a time; nil: nobody is told
}

// Compare runs a study. The rows are in order of traces, boot times, seeds and policies, whatever ran first.
func Compare(s Study) []Row {
	if len(s.Boots) == 0 {
		s.Boots = []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}
	}
	seeds, workers := or(s.Seeds, 5), or(s.Workers, runtime.GOMAXPROCS(0))
	rows := make([]Row, len(s.Traces)*len(s.Boots)*seeds*len(s.Policies))
	slots := make(chan struct{}, workers)
	var wait sync.WaitGroup
	if told, one := s.Done, new(sync.Mutex); told != nil {
		s.Done = func(r Row) {
			one.Lock()
			defer one.Unlock()
			told(r)
		}
	}
	place := 0
	for _, t := range s.Traces {
		for _, boot := range s.Boots {
			for seed := 1; seed <= seeds; seed++ {
				out := rows[place : place+len(s.Policies)]
				place += len(s.Policies)
				slots <- struct{}{}
				wait.Go(func() {
					defer func() { <-slots }()
					s.replay(out, t, boot, uint64(seed))
				})
			}
		}
	}
	wait.Wait()
	return rows
}

func (s Study) replay(out []Row, t Trace, boot time.Duration, seed uint64) {
	o := s.Options
	o.Boot, o.Seed = boot, seed
	l := Prepare(t, o)
	for i, p := range s.Policies {
		r := l.Run(p.Policy)
		out[i] = Row{
			Policy: p.Name, Trace: t.Name, Boot: Seconds(boot), Seed: seed,
			J: r.J(), Cost: r.Cost(), Violations: r.Violations(), Actions: r.ActionsPerDay(),
		}
		if s.Done != nil {
			s.Done(out[i])
		}
	}
}

// Table prints the mean of each policy: J for every boot time, over traces and seeds, and in all, best first; then its cost, violations, their worst
// trace, and actions.
func Table(w io.Writer, rows []Row) error {
	var boots []Seconds
	by := map[string][]Row{}
	for _, r := range rows {
		if !slices.Contains(boots, r.Boot) {
			boots = append(boots, r.Boot)
		}
		by[r.Policy] = append(by[r.Policy], r)
	}
	var names []string
	for name := range by {
		names = append(names, name)
	}
	j := func(r Row) float64 { return r.J }
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(mean(by[a], j), mean(by[b], j)), strings.Compare(a, b))
	})
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "policy\tJ\t")
	for _, b := range boots {
		fmt.Fprintf(table, "J at %s\t", b)
	}
	fmt.Fprintln(table, "cost\tviolations\tworst\tactions/day\t")
	for _, name := range names {
		mine := by[name]
		fmt.Fprintf(table, "%s\t%.3f\t", name, mean(mine, j))
		for _, b := range boots {
			fmt.Fprintf(table, "%.3f\t", mean(slices.DeleteFunc(slices.Clone(mine), func(r Row) bool { return r.Boot != b }), j))
		}
		worst := 0.0
		for _, r := range mine {
			worst = max(worst, r.Violations)
		}
		fmt.Fprintf(table, "%.3f\t%.3f %%\t%.3f %%\t%.0f\t\n", mean(mine, func(r Row) float64 { return r.Cost }),
			mean(mine, func(r Row) float64 { return r.Violations }), worst, mean(mine, func(r Row) float64 { return r.Actions }))
	}
	return table.Flush()
}

func mean(rows []Row, of func(Row) float64) float64 {
	sum := 0.0
	for _, r := range rows {
		sum += of(r)
	}
	return sum / max(1, float64(len(rows)))
}
