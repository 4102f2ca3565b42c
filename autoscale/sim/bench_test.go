package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// BenchmarkMonth replays thirty days of the football World Cup: what one policy costs to try.
func BenchmarkMonth(b *testing.B) {
	all, err := sim.Recorded()
	require.NoError(b, err)
	load := sim.Prepare(all[1].Slice(0, 30*24*time.Hour), sim.Options{Peak: 20, Seed: 1})
	for _, p := range append(sim.Baselines(), sim.Named{Name: "lead", Policy: autoscale.Lead{}}, sim.Named{Name: "track", Policy: autoscale.Track{}},
		sim.Named{Name: "guard", Policy: autoscale.Guard{}}) {
		b.Run(p.Name, func(b *testing.B) {
			for b.Loop() {
				load.Run(p.Policy)
			}
		})
	}
}

func BenchmarkPrepare(b *testing.B) {
	all, err := sim.Recorded()
	require.NoError(b, err)
	month := all[1].Slice(0, 30*24*time.Hour)
	for b.Loop() {
		sim.Prepare(month, sim.Options{Peak: 20})
	}
}
