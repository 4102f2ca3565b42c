package engine

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/stretchr/testify/require"
)

func TestSystemdIsNotPrivilegedWhereItNeedNotBe(t *testing.T) {
	var v1, v2 container.HostConfig
	(&Engine{}).Systemd(&v1)
	require.False(t, v1.Privileged)
	require.Equal(t, []string{"/sys/fs/cgroup:/sys/fs/cgroup:ro"}, v1.Binds)
	(&Engine{cgroupV2: true}).Systemd(&v2)
	require.True(t, v2.Privileged)
	require.Equal(t, container.CgroupnsMode("private"), v2.CgroupnsMode)
	require.Empty(t, v2.Binds, "the host's own cgroups are not shown")
}

func TestServerImageRefuses(t *testing.T) {
	_, err := (&Engine{}).ServerImage(context.Background(), "windows-95")
	require.ErrorContains(t, err, "ubuntu-24.04")
	for _, p := range []string{"", "-y", "a b", "a;reboot", "$(x)", "--purge"} {
		_, err := (&Engine{}).ServerImage(context.Background(), "", p)
		require.ErrorContains(t, err, "not a package name")
	}
}

func TestLockKeepsOthersOut(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	unlock, err := Lock(t.Context(), "test")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Lock(ctx, "test")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	other, err := Lock(t.Context(), "other")
	require.NoError(t, err)
	other()
	unlock()
	unlock, err = Lock(t.Context(), "test")
	require.NoError(t, err)
	unlock()
}

func TestPortTaken(t *testing.T) {
	require.False(t, PortTaken(nil))
	require.True(t, PortTaken(errText("driver failed programming external connectivity: Bind for 127.0.0.1:20080 failed: port is already allocated")))
	require.True(t, PortTaken(errText("listen tcp4 127.0.0.1:20080: bind: address already in use")))
	require.False(t, PortTaken(errText("no such image")))
}

type errText string

func (e errText) Error() string { return string(e) }
