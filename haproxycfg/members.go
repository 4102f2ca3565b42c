package haproxycfg

import (
	"cmp"
	"fmt"
)

// members plans the changes to a backend's servers: what adds capacity first, then what takes some away.
func (c *Changes) members(old, next Backend) {
	was := map[string]Server{}
	for _, s := range old.Servers {
		was[s.Name] = s
	}
	var more, less []Step
	step := func(list *[]Step, v Verb, s Server, reason string, args ...any) {
		one := Step{Verb: v, Backend: next.Name, Server: s, Reason: fmt.Sprintf(reason, args...)}
		if v == DoJoin {
			one.Settings = next.settings()
		}
		*list = append(*list, one)
	}
	for _, s := range next.Servers {
		o, there := was[s.Name]
		delete(was, s.Name)
		switch {
		case !there:
			step(&more, DoJoin, s, "%v is new", s.Addr)
		case o.Addr != s.Addr || o.Backup != s.Backup:
			step(&less, DoLeave, o, "it becomes another server, at %v", s.Addr)
			step(&less, DoJoin, s, "%v is new", s.Addr)
		default:
			list := &more
			if cmp.Or(s.State, Ready) != Ready {
				list = &less
			}
			alter(o, s, func(v Verb, reason string, args ...any) { step(list, v, s, reason, args...) })
		}
	}
	for _, s := range old.Servers {
		if _, left := was[s.Name]; left {
			step(&less, DoLeave, s, "it is there no more")
		}
	}
	c.Steps = append(append(c.Steps, more...), less...)
}

// settings are what its servers have in common.
func (b Backend) settings() Backend {
	b.Servers, b.Cookie.Key = nil, ""
	return b
}

// alter plans what changes of a server that stays.
func alter(old, next Server, step func(v Verb, reason string, args ...any)) {
	from, to := cmp.Or(old.State, Ready), cmp.Or(next.State, Ready)
	if a, b := cmp.Or(old.Weight, 1), cmp.Or(next.Weight, 1); a != b && to == Ready && from == Ready {
		step(DoWeight, "%d → %d", a, b)
	}
	if old.MaxConn != next.MaxConn {
		step(DoMaxConn, "%d → %d", old.MaxConn, next.MaxConn)
	}
	if from != to {
		step(Verb(to), "%s → %s", from, to)
	}
}
