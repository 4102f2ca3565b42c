package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// simulation is what the flags of simulate say.
type simulation struct {
	sim.Study
	files, boots, only list
	interval           time.Duration
	smooth             int
	synthetic          bool
	frontier, asJSON   bool
	plots              string
}

// list is a flag that may be given again and again.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, strings.Split(s, ",")...); return nil }

func (s *simulation) flags(progress io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("simulate", flag.ContinueOnError)
	f.SetOutput(progress)
	f.Var(&s.files, "trace", "CSV `file` of unix,requests; again for more (default: the traces that come with the library)")
	f.BoolVar(&s.synthetic, "synthetic", false, "replay made-up sites too, or only them if there is no -trace")
	f.Var(&s.boots, "boot", "boot `times` of a server (default 60s,120s,180s)")
	f.Var(&s.only, "policy", "only these `policies`, such as lead,hpa-cpu (default: lead and those of others)")
	f.IntVar(&s.Options.Peak, "peak", 0, "`servers` at 0.9 of whose capacity the 99.9th percentile of the trace is put; -1: as recorded (default: a -trace as recorded, 20 for others)")
	f.IntVar(&s.Seeds, "seeds", 5, "replay with so many seeds")
	f.DurationVar(&s.interval, "interval", 0, "of the samples of the files (default: as found in each)")
	f.IntVar(&s.smooth, "smooth", -1, "half `width` of the triangular kernel in samples, 0 for none (default: by the counts in the file if it is scaled)")
	f.DurationVar(&s.Options.Warmup, "warmup", 0, "not scored at the beginning (default 168h, at most half the trace)")
	f.DurationVar(&s.Options.Billing.Quantum, "billing", time.Second, "servers are billed in such units, such as 1h")
	f.DurationVar(&s.Options.Faults.Lag, "lag", 0, "metrics arrive so late")
	f.Float64Var(&s.Options.Faults.BootJitter, "jitter", 0, "boot times vary by such a `share`, such as 0.2")
	f.Float64Var(&s.Options.Faults.FailedBoots, "failed", 0, "`share` of the boots that fail, such as 0.05")
	f.DurationVar(&s.Options.Faults.Lifetime, "lifetime", 0, "mean time until a server dies (default: never)")
	f.BoolVar(&s.frontier, "frontier", false, "print what 1, 0.1 and 0.01 % of violations cost at least, instead of the comparison")
	f.StringVar(&s.plots, "plots", ".", "`folder` for the plots; empty: none")
	f.BoolVar(&s.asJSON, "json", false, "print every replay as JSON, and draw nothing")
	return f
}

// simulate prints to out, and what comes of the flags and how far it is to progress.
func simulate(args []string, out, progress io.Writer) error {
	var s simulation
	flags := s.flags(progress)
	for rest := args; ; rest = flags.Args()[1:] { // files may stand between flags
		if err := flags.Parse(rest); err != nil {
			return err
		}
		if flags.NArg() == 0 {
			break
		}
		s.files = append(s.files, flags.Arg(0))
	}
	if err := errors.Join(s.check(), s.readTraces()); err != nil {
		return err
	}
	if s.frontier {
		return s.printFrontier(out)
	}
	if !s.asJSON {
		s.describe(out)
	}
	rows := s.compare(progress)
	if s.asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", " ")
		return encoder.Encode(rows)
	}
	if err := sim.Table(out, rows); err != nil || s.plots == "" {
		return err
	}
	return s.draw(out)
}

// check puts what the flags say into the study.
func (s *simulation) check() (err error) {
	switch {
	case s.smooth == 0:
		s.Options.HalfWidth = -1
	case s.smooth > 0:
		s.Options.HalfWidth = s.smooth
	}
	if len(s.boots) == 0 {
		s.boots = list{"60s", "120s", "180s"}
	}
	for _, boot := range s.boots {
		d, parseErr := time.ParseDuration(boot)
		if parseErr != nil || d <= 0 {
			err = errors.Join(err, fmt.Errorf("-boot %q is not a time such as 120s", boot))
		}
		s.Boots = append(s.Boots, d)
	}
	if s.Seeds < 1 {
		err = errors.Join(err, fmt.Errorf("-seeds %d: at least 1 is needed", s.Seeds))
	}
	var unknown error
	if s.Policies, unknown = choose(policies(), s.only); len(s.only) == 0 {
		s.Policies = append(policies()[:1], sim.Baselines()...)
	}
	err = errors.Join(err, unknown)
	if s.Options.Peak == 0 && len(s.files) == 0 {
		s.Options.Peak = 20
	}
	return err
}

