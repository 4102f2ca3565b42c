package sim

import (
	"math"
	"strconv"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
)

// launch starts n servers at the beginning of step i.
func (e *engine) launch(i, n int) {
	for range n {
		boot := e.Options.Boot
		f := e.Options.Faults
		if f.BootJitter > 0 {
			boot = time.Duration(float64(boot) * math.Exp(f.BootJitter*e.random.NormFloat64()))
		}
		m := machine{launched: i, change: i + steps(boot), dies: never}
		m.fails = f.FailedBoots > 0 && e.random.Float64() < f.FailedBoots
		if f.Lifetime > 0 {
			m.dies = m.change + steps(time.Duration(e.random.ExpFloat64()*float64(f.Lifetime)))
		}
		e.names++
		m.Server = autoscale.Server{ID: "app-" + strconv.Itoa(e.names), State: autoscale.Booting, Launched: e.at(i), Expected: e.at(i).Add(e.boot.Mean)}
		m.Zone = string(rune('a' + e.names%2))
		e.servers = append(e.servers, m)
		e.event = min(e.event, m.change)
	}
	e.seen = nil
}

// drain takes n servers out at the beginning of step i. One that boots is ended at once.
func (e *engine) drain(i int, v autoscale.View, n int) {
	gone := map[string]bool{}
	for _, s := range autoscale.Choose(e.Options.Victims, v, n) {
		gone[s.ID] = true
	}
	for k := range e.servers {
		m := &e.servers[k]
		if !gone[m.ID] {
			continue
		}
		m.change = i
		if m.State == autoscale.Ready {
			m.change = i + steps(e.Options.Drain)
		}
		m.State, m.dies = autoscale.Draining, never
		e.event = min(e.event, m.change)
	}
	e.seen = nil
}

// advance lets servers change by themselves at the beginning of step i.
func (e *engine) advance(i int) {
	e.event = never
	kept := e.servers[:0]
	for _, m := range e.servers {
		switch {
		case m.State == autoscale.Draining && m.change <= i, m.State == autoscale.Ready && m.dies <= i,
			m.State == autoscale.Booting && m.change <= i && m.fails:
			e.result.ended(i, m)
			continue
		case m.State == autoscale.Booting && m.change <= i:
			m.State = autoscale.Ready
			e.boot = e.boot.Learn(time.Duration(m.change-m.launched) * Step)
		}
		if m.State != autoscale.Ready {
			e.event = min(e.event, m.change)
		}
		e.event = min(e.event, m.dies)
		kept = append(kept, m)
	}
	e.servers, e.seen = kept, nil
}
