package operate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site/agent"
)

// problems are what keeps the site from being well, the site's own first.
func (s Status) problems() []string {
	var all []string
	say := func(ok bool, format string, args ...any) {
		if !ok {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	say(s.Answer == "ok", "visitors: %s", s.Answer)
	maintenance := slices.ContainsFunc(s.Servers, func(v ServerStatus) bool { return v.Report != nil && v.Report.Maintenance })
	restoring := slices.ContainsFunc(s.Servers, func(v ServerStatus) bool { return v.Report != nil && v.Report.Restoring })
	say(!restoring, "a restore of the data did not come to its end: visitors get %s; run up, or backup restore", cmp.Or(s.Front, "no answer"))
	say(!maintenance || restoring, "maintenance is on: visitors get %s; maintenance off ends it", cmp.Or(s.Front, "no answer"))
	say(maintenance || !strings.HasPrefix(s.Front, "5"), "visitors get %s at %s", s.Front, s.URL)
	for _, v := range s.Servers {
		for _, p := range v.problems(s.Release) {
			all = append(all, v.Name+": "+p)
		}
	}
	return all
}

// problems of one server; release is the one that it is to run.
func (v ServerStatus) problems(release string) []string {
	r := v.Report
	switch {
	case v.State != string(ec2x.Running):
		return []string{fmt.Sprintf("it is %s; run up", v.State)}
	case v.Error != "":
		return []string{v.Error}
	case r == nil:
		return nil
	}
	var all []string
	say := func(ok bool, format string, args ...any) {
		if !ok {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	say(r.Database == "ok" || r.Database == "", "database: %s", r.Database)
	say(r.Apache == "ok" || r.Apache == "", "Apache: %s", r.Apache)
	say(release != "", "nothing was deployed yet; run up")
	say(r.Release == release, "its current release is %s, the site's is %s; run up", cmp.Or(r.Release, "none"), cmp.Or(release, "none"))
	down, drained, failed, old, extra, died := ports{}, ports{}, ports{}, ports{}, ports{}, 0
	for _, p := range r.Processes {
		switch {
		case p.Extra:
			extra.add(p)
		case !p.Running:
			down.add(p)
		case r.Apache == "ok" && !p.Usable && (strings.Contains(p.Apache, "Dis") || strings.Contains(p.Apache, "Stop")):
			drained.add(p)
		case r.Apache == "ok" && !p.Usable:
			failed.add(p)
			died += p.Died
		}
		if p.Running && (p.Release != r.Release || !p.Fresh) {
			old.add(p)
		}
	}
	ours := len(r.Processes) - len(extra)
	say(len(down) == 0, "%s not running; see logs, run up", down.of(ours))
	say(len(drained) == 0, "%s drained, no request reaches them; run up", drained.of(ours))
	say(len(failed) == 0 || died > 0, "%s not healthy to Apache, no request reaches them; see logs", failed.of(ours))
	say(len(failed) == 0 || died == 0, "%s not healthy to Apache, no request reaches them; they died %d times since they were started; see logs", failed.of(ours), died)
	say(len(old) == 0, "%s another release or configuration than the current one (%s); run up", old.of(ours), strings.Join(mixed(r.Processes), ", "))
	say(len(extra) == 0, "%s left from other ports; run up", extra.of(len(r.Processes)))
	return all
}

// ports name some of a server's processes.
type ports []uint16

func (p *ports) add(process agent.Process) { *p = append(*p, process.Port) }

func (p ports) of(all int) string {
	words := make([]string, len(p))
	for i, port := range p {
		words[i] = fmt.Sprint(port)
	}
	return fmt.Sprintf("%d of %d processes (%s):", len(p), all, strings.Join(words, " "))
}

// mixed says which processes run which release.
func mixed(all []agent.Process) []string {
	by := map[string]ports{}
	for _, p := range all {
		if p.Running {
			by[p.Release] = append(by[p.Release], p.Port)
		}
	}
	var text []string
	for _, release := range slices.Sorted(maps.Keys(by)) {
		text = append(text, fmt.Sprintf("%s on %s", cmp.Or(release, "none"), strings.Trim(fmt.Sprint(by[release]), "[]")))
	}
	return text
}
