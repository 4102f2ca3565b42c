package sshx_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

func TestNewKey(t *testing.T) {
	private, public := sshx.NewKey()
	require.True(t, strings.HasPrefix(private, "-----BEGIN OPENSSH PRIVATE KEY-----\n"))
	require.Regexp(t, `^ssh-ed25519 [A-Za-z0-9+/=]+$`, public)
	again, err := sshx.PublicKey(private)
	require.NoError(t, err)
	require.Equal(t, public, again)
	other, _ := sshx.NewKey()
	require.NotEqual(t, private, other)
	_, err = sshx.PublicKey("junk")
	require.ErrorContains(t, err, "sshx: parse private key")
}
