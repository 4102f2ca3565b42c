//go:build integration

package local_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// TestDebian12 boots the older distribution; its image is made from the mirror where no registry answers.
func TestDebian12(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "old-1", Image: "debian-12"})
	var out bytes.Buffer
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{
		Text:   "systemctl is-system-running --wait; . /etc/os-release; echo $VERSION_CODENAME; hostname; apt-get -q update >/dev/null && echo apt",
		Root:   true,
		Stdout: &out,
	}))
	require.Equal(t, "running\nbookworm\nold-1\napt\n", out.String())
}
