//go:build integration

package haproxycfg_test

import (
	"testing"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/haproxycfg"
)

func TestOnDebian13(t *testing.T) { onDebian(t, "", haproxycfg.V30) }

func TestOnDebian12(t *testing.T) {
	localtest.Turn(t, 0, 2)
	onDebian(t, "debian-12", haproxycfg.V26)
}

func onDebian(t *testing.T, image string, version haproxycfg.Version) {
	if !full { // side by side: most of the time is waiting
		t.Parallel()
	}
	s := newServer(t, image, version)
	t.Run("accepted", func(t *testing.T) { accepted(t, s) })
	s.start(t, apps(1, 6)...)
	t.Run("quoting", func(t *testing.T) { quoting(t, s) })
	t.Run("preflight", func(t *testing.T) { preflight(t, s) })
	t.Run("operates", func(t *testing.T) { operates(t, s) })
	t.Run("stays", func(t *testing.T) { stays(t, s) })
	t.Run("remembers", func(t *testing.T) { remembers(t, s) })
	t.Run("together", func(t *testing.T) { together(t, s) })
	t.Run("weights", func(t *testing.T) { weights(t, s) })
	t.Run("golden", func(t *testing.T) { goldens(t, s) })
	t.Run("traffic", func(t *testing.T) { traffics(t, s) })
}