func (s *simulation) readTraces() (err error) {
	for _, file := range s.files {
		t, readErr := sim.ReadFile(file, s.interval)
		s.Traces, err = append(s.Traces, t), errors.Join(err, readErr)
	}
	if s.synthetic {
		s.Traces = append(s.Traces, sim.Synthetic(1)...)
	}
	if len(s.Traces) == 0 {
		s.Traces, err = sim.Recorded()
	}
	return err
}

// policies are all that can be chosen.
func policies() []sim.Named {
	return append([]sim.Named{{Name: "lead", Policy: autoscale.Lead{}}, {Name: "track", Policy: autoscale.Track{}}, {Name: "step", Policy: autoscale.Step{}}}, sim.Baselines()...)
}

// choose finds policies by name.
func choose(all []sim.Named, names list) (chosen []sim.Named, err error) {
	known := map[string]sim.Named{}
	var list []string
	for _, p := range all {
		known[p.Name], list = p, append(list, p.Name)
	}
	for _, name := range names {
		p, ok := known[name]
		if !ok {
			err = errors.Join(err, fmt.Errorf("-policy %q: there are %s", name, strings.Join(list, ", ")))
		}
		chosen = append(chosen, p)
	}
	return chosen, err
}

// compare replays everything, and says how far it is where a person looks on.
func (s *simulation) compare(progress io.Writer) []sim.Row {
	info, err := os.Stderr.Stat()
	if progress == os.Stderr && err == nil && info.Mode()&os.ModeCharDevice != 0 {
		all, done := len(s.Traces)*len(s.Boots)*s.Seeds*len(s.Policies), 0
		s.Done = func(r sim.Row) {
			done++
			fmt.Fprintf(progress, "\r\x1b[K%d of %d replays: %s, %s", done, all, r.Trace, r.Policy)
		}
		defer fmt.Fprint(progress, "\r\x1b[K")
	}
	return sim.Compare(s.Study)
}

// describe says what is replayed.
func (s *simulation) describe(out io.Writer) {
	for _, t := range s.Traces {
		l := sim.Prepare(t, s.Options)
		kernel := "not smoothed"
		if half := l.Options.HalfWidth; half > 0 {
			kernel = fmt.Sprintf("smoothed over %d samples on each side", half)
		}
		fmt.Fprintf(out, "%s: %.1f days in steps of %s, %s, %.1f days scored\n", t.Name, t.Duration().Hours()/24, l.Trace.Interval, kernel,
			(t.Duration()-l.Options.Warmup).Hours()/24)
	}
	fmt.Fprintln(out)
}

// printFrontier prints for each family of policies what its safest and its cheapest setting would be.
func (s *simulation) printFrontier(out io.Writer) error {
	targets := []float64{0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9}
	return sim.Frontiers(out, s.Study, []float64{1, 0.1, 0.01}, []sim.Family{
		{Name: "lead, penalty", Settings: []float64{10, 20, 40, 85, 160, 320, 640, 1280}, Make: func(x float64) autoscale.Policy { return autoscale.Lead{Penalty: x} }},
		{Name: "track, target", Settings: targets, Make: func(x float64) autoscale.Policy { return autoscale.Track{Target: x} }},
		{Name: "hpa-cpu, target", Settings: targets, Make: func(x float64) autoscale.Policy { return sim.HPA{Target: x} }},
		{Name: "target-tracking-cpu, target", Settings: targets, Make: func(x float64) autoscale.Policy { return sim.TargetTracking{Target: x} }},
		{Name: "kpa, target", Settings: targets, Make: func(x float64) autoscale.Policy { return sim.KPA{Target: x} }},
	})
}

// draw shows the first policy on every trace.
func (s *simulation) draw(out io.Writer) error {
	drawn := map[string]int{}
	for _, t := range s.Traces {
		o := s.Options
		o.Seed, o.Boot = 1, s.Boots[len(s.Boots)/2]
		r := sim.Run(t, s.Policies[0].Policy, o)
		name := "simulate-" + t.Name
		if drawn[t.Name]++; drawn[t.Name] > 1 {
			name += fmt.Sprint("-", drawn[t.Name])
		}
		path := filepath.Join(s.plots, name+".svg")
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		title := t.Name + " under " + s.Policies[0].Name
		if err := errors.Join(sim.Plot{Title: title}.SVG(f, r), f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s, drawn in %s\n%s", title, path, r.Report())
	}
	return nil
}
