package haproxycfg

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Changes are the way from one configuration to another.
type Changes struct {
	// Steps change the running process, in this order, over Runtime.
	Steps []Step

	// Reload says why a reload is needed after them. Empty: none is.
	Reload []string
}

// Verb is what a step does, in HAProxy's words where it has one.
type Verb string

const (
	DoJoin    Verb = "join"
	DoLeave   Verb = "leave"
	DoWeight  Verb = "weight"
	DoMaxConn Verb = "maxconn"
	DoReady   Verb = "ready"
	DoDrain   Verb = "drain"
	DoMaint   Verb = "maint"
)

// Step is one change to one server. A plan may be kept as JSON: what comes back does the same.
type Step struct {
	Verb    Verb
	Backend string
	Server  Server // as it will be; for DoLeave as it was
	Reason  string

	// Settings are what a server that joins shares with the others of its backend: the backend without its servers and
	// the cookie's key. Zero: Apply takes them from its configuration, and Runtime.Do refuses DoJoin.
	Settings Backend `json:",omitzero"`
}

// String is the step as a line of a plan: `backend "app": drain web-1: ready → drain`.
func (s Step) String() string {
	return fmt.Sprintf("backend %q: %s %s: %s", s.Backend, s.Verb, s.Server.Name, s.Reason)
}

// String has a line for each step and reason.
func (c Changes) String() string {
	var b strings.Builder
	for _, s := range c.Steps {
		b.WriteString(s.String() + "\n")
	}
	for _, r := range c.Reload {
		b.WriteString("reload: " + r + "\n")
	}
	return b.String()
}

// ShrinkError says that a backend would lose more than half of the servers that get requests, or all. It is how an
// inventory that came back empty looks, so somebody has to mean it.
type ShrinkError struct {
	Backend   string
	Was, Left int
}

func (e *ShrinkError) Error() string {
	return fmt.Sprintf("haproxycfg: backend %q: of %d servers that get requests %d would be left; confirm that it is meant",
		e.Backend, e.Was, e.Left)
}

// Plan says how to come from old to next. Members, weights and states of servers change while HAProxy runs: a plan of
// these alone has no reason to reload. The mistakes of next are returned as Validate has them. Where a backend loses
// servers as ShrinkError says, the changes are returned together with one such error for each: who means it
// applies them all the same.
//
// Steps come before the reload, since a process that was replaced cannot be changed any more.
func Plan(old, next Config) (Changes, error) {
	if err := next.Validate(); err != nil {
		return Changes{}, err
	}
	var c Changes
	c.shape("config", old, next, "Version", "Name", "Frontends", "Backends", "Databases")
	sections(&c, "frontend", old.Frontends, next.Frontends, func(f Frontend) string { return f.Name })
	sections(&c, "backend", old.Backends, next.Backends, func(b Backend) string { return b.Name })
	sections(&c, "database", old.Databases, next.Databases, func(d Database) string { return d.Name })
	was, will := pools(old), pools(next)
	var shrunk shrinks
	for _, n := range will {
		for _, o := range was {
			if o.Name == n.Name {
				c.members(o, n)
			}
		}
	}
	for _, o := range was {
		shrunk.add(o, will)
	}
	return c, shrunk.err()
}

// shape notes fields that differ, but for those that are named.
func (c *Changes) shape(place string, old, next any, but ...string) {
	o, n := reflect.ValueOf(old), reflect.ValueOf(next)
	for i := range o.NumField() {
		field := o.Type().Field(i)
		if !field.IsExported() || slices.Contains(but, field.Name) || reflect.DeepEqual(o.Field(i).Interface(), n.Field(i).Interface()) {
			continue
		}
		c.Reload = append(c.Reload, fmt.Sprintf("%s: %s changed", place, field.Name))
	}
}

// sections notes those that come, go or change in anything but their servers.
func sections[T any](c *Changes, kind string, old, next []T, name func(T) string) {
	was := map[string]T{}
	for _, o := range old {
		was[name(o)] = o
	}
	for _, n := range next {
		place := fmt.Sprintf("%s %q", kind, name(n))
		if o, there := was[name(n)]; there {
			c.shape(place, o, n, "Servers")
			delete(was, name(n))
		} else {
			c.Reload = append(c.Reload, place+" is new")
		}
	}
	for _, o := range old {
		if _, left := was[name(o)]; left {
			c.Reload = append(c.Reload, fmt.Sprintf("%s %q goes", kind, name(o)))
		}
	}
}

// pools are all groups of servers.
func pools(c Config) []Backend {
	list := slices.Clone(c.Backends)
	for _, d := range c.Databases {
		list = append(list, d.Backend())
	}
	return list
}

// shrinks are ShrinkErrors.
type shrinks []error

func (s shrinks) err() error { return errors.Join(s...) }

func (s *shrinks) add(old Backend, next []Backend) {
	left := 0
	for _, n := range next {
		if n.Name == old.Name {
			left = n.ready()
		}
	}
	if was := old.ready(); was > 0 && (left == 0 || 2*left < was) {
		*s = append(*s, &ShrinkError{Backend: old.Name, Was: was, Left: left})
	}
}

func (b Backend) ready() int {
	n := 0
	for _, s := range b.Servers {
		if cmp.Or(s.State, Ready) == Ready {
			n++
		}
	}
	return n
}

// ready is how many servers of a backend are to get requests.
func (c Config) ready(backend string) int {
	for _, b := range pools(c) {
		if b.Name == backend {
			return b.ready()
		}
	}
	return 0
}

// within are the steps on the way to next, or what about them next knows nothing of.
func (c Changes) within(next Config) ([]Step, error) {
	var errs []error
	steps := slices.Clone(c.Steps)
	for i := range steps {
		errs = append(errs, steps[i].settle(next))
	}
	return steps, errors.Join(errs...)
}

// settle gives a step the settings of its backend in next.
func (s *Step) settle(next Config) error {
	if !slices.Contains([]Verb{DoJoin, DoLeave, DoWeight, DoMaxConn, DoReady, DoDrain, DoMaint}, s.Verb) {
		return s.unknown()
	}
	list := pools(next)
	i := slices.IndexFunc(list, func(b Backend) bool { return b.Name == s.Backend })
	if i < 0 {
		return fmt.Errorf("haproxycfg: %v: Backend %q is not in the configuration that is applied", s, s.Backend)
	}
	if stays := slices.Contains(list[i].Servers, s.Server); stays == (s.Verb == DoLeave) {
		return fmt.Errorf("haproxycfg: %v: Server %+v is otherwise in the configuration that is applied: the next reload would undo the step", s, s.Server)
	}
	if s.Verb == DoJoin {
		s.Settings = list[i].settings()
	}
	return nil
}

func (s Step) unknown() error {
	return fmt.Errorf("haproxycfg: %v: Verb %q is none of join, leave, weight, maxconn, ready, drain and maint", s, s.Verb)
}
