package autoscale_test

import (
	"testing"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

// BenchmarkDecide is one decision in the midst of a day.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name   string
		policy autoscale.Policy
	}{
		{"lead", autoscale.Lead{}}, {"track", autoscale.Track{}}, {"step", autoscale.Step{}}, {"vote", autoscale.Vote{}},
		{"guard", autoscale.Guard{}}, {"hold", autoscale.Hold{}},
	} {
		turns := autoscaletest.At("09:00", 500).Ramp("3h", 1500).Play(c.policy)
		v := turns[len(turns)-1].View
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.policy.Decide(v)
			}
		})
	}
}
