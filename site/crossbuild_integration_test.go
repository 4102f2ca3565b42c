//go:build integration

package site

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProgramForAnotherArchitecture(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	own := filepath.Join(t.TempDir(), "program")
	said, err := exec.Command("go", "build", "-o", own, "./testdata/small").CombinedOutput()
	require.NoError(t, err, "%s", said)
	o := Operator{Program: own}
	for _, arch := range []string{"amd64", "arm64"} {
		blob, err := o.program(t.Context(), arch)
		require.NoError(t, err)
		require.NotEmpty(t, blob.SHA256)
		require.Equal(t, runtime.GOOS == "linux" && runtime.GOARCH == arch, runsOn(own, arch))
	}
	built, err := crossBuild(t.Context(), own, "arm64")
	require.NoError(t, err)
	require.True(t, runsOn(built, "arm64"))
	require.False(t, runsOn(built, "amd64"))

	_, err = Operator{Program: "/bin/true"}.program(t.Context(), "arm64")
	require.ErrorContains(t, err, "build the agent for linux/arm64")
}
