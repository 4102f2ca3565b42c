//go:build integration

package localtest_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

func TestServerIsABareDebian(t *testing.T) {
	start := time.Now()
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	t.Logf("from nothing to SSH: %s", time.Since(start))
	require.Equal(t, "web-1\nadmin\n0\ntrixie\n", output(t, m.Host,
		"hostname; id -un; sudo -n id -u; . /etc/os-release; echo $VERSION_CODENAME"))
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Text: "systemctl is-system-running --wait", Root: true}))
}

func TestServerWithPackagesAndPorts(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Packages: []string{"python3-minimal"}, Ports: []uint16{8000}})
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Root: true, Text: `
systemd-run --unit=web --working-directory=/etc python3 -m http.server 8000
for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf localhost:8000/hostname && exit; sleep 0.3; done; exit 1`}))
	res, err := http.Get("http://" + m.Port(8000).String() + "/hostname")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.True(t, m.Port(8000).Addr().IsLoopback())
}

func TestServersOfANetworkFindEachOtherAndSurviveAPowerFailure(t *testing.T) {
	net := localtest.Network(t)
	a := localtest.Server(t, localtest.Options{Name: "db-1", Network: net})
	b := localtest.Server(t, localtest.Options{Name: "db-2", Network: net})
	require.Contains(t, output(t, a.Host, "getent hosts db-2"), b.Private.String())
	require.NoError(t, b.Host.Run(t.Context(), sshx.Script{Text: "echo kept >~/file; sync"}))
	b.Kill(t)
	b.Start(t)
	require.Equal(t, "kept\n", output(t, b.Host, "cat ~/file"))
}

func TestFaults(t *testing.T) {
	net := localtest.Network(t)
	a := localtest.Server(t, localtest.Options{Name: "web-1", Network: net, SmallDisk: 1 << 20})
	b := localtest.Server(t, localtest.Options{Name: "web-2", Network: net})
	ask := sshx.Script{Text: "timeout 2 bash -c 'read -r line </dev/tcp/web-2/22; echo $line' | grep -q SSH"}
	require.NoError(t, a.Host.Run(t.Context(), ask))

	mend := b.Cut(t)
	require.Error(t, a.Host.Run(t.Context(), ask))
	mend()
	require.NoError(t, a.Host.Run(t.Context(), ask))
	require.Equal(t, "web-2\n", output(t, b.Host, "hostname"))

	thaw := b.Freeze(t)
	require.Error(t, a.Host.Run(t.Context(), ask), "it accepts and does not answer")
	thaw()
	require.NoError(t, a.Host.Run(t.Context(), ask))

	err := a.Host.Run(t.Context(), sshx.Script{Text: "head -c 2000000 /dev/zero >/mnt/small/file"})
	require.ErrorContains(t, err, "No space left")
}

func output(t *testing.T, h sshx.Host, text string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, h.Run(t.Context(), sshx.Script{Text: text, Stdout: &out}))
	return out.String()
}
