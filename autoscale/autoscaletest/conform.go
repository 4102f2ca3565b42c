// Package autoscaletest tests scaling policies: Conform checks what every policy must hold, a Story lets one live through a day.
package autoscaletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Conform checks the rules that a policy must hold to be trusted with servers, one subtest for each: it is deterministic and leaves its view untouched; its
// memory survives as JSON; more demand never makes it ask for fewer servers; stale, empty or unknown measurements never make it take servers away, and with
// nothing known and nothing remembered it changes nothing; a demand
// five times as high is answered at once; a constant one makes at most two changes an hour; a restart that lost the memory keeps the size; and nothing
// stays nothing.
func Conform(t *testing.T, p autoscale.Policy) {
	t.Helper()
	turns := eventful().Play(p)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if err := r.check(p, turns); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check is Conform outside of tests: all rules that the policy breaks, each with the first time that it did.
func Check(p autoscale.Policy) error {
	var broken []error
	turns := eventful().Play(p)
	for _, r := range rules {
		if err := r.check(p, turns); err != nil {
			broken = append(broken, fmt.Errorf("autoscaletest: %s: %w", r.name, err))
		}
	}
	return errors.Join(broken...)
}

type rule struct {
	name  string
	check func(p autoscale.Policy, day []Turn) error
}

var rules = []rule{
	{"the same view gives the same decision", deterministic},
	{"the view is untouched", untouched},
	{"memory survives as JSON", restarts},
	{"decisions make sense", sensible},
	{"more demand never asks for fewer", monotone},
	{"nothing is taken away without knowledge", blind},
	{"nothing is changed where nothing is known", unknowing},
	{"five times the demand is answered at once", jump},
	{"constant demand is calm", calm},
	{"lost memory keeps the size", forgetful},
	{"nothing stays nothing", nothing},
}

// eventful has all that happens to a site: growth, waves, a time without measurements, and an evening.
func eventful() Story {
	return At("09:00", 500).Stay("20m").Ramp("10m", 1500).Wave("30m", "9m", 300).Outage("5m").Stay("10m").Ramp("15m", 200).Stay("30m")
}

// some are turns of the day that are compared one by one.
func some(turns []Turn) []Turn {
	var out []Turn
	for i := 0; i < len(turns); i += 31 {
		out = append(out, turns[i])
	}
	return out
}

func encode(v any) (string, error) {
	out, err := json.Marshal(v)
	return string(out), err
}

func clock(t Turn) string { return t.View.Now.Format("15:04:05") }

func deterministic(p autoscale.Policy, day []Turn) error {
	for _, turn := range some(day) {
		first, err := encode(turn.Decision)
		again, err2 := encode(p.Decide(turn.View))
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if first != again {
			return fmt.Errorf("at %s the decision was %s, and %s when asked again", clock(turn), first, again)
		}
	}
	return nil
}

func untouched(p autoscale.Policy, day []Turn) error {
	for _, turn := range some(day) {
		v := turn.View
		v.Window = v.Window[max(0, len(v.Window)-40):]
		before, err := encode(v)
		if err != nil {
			return err
		}
		p.Decide(v)
		if after, _ := encode(v); before != after {
			return fmt.Errorf("at %s the view was changed from %s to %s", clock(turn), before, after)
		}
	}
	return nil
}

func restarts(p autoscale.Policy, day []Turn) error {
	var problem error
	asked := 0
	again := eventful().play(p, func(v autoscale.View) autoscale.View {
		if asked++; asked%5 > 0 {
			return v
		}
		text, err := encode(v.Memory)
		v.Memory = autoscale.Memory{}
		problem = errors.Join(problem, err, json.Unmarshal([]byte(text), &v.Memory))
		return v
	})
	if problem != nil {
		return problem
	}
	for i, turn := range day {
		if got := again[i].Decision; got.Target != turn.Decision.Target {
			return fmt.Errorf("at %s, with a memory that was written and read every fifth time: %s; without: %s", clock(turn), got, turn.Decision)
		}
	}
	return nil
}

func sensible(_ autoscale.Policy, day []Turn) error {
	for _, turn := range day {
		d := turn.Decision
		if d.Target < 0 || d.Next < 0 {
			return fmt.Errorf("at %s: target %d, next %s", clock(turn), d.Target, d.Next)
		}
		if len(d.Reasons) == 0 {
			return fmt.Errorf("at %s: target %d without a reason", clock(turn), d.Target)
		}
		for _, r := range d.Reasons {
			if r.Code == "" || strings.Contains(r.String(), "{") {
				return fmt.Errorf("at %s: reason with code %q: %q: a code, and a number for each {name} are needed", clock(turn), r.Code, r)
			}
		}
	}
	return nil
}

func monotone(p autoscale.Policy, day []Turn) error {
	for _, turn := range some(day) {
		for _, factor := range []float64{1.1, 2} {
			more := turn.View
			more.Window = scaled(more.Window, factor)
			if d := p.Decide(more); d.Target < turn.Decision.Target {
				return fmt.Errorf("at %s: %s; with %g times the demand: %s", clock(turn), turn.Decision, factor, d)
			}
		}
	}
	return nil
}

func scaled(window []autoscale.Sample, factor float64) []autoscale.Sample {
	out := append([]autoscale.Sample(nil), window...)
	for i := range out {
		out[i].Demand *= factor
		out[i].Queue *= factor
		out[i].Busy = math.Min(1, out[i].Busy*factor)
		out[i].Servers = append([]autoscale.ServerSample(nil), out[i].Servers...)
		for k := range out[i].Servers {
			out[i].Servers[k].Busy = math.Min(1, out[i].Servers[k].Busy*factor)
		}
	}
	return out
}

func blind(p autoscale.Policy, day []Turn) error {
	quiet := At("09:00", 500).Servers(20).Stay("10m").Play(p)
	for _, turn := range append(some(day), quiet[len(quiet)-1]) {
		empty, stale, unknown := turn.View, turn.View, turn.View
		empty.Window = nil
		stale.Now = stale.Now.Add(15 * time.Minute)
		unknown.Window = nil
		for _, s := range turn.View.Window {
			unknown.Window = append(unknown.Window, autoscale.Unmeasured(s.At))
		}
		for _, one := range []struct {
			window string
			view   autoscale.View
		}{{"an empty", empty}, {"a stale", stale}, {"an unknown", unknown}} {
			for _, memory := range []autoscale.Memory{one.view.Memory, {}} {
				one.view.Memory = memory
				if d := p.Decide(one.view); d.Target < one.view.Array.Size() {
					return fmt.Errorf("at %s, with %s window and %d servers: %s", clock(turn), one.window, one.view.Array.Size(), d)
				}
			}
		}
	}
	return nil
}

// unknowing shows arrays of many sizes with nothing that tells of demand.
func unknowing(p autoscale.Policy, _ []Turn) error {
	story := At("09:00", 100)
	for _, servers := range []int{0, 1, 2, 9} {
		for _, least := range []int{0, 3} {
			turns := story.Servers(servers).Bounds(least, 100).Play(autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision { return v.Stay("", "") }))
			v := turns[0].View
			full := v.Window
			for what, demand := range map[string]float64{"none": math.NaN(), "infinite": math.Inf(1), "negative": -1} {
				v.Window = nil
				for _, s := range full {
					one := autoscale.Unmeasured(s.At)
					one.Demand, one.Busy, one.Queue, one.Response, one.Errors = demand, demand, demand, demand, demand
					one.Servers = []autoscale.ServerSample{{ID: "app-1", Busy: demand}}
					v.Window = append(v.Window, one)
				}
				for _, window := range [][]autoscale.Sample{v.Window, nil} {
					v.Window = window
					want := v.Array.Clamp(servers)
					if d := p.Decide(v); d.Target != want {
						return fmt.Errorf("with %d servers, at least %d, and %d samples whose numbers are %s: %s", servers, least, len(window), what, d)
					}
				}
			}
		}
	}
	return nil
}

