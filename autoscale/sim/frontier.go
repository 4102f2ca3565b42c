package sim

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/siteblocks/siteblocks/autoscale"
)

// Family is a policy with one setting, such as a target or a penalty.
type Family struct {
	Name     string
	Settings []float64
	Make     func(setting float64) autoscale.Policy
}

// Point is the cheapest setting of a policy that keeps violations within a limit, in the mean over a study.
type Point struct {
	Limit      float64 // per cent
	Setting    float64 // of the policy; NaN where none of them keeps the limit
	Cost       float64 // over optimum
	Violations float64 // per cent
}

// Frontier tells what safety costs: for each limit on violations (such as 1, 0.1 and 0.01 per cent) the cheapest setting of a policy. The study's own
// policies are not replayed.
func Frontier(s Study, limits []float64, f Family) []Point {
	s.Policies = nil
	for _, setting := range f.Settings {
		s.Policies = append(s.Policies, Named{Name: fmt.Sprint(setting), Policy: f.Make(setting)})
	}
	rows := map[string][]Row{}
	for _, r := range Compare(s) {
		rows[r.Policy] = append(rows[r.Policy], r)
	}
	var out []Point
	for _, limit := range limits {
		best := Point{Limit: limit, Setting: math.NaN(), Cost: math.Inf(1), Violations: math.NaN()}
		for i, setting := range f.Settings {
			mine := rows[s.Policies[i].Name]
			cost, violations := mean(mine, func(r Row) float64 { return r.Cost }), mean(mine, func(r Row) float64 { return r.Violations })
			if violations <= limit && cost < best.Cost {
				best = Point{limit, setting, cost, violations}
			}
		}
		out = append(out, best)
	}
	return out
}

// Frontiers prints the frontier of each family: what it costs at least to stay within each limit, and with which setting.
func Frontiers(w io.Writer, s Study, limits []float64, families []Family) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "cost over optimum at violations of\t")
	for _, limit := range limits {
		fmt.Fprintf(table, "≤ %g %%\t", limit)
	}
	fmt.Fprintln(table)
	for _, f := range families {
		fmt.Fprintf(table, "%s\t", f.Name)
		for _, p := range Frontier(s, limits, f) {
			if math.IsNaN(p.Setting) {
				fmt.Fprint(table, "–\t")
			} else {
				fmt.Fprintf(table, "%.3f (%g)\t", p.Cost, p.Setting)
			}
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}
