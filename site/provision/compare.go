package provision

import "slices"

// Compare returns what has to change so that a host with these facts comes to the state. It is pure: equal
// arguments give equal plans. The facts must have been gathered for this state.
func Compare(state State, facts Facts) Plan {
	c := comparison{facts: facts, redactor: state.redactor(), managed: map[string]bool{}}
	for _, step := range state.Steps {
		for _, key := range step.keys() {
			c.managed[key] = true
		}
	}
	if facts.Interrupted != "" || facts.Leftover {
		detail := "temporary files are removed"
		if facts.Interrupted != "" {
			detail = "config " + facts.Interrupted + " is put back as it was before, then compared"
		}
		c.add(item{Change: Change{Action: "clean up", Step: "after an interrupted run", Detail: detail}, differs: true})
	}
	for i, step := range state.Steps {
		it := c.step(step)
		kind, name, _ := describe(step)
		it.Step = kind + " " + name
		it.owes = owes(it.keys, state.Steps[i+1:])
		c.add(it)
	}
	return Plan{&plan{generation: facts.Generation, free: facts.Free, items: c.items}}
}

// item is one change of a plan with what the host runs for it.
type item struct {
	Change
	ops     []op
	keys    []string // of what changes, see Step
	differs bool
	again   bool // looked at again on the server where it does not differ, when something before it may change it
	opaque  bool // may change more than its keys say: later facts may not hold any more
	owes    []string
}

// op is a call of a shell function of apply.sh.
type op struct {
	function string
	args     []string
	payload  *payload // staged on the host; its path there becomes the first argument
}

// payload is a content that goes to the host.
type payload struct {
	base   string // name of the staged file
	text   string
	secret bool
	blob   Blob
}

type comparison struct {
	facts    Facts
	redactor redactor
	managed  map[string]bool // by the state's steps: their keys
	items    []item
	keys     []string // of the items that are decided
	maybe    []string // of those that are not
	opaque   bool
}

// add takes up an item that differs, or that is to be looked at again on the server.
func (c *comparison) add(it item) {
	switch {
	case it.differs:
		c.keys = append(c.keys, it.keys...)
		c.opaque = c.opaque || it.opaque
	case it.again || c.opaque && it.ops != nil:
		it.Action, it.Detail, it.Undecided = "look again at", "decided on the server, after the changes before it", true
		c.maybe = append(c.maybe, it.keys...)
	default:
		return
	}
	c.items = append(c.items, it)
}

// owes are the debts that a change of keys makes: those of later steps only, for nobody would pay others in this run.
func owes(keys []string, later []Step) (files []string) {
	for _, step := range later {
		for _, d := range debts(step) {
			if d.owedFor(keys) {
				files = append(files, debtFile(d.name))
			}
		}
	}
	return files
}

func (c *comparison) step(step Step) item {
	switch s := step.(type) {
	case Group:
		return c.group(s)
	case User:
		return c.user(s.withDefaults())
	case Packages:
		return c.packages(s)
	case Dir:
		return c.dir(s)
	case File:
		return c.file(s)
	case Config:
		return c.config(s)
	case Link:
		return c.link(s)
	case Absent:
		return c.absent(s)
	case Unit:
		return c.unit(s)
	case Command:
		return c.command(s)
	}
	return item{}
}

func (c *comparison) group(g Group) item {
	return item{
		Change: Change{Action: "create"}, keys: g.keys(), differs: !c.facts.Groups[g.Name],
		ops: []op{{function: "group_add", args: []string{g.Name}}},
	}
}

func (c *comparison) user(u User) item {
	it := item{
		Change: Change{Action: "create"}, keys: u.keys(),
		ops: []op{{function: "user_put", args: append([]string{u.Name, u.Group, u.Home, u.Shell}, u.Groups...)}},
	}
	have, exists := c.facts.Users[u.Name]
	if !exists {
		it.differs = true
		return it
	}
	it.Action = "update"
	note := func(what, old, want string) {
		if old != want {
			it.differs = true
			it.Detail = join(it.Detail, what+" "+old+" → "+want)
		}
	}
	note("group", have.Group, u.Group)
	note("home", have.Home, u.Home)
	note("shell", have.Shell, u.Shell)
	for _, g := range u.Groups {
		if !slices.Contains(have.Groups, g) {
			it.differs = true
			it.Detail = join(it.Detail, "into group "+g)
		}
	}
	return it
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}
