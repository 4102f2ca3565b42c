package autoscale_test

import (
	"fmt"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// Cautious is a policy of one's own: servers are kept at a share of their capacity, and none goes while requests wait or before the quarter of an hour is
// over in which it was needed. It remembers when that was.
type Cautious struct {
	Share float64 // of a server's capacity, 0 to 1
}

// Decide is all that a policy needs.
func (p Cautious) Decide(v autoscale.View) autoscale.Decision {
	demand, _, known := v.Demand()
	if !known || !v.Fresh(time.Minute) {
		return v.Stay("unknown", "nothing was measured for a minute: keep the size")
	}
	want, size := v.Servers(demand, p.Share), v.Array.Size()
	busySince, remembered := autoscale.Recall[time.Time](v.Memory)
	waiting, _ := v.MeanOf(time.Minute, func(s autoscale.Sample) float64 { return s.Queue })
	if want >= size || waiting > 0 || !remembered {
		busySince = v.Now
	}
	d := v.To(want, "demand", "{demand} req/s need {want}", autoscale.Num("demand", demand), autoscale.Num("want", want))
	if quiet := v.Now.Sub(busySince); want < size && quiet < 15*time.Minute {
		d = v.Stay("cautious", "{want} would do, but only for {quiet} s", autoscale.Num("want", want), autoscale.Num("quiet", quiet.Seconds()))
	}
	d.Memory = autoscale.Remember(busySince)
	return d
}

// A policy of one's own, from its first line to its test: Decide above is the policy; Check (or Conform, in a test) holds it to the rules, a story lets it
// live through a morning, and the simulator says what it would have cost on recorded traffic, beside the default.
func Example_customPolicy() {
	mine := autoscale.Guard{Policy: Cautious{Share: 0.7}}

	fmt.Println("breaks rules:", autoscaletest.Check(mine))

	turns := autoscaletest.At("09:00", 300).Ramp("10m", 900).Stay("20m").Jump(300).Stay("30m").Play(mine)
	for _, turn := range turns {
		if turn.Decision.Target != turn.View.Array.Size() {
			fmt.Println(turn.View.Now.Format("15:04:05"), turn.Decision.Reasons[0])
		}
	}

	traces, _ := sim.Recorded()
	fortnight := traces[1].Slice(40*24*time.Hour, 54*24*time.Hour) // the first week is not scored
	for _, p := range []sim.Named{{Name: "mine", Policy: mine}, {Name: "lead", Policy: autoscale.Lead{}}} {
		r := sim.Run(fortnight, p.Policy, sim.Options{Peak: 20, Seed: 1})
		fmt.Printf("%s: %.2f times the optimum, %.2f %% of the requests violate\n", p.Name, r.Cost(), r.Violations())
	}
	// Output:
	// breaks rules: <nil>
	// 09:01:00 360 req/s need 5
	// 09:02:10 430 req/s need 6
	// 09:03:20 500 req/s need 7
	// 09:04:30 570 req/s need 8
	// 09:05:40 640 req/s need 9
	// 09:06:50 710 req/s need 10
	// 09:08:00 780 req/s need 11
	// 09:09:10 850 req/s need 12
	// 09:45:00 300 req/s need 4
	// mine: 1.44 times the optimum, 0.00 % of the requests violate
	// lead: 1.13 times the optimum, 0.04 % of the requests violate
}
