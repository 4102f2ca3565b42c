package provision

import (
	"maps"
	"path"
	"slices"
)

// config puts those parts in place that differ, as one change. Where something before it may change any part, all
// parts are looked at again.
func (c *comparison) config(cfg Config) item {
	it := item{Change: Change{Action: "update"}}
	var parts []item
	for _, f := range cfg.Files {
		f.Check = ""
		parts = append(parts, c.file(f))
	}
	for _, l := range cfg.Links {
		parts = append(parts, c.link(l))
	}
	for _, p := range cfg.Absent {
		parts = append(parts, c.absent(Absent{Path: p}))
	}
	var saved []string
	alone := c.alone(cfg)
	for _, part := range parts {
		if !part.differs && !c.opaque {
			continue
		}
		it.ops = append(it.ops, part.ops...)
		it.keys = append(it.keys, part.keys...)
		saved = append(saved, part.keys...)
		if part.differs {
			it.differs = true
			part.Step = part.keys[0]
			it.Parts = append(it.Parts, part.Change)
		}
	}
	for _, part := range alone {
		it.differs = true
		it.keys = append(it.keys, part.Step)
		it.Parts = append(it.Parts, part)
	}
	if len(alone) > 0 || c.opaque {
		it.ops = append(it.ops, c.only(cfg)...)
	}
	if it.ops == nil {
		return item{}
	}
	it.keys = append(it.keys, "config:"+cfg.Name)
	begin := op{function: "config_begin", args: append([]string{cfg.Name}, saved...)}
	end := op{function: "config_end", args: []string{cfg.Check}}
	it.ops = append(append([]op{begin}, it.ops...), end)
	return it
}

// alone are the changes that leave a config's own directories to it.
func (c *comparison) alone(cfg Config) []Change {
	var changes []Change
	for _, dir := range cfg.Owns {
		for _, p := range slices.Sorted(maps.Keys(c.facts.Paths)) {
			have := c.facts.Paths[p]
			if path.Dir(p) != dir || c.managed[p] || slices.Contains(cfg.Keep, p) {
				continue
			}
			change := Change{Action: "remove", Step: plain(p), Detail: "not of this state: a link to " + plain(have.Target)}
			if have.Type != "l" {
				change.Action, change.Detail = "set aside", "not of this state: "+typeWord(have.Type)+", kept in "+asideDir
			}
			changes = append(changes, change)
		}
	}
	return changes
}

const asideDir = "/var/backups/siteblocks" // as in apply_config.sh

// only looks on the server again what is in a config's own directories: a package may have put something there.
func (c *comparison) only(cfg Config) []op {
	var ops []op
	for _, dir := range cfg.Owns {
		args := []string{dir}
		for _, p := range slices.Sorted(maps.Keys(c.managed)) {
			if path.Dir(p) == dir {
				args = append(args, p)
			}
		}
		for _, p := range cfg.Keep {
			if path.Dir(p) == dir {
				args = append(args, p)
			}
		}
		ops = append(ops, op{function: "only", args: args})
	}
	return ops
}
