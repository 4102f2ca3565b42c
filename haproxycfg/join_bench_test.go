//go:build integration

package haproxycfg_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

// BenchmarkJoin is the time from a call of Join to the server's being usable, over SSH, with checks every 400 ms; and
// that of taking it out again while it has nothing to do.
func BenchmarkJoin(b *testing.B) {
	s := newServer(b, "", haproxycfg.V30)
	s.start(b, apps(1, 5)...)
	s.reload(b, s.shop())
	back := s.shop().Backends[0]
	b.Run("join", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, s.Join(b.Context(), back, member(5)))
			require.NoError(b, s.Await(b.Context(), "app", "app-5", haproxycfg.Stat.Usable))
			b.StopTimer()
			_, err := s.Leave(b.Context(), "app", "app-5")
			require.NoError(b, err)
			b.StartTimer()
		}
	})
	b.Run("leave", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			require.NoError(b, s.Join(b.Context(), back, member(5)))
			b.StartTimer()
			_, err := s.Leave(b.Context(), "app", "app-5")
			require.NoError(b, err)
		}
	})
	b.Run("weight", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, s.SetWeight(b.Context(), "app", "app-1", 25))
		}
	})
	b.Run("reload", func(b *testing.B) {
		for b.Loop() {
			s.reload(b, s.shop())
		}
	})
}
