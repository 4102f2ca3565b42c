package autoscaletest_test

import (
	"fmt"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

// A story is a day in the life of a policy.
func ExampleStory() {
	day := autoscaletest.At("09:00", 500).Ramp("10m", 2000).Outage("5m").Stay("15m")
	turns := day.Play(autoscale.Track{})
	fmt.Println(autoscaletest.Largest(turns), "servers at most, in", autoscaletest.Changes(turns), "changes")
	blind := turns[len(turns)-15*6-2] // the outage is nearly over
	fmt.Println(blind.View.Now.Format("15:04:05"), blind.Decision)
	// Output:
	// 28 servers at most, in 21 changes
	// 09:14:50 28 servers: demand or capacity is not known: keep the size
}

// A policy that trusts its metrics blindly is told what it would do.
func ExampleCheck() {
	naive := autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		demand, _, _ := v.Demand()
		return v.To(v.Servers(demand, 0.7), "naive", "{demand} req/s", autoscale.Num("demand", demand))
	})
	fmt.Println(autoscaletest.Check(naive))
	fmt.Println("guarded:", autoscaletest.Check(autoscale.Guard{Policy: naive}))
	// Output:
	// autoscaletest: nothing is taken away without knowledge: at 09:33:10, with a stale window and 25 servers: 24 servers: 1741 req/s
	// autoscaletest: constant demand is calm: 140 req/s within a per cent: 52 changes in 3 hours
	// guarded: autoscaletest: constant demand is calm: 140 req/s within a per cent: 52 changes in 3 hours
}
