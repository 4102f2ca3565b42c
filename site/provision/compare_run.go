package provision

import (
	"slices"
	"strings"
)

func (c *comparison) packages(p Packages) item {
	noStart := ""
	if p.NoStart {
		noStart = "no start"
	}
	it := item{
		Change: Change{Action: "install"}, opaque: true,
		ops: []op{{function: "packages", args: append([]string{noStart}, p.Names...)}},
	}
	for _, names := range p.Names {
		alternatives := strings.Split(names, "|")
		if slices.ContainsFunc(alternatives, func(n string) bool { return c.facts.Packages[n] == "installed" }) {
			continue
		}
		it.differs = true
		it.keys = append(it.keys, "package:"+names)
		it.Detail = join(it.Detail, c.choice(alternatives))
	}
	if !it.differs {
		it.keys, it.ops = p.keys(), nil
	}
	return it
}

// choice says which of the alternatives will be installed, as far as it is known.
func (c *comparison) choice(alternatives []string) string {
	for _, name := range alternatives {
		if status := c.facts.Packages[name]; status != "" && status != "config-files" && status != "not-installed" {
			return name + " (" + status + ")"
		}
	}
	for _, name := range alternatives {
		if c.facts.Candidates[name] {
			return name
		}
	}
	return strings.Join(alternatives, " or ") + " (decided on the server, with fresh package lists)"
}

// triggered says whether a debt is owed by the decided changes or by an earlier run, and whether it may be owed by
// those that are decided on the server.
func (c *comparison) triggered(d debt) (owed, maybe bool) {
	return c.facts.Owed[d.name] || d.owedFor(c.keys), d.owedFor(c.maybe)
}

func (c *comparison) unit(u Unit) item {
	it := item{Change: Change{}, keys: u.keys()}
	owed := debts(u)
	reload, maybeReload := c.triggered(owed[0])
	restart, maybeRestart := c.triggered(owed[1])
	it.again = maybeReload || maybeRestart
	var verbs []string
	for _, name := range u.names() {
		todo := c.unitVerbs(u.state(), c.facts.Units[name], reload, restart)
		if len(todo) == 0 {
			continue
		}
		what := strings.Join(todo, ", ")
		if len(verbs) == 0 {
			it.Action = what
		}
		if what != it.Action {
			name += ": " + what
		}
		verbs = append(verbs, name)
	}
	it.differs = len(verbs) > 0 || reload || restart
	if it.Action == "" {
		it.Action = "settle"
	}
	if strings.Contains(u.Name, "@.") {
		it.Detail = strings.Join(verbs, ", ")
	}
	if d := c.owedWords(owed); d != "" {
		it.Detail = join(it.Detail, d)
	}
	for _, name := range u.names() {
		it.ops = append(it.ops, op{function: "unit_put",
			args: []string{name, string(u.state()), u.Check, debtFile(owed[0].name), debtFile(owed[1].name)}})
	}
	for _, extra := range c.facts.Instances[u.Name] {
		if slices.Contains(u.names(), extra) || extra == u.Name {
			continue
		}
		it.differs = true
		it.Detail = join(it.Detail, "stop and disable "+extra)
		it.ops = append(it.ops, op{function: "unit_put", args: []string{extra, string(UnitStopped), "", "none", "none"}})
	}
	it.ops = append(it.ops, op{function: "paid", args: []string{debtFile(owed[0].name), debtFile(owed[1].name)}})
	return it
}

func (c *comparison) owedWords(owed []debt) string {
	for _, d := range owed {
		if c.facts.Owed[d.name] && !d.owedFor(c.keys) {
			return "owed since a run that was interrupted or failed"
		}
	}
	return ""
}

var enabledStates = []string{"enabled", "static", "alias", "generated", "indirect", "transient"}

// unitVerbs says what is to be done to one unit, in systemctl's words.
func (c *comparison) unitVerbs(want UnitState, have UnitFact, reload, restart bool) []string {
	var verbs []string
	add := func(when bool, verb string) {
		if when {
			verbs = append(verbs, verb)
		}
	}
	active := have.Active == "active" || have.Active == "reloading"
	masked := have.Load == "masked"
	switch want {
	case UnitMasked:
		add(active || have.Active == "activating", "stop")
		add(!masked, "mask")
		return verbs
	case UnitStopped:
		add(active || have.Active == "activating", "stop")
		add(have.File == "enabled" || have.File == "enabled-runtime", "disable")
		return verbs
	}
	add(have.NeedReload, "daemon-reload")
	if want != UnitAsIs {
		add(masked, "unmask")
		add(!slices.Contains(enabledStates, have.File), "enable")
	}
	add(want == UnitRunning && !active, "start")
	add(active && restart, "restart")
	add(active && reload && !restart, "reload")
	return verbs
}

// command is left to its guards on the server wherever something before it changes.
func (c *comparison) command(cmd Command) item {
	d := debts(cmd)[0]
	owed, maybe := c.triggered(d)
	guard := c.facts.Guards[cmd.Name]
	it := item{Change: Change{Action: "run"}, keys: cmd.keys(), opaque: true}
	if cmd.User != "" {
		it.Detail = "as " + cmd.User
	}
	waits := ""
	if len(cmd.OnChange) > 0 {
		waits = debtFile(d.name)
	}
	it.ops = []op{{
		function: "command_run", args: []string{waits, cmd.user(), seconds(cmd.timeout()), cmd.Unless, cmd.OnlyIf, cmd.Script},
		payload: &payload{base: "stdin", text: string(cmd.Stdin), secret: true},
	}}
	wanted := !guard.Excluded && !(cmd.Unless != "" && guard.Satisfied)
	if len(cmd.OnChange) > 0 {
		it.differs = owed && wanted
		it.again = owed && !guard.Excluded || maybe || owed && len(c.items) > 0
	} else {
		it.differs = wanted
		it.again = len(c.items) > 0
	}
	if words := c.owedWords([]debt{d}); words != "" {
		it.Detail = join(it.Detail, words)
	}
	if guard.Said != "" {
		it.Detail = join(it.Detail, plain(c.redactor.line(strings.Join(strings.FieldsFunc(guard.Said, lineEnd), "; "))))
	}
	if it.differs && len(c.items) > 0 && (cmd.Unless != "" || cmd.OnlyIf != "") {
		it.Detail = join(it.Detail, "if its guard still says so")
	}
	return it
}

func lineEnd(r rune) bool { return r == '\n' || r == '\r' }
