//go:build integration

package codedeploy_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

type server struct {
	*testing.T
	host   sshx.Host
	target codedeploy.Target
}

func (s server) sh(script string) string {
	s.Helper()
	var out bytes.Buffer
	require.NoError(s, s.host.Run(s.Context(), sshx.Script{Text: script, Root: true, Stdout: &out}))
	return strings.TrimSpace(out.String())
}

// pack packs the example application and describes it as release name.
func pack(t *testing.T, name string) (codedeploy.Release, []byte) {
	var out bytes.Buffer
	p, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: "../examples/app"})
	require.NoError(t, err)
	return codedeploy.Release{Name: name, Revision: p.Revision, SHA256: p.SHA256, Size: p.Size, By: "ana", Source: "main"}, out.Bytes()
}

// A server cut off in the middle of an installation does it again.
func TestInstallAfterItWasCutOff(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	s := server{t, m.Host, codedeploy.Target{Host: m.Host, Root: "/var/www/shop"}}
	s.sh("useradd --create-home deploy")
	one, code := pack(t, name(1))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	err := s.target.Install(ctx, one, bytes.NewReader(code), "sleep 60")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	now, err := s.target.Current(t.Context())
	require.NoError(t, err)
	require.Empty(t, now)
	require.NoError(t, s.target.Install(t.Context(), one, bytes.NewReader(code), "true"))
	require.NoError(t, s.target.Publish(t.Context(), one))
	now, err = s.target.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, one.Name, now)
	s.sh("test -x /var/www/shop/current/bin/rails")
}
