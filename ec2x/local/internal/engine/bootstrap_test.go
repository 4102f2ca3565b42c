//go:build integration

package engine

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// TestBootstrap makes a base image from the machine's mirror, by a debootstrap that is nowhere installed.
func TestBootstrap(t *testing.T) {
	e, err := Dial(t.Context(), Options{Progress: func(step, detail string) { t.Logf("%s: %s", step, detail) }})
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	require.NoError(t, err)
	if _, err := rootPrefix(t.Context()); err != nil {
		t.Skip(err)
	}
	if _, err := os.Stat("/usr/bin/apt-get"); err != nil {
		t.Skip("this machine has no apt: ", err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	before := installedDebootstrap
	installedDebootstrap = "/nowhere/debootstrap"
	t.Cleanup(func() { installedDebootstrap = before })

	const base, ref = "siteblocks/debian:test-bootstrap", "siteblocks/server:test-bootstrap"
	for _, image := range []string{ref, base} {
		t.Cleanup(func() { _, _ = e.ImageRemove(context.Background(), image, client.ImageRemoveOptions{Force: true}) })
	}
	start := time.Now()
	require.NoError(t, e.bootstrap(t.Context(), "trixie", base))
	t.Logf("bootstrapped after %s", time.Since(start).Round(time.Second))
	require.NoError(t, e.build(t.Context(), base, ref, ". /etc/os-release; [ $VERSION_CODENAME = trixie ] && apt-get -q update && apt-get -q install -y --no-install-recommends netbase && test -s /etc/protocols"))
	err = e.build(t.Context(), base, ref, "echo the reason; exit 3")
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "the reason")
}