func jump(p autoscale.Policy, _ []Turn) error {
	turns := At("09:00", 400).Stay("2h").Jump(2000).Stay("10s").Play(p)
	last := turns[len(turns)-1]
	if size := last.View.Array.Size(); last.Decision.Target <= size {
		return fmt.Errorf("400 req/s, then 2000, with %d servers: %s", size, last.Decision)
	}
	return nil
}

func calm(p autoscale.Policy, _ []Turn) error {
	const hours = 3
	for _, demand := range []float64{3, 140, 700, 1050} {
		turns := At("09:00", demand).Stay("1h").Wave("3h", "7m", demand/100).Play(p)
		if n := Changes(turns[len(turns)-hours*int(time.Hour/Tick):]); n > 2*hours {
			return fmt.Errorf("%v req/s within a per cent: %d changes in %d hours", demand, n, hours)
		}
	}
	return nil
}

func forgetful(p autoscale.Policy, _ []Turn) error {
	for _, demand := range []float64{140, 700} {
		turns := At("09:00", demand).Stay("3h").Play(p)
		last := turns[len(turns)-1].View
		last.Memory = autoscale.Memory{}
		if d := p.Decide(last); d.Target != last.Array.Size() {
			return fmt.Errorf("%v req/s for hours, %d servers, no memory: %s", demand, last.Array.Size(), d)
		}
	}
	return nil
}

func nothing(p autoscale.Policy, _ []Turn) error {
	for _, turn := range At("09:00", 0).Servers(0).Stay("2h").Play(p) {
		if turn.Decision.Target != 0 {
			return fmt.Errorf("at %s, with no demand and no servers: %s", clock(turn), turn.Decision)
		}
	}
	return nil
}
