package autoscale

import (
	"fmt"
	"slices"
	"time"
)

// Schedule puts floors and ceilings under and over another policy at times of the day.
type Schedule struct {
	Policy Policy         // nil: Lead
	Zone   *time.Location // of the rules' times; nil: UTC
	Rules  []Rule
}

// Rule holds from one time of the day to another, the end not included, by the clock on the wall in the schedule's zone. So on the day on which clocks
// go forward the hour that does not exist is skipped, and on the day on which they go back the repeated hour counts twice. An end before the start is on
// the next day; equal ones make a whole day.
type Rule struct {
	Name     string         // in reasons; empty: its times
	Days     []time.Weekday // on which it starts; none: every day
	From, To Clock
	Floor    int  // at least so many servers; launched one boot time ahead, so that they are ready at From
	Ceiling  int  // at most so many; zero: no ceiling, see Empty
	Empty    bool // ceiling of zero: no array servers
}

// Clock is a time of the day, since midnight by the clock on the wall.
type Clock time.Duration

// At is the time of the day of that hour and minute.
func At(hour, minute int) Clock {
	return Clock(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

// String is as on a clock: 09:30.
func (c Clock) String() string {
	return fmt.Sprintf("%02d:%02d", int(time.Duration(c).Hours()), int(time.Duration(c).Minutes())%60)
}

// Active reports whether the rule holds at t, whose location says what the clock shows.
func (r Rule) Active(t time.Time) bool {
	h, m, s := t.Clock()
	now := At(h, m) + Clock(time.Duration(s)*time.Second+time.Duration(t.Nanosecond()))
	today := t.Weekday()
	yesterday := (today + 6) % 7
	if r.From < r.To {
		return r.on(today) && now >= r.From && now < r.To
	}
	return r.on(today) && now >= r.From || r.on(yesterday) && now < r.To
}

func (r Rule) label() string {
	if r.Name == "" {
		return "of " + r.From.String() + " to " + r.To.String()
	}
	return r.Name
}

func (r Rule) on(day time.Weekday) bool {
	for _, d := range r.Days {
		if d == day {
			return true
		}
	}
	return len(r.Days) == 0
}

// Decide asks the policy and moves its target between the floors and ceilings that hold. Of several the highest floor and the lowest ceiling count; a
// floor wins over a ceiling.
func (p Schedule) Decide(v View) Decision {
	d := orLead(p.Policy).Decide(v)
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	now, ahead := v.Now.In(zone), v.Now.Add(v.Boot.Mean).In(zone)
	wanted, target := d.Target, d.Target
	code, text := "within", "{wanted} is within the floors and ceilings that hold now"
	for _, r := range p.Rules {
		if (r.Ceiling > 0 || r.Empty) && r.Ceiling < target && r.Active(now) {
			target, code, text = r.Ceiling, "ceiling", "the ceiling "+r.label()+" lowers {wanted} to {target}"
		}
	}
	for _, r := range p.Rules {
		if r.Floor > target && (r.Active(now) || r.Active(ahead)) {
			target, code, text = r.Floor, "floor", "the floor "+r.label()+" lifts {wanted} to {target}"
		}
	}
	target = v.Array.Clamp(target)
	return d.then(Reason{Stage: "schedule", Target: target, Code: code, Text: text, Numbers: Numbers{Num("wanted", wanted), Num("target", target)}})
}

// then is the decision after one more stage.
func (d Decision) then(r Reason) Decision {
	d.Reasons = append(d.Reasons[:len(d.Reasons):len(d.Reasons)], r)
	d.Target = r.Target
	return d
}

// stage names the policy that speaks in the reasons that have no name yet.
func (d Decision) stage(name string) Decision {
	d.Reasons = slices.Clone(d.Reasons)
	for i := range d.Reasons {
		if d.Reasons[i].Stage == "" {
			d.Reasons[i].Stage = name
		}
	}
	return d
}

// Max wants what the policy that wants most wants.
type Max []Policy

// Decide asks all.
func (p Max) Decide(v View) Decision {
	old, _ := Recall[[]Memory](v.Memory)
	memories := make([]Memory, len(p))
	out := Decision{Target: -1}
	best := 0
	for i, one := range p {
		mine := v
		mine.Memory = Memory{}
		if len(old) == len(p) {
			mine.Memory = old[i]
		}
		d := one.Decide(mine).stage(fmt.Sprintf("max %d", i+1))
		memories[i] = d.Memory
		out.Reasons = append(out.Reasons, d.Reasons...)
		if d.Target > out.Target {
			out.Target, best = d.Target, i+1
		}
		if d.Next > 0 && (out.Next == 0 || d.Next < out.Next) {
			out.Next = d.Next
		}
	}
	if len(p) == 0 {
		return v.Stay("no-policies", "there is no policy to ask: keep the size")
	}
	out.Memory = Remember(memories)
	return out.then(Reason{Stage: "max", Target: out.Target, Code: "max", Text: "policy {policy} wants most", Numbers: Numbers{Num("policy", best)}})
}
