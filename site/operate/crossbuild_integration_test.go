//go:build integration

package operate

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProgramForAnotherArchitecture(t *testing.T) {
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	require.NoError(t, err)
	t.Setenv("GOCACHE", strings.TrimSpace(string(cache))) // it is below the other one, unless it is named
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

	t.Run("however it was built", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("there is nothing that could be taken as it is")
		}
		var agents []string
		for i, args := range [][]string{{}, {"-ldflags", "-s -w"}, {"-trimpath"}, {"-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="}} {
			own := filepath.Join(t.TempDir(), "program")
			cmd := exec.Command("go", slices.Concat([]string{"build", "-o", own}, args, []string{"./testdata/small"})...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED="+strconv.Itoa((i+1)%2))
			said, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", said)
			blob, err := Operator{Program: own}.program(t.Context(), runtime.GOARCH)
			require.NoError(t, err)
			require.Equal(t, len(args) == 4, reproducible(own))
			agents = append(agents, blob.SHA256)
		}
		require.Len(t, slices.Compact(agents), 1)
	})

	_, err = Operator{Program: "/bin/true"}.program(t.Context(), "arm64")
	require.ErrorContains(t, err, "build the agent for linux/arm64")
}
