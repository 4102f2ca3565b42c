package haproxycfg_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

// large has so many servers.
func large(n int) config {
	c := frontEnd()
	c.Backends[0].Servers = nil
	for i := range n {
		c.Backends[0].Servers = append(c.Backends[0].Servers, haproxycfg.Server{Name: fmt.Sprintf("app-%d", i), Weight: 100,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 3001)})
	}
	return c
}

func sizes(b *testing.B, run func(b *testing.B, n int)) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { run(b, n) })
	}
}

func BenchmarkRender(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		c := large(n)
		b.ReportAllocs()
		for b.Loop() {
			_, err := haproxycfg.Render(c)
			require.NoError(b, err)
		}
	})
}

// BenchmarkPlan replaces a tenth of the servers and changes the weight of another tenth.
func BenchmarkPlan(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		old, next := large(n), large(n)
		for i := range n / 10 {
			next.Backends[0].Servers[i].Weight = 50
			next.Backends[0].Servers[n-1-i].Name += "-new"
		}
		b.ReportAllocs()
		for b.Loop() {
			changes, err := haproxycfg.Plan(old, next)
			require.NoError(b, err)
			require.Len(b, changes.Steps, 3*(n/10))
		}
	})
}

// BenchmarkPlanOfNothing compares what is equal.
func BenchmarkPlanOfNothing(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		old, next := large(n), large(n)
		b.ReportAllocs()
		for b.Loop() {
			changes, err := haproxycfg.Plan(old, next)
			require.NoError(b, err)
			require.Empty(b, changes)
		}
	})
}
