// Package cloudtest holds the tests that every ec2x.Cloud passes:
//
//	func TestCloud(t *testing.T) {
//		cloudtest.Run(t, func(t *testing.T) (ec2x.Cloud, string) { return localtest.Cloud(t) })
//	}
//
// They launch real servers and reach them over SSH, and put real objects into the bucket.
package cloudtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// bootTimeout bounds how long a server may take to answer over SSH.
const bootTimeout = 3 * time.Minute

// Maker gives each test a cloud and the name of a site that is nobody else's; both are cleaned up by the
// maker's own t.Cleanup.
type Maker func(t *testing.T) (cloud ec2x.Cloud, site string)

// Run runs the whole suite.
func Run(t *testing.T, maker Maker) {
	tests := []struct {
		name string
		test func(*testing.T, ec2x.Cloud, string)
	}{
		{"Launch is idempotent", launchIdempotent},
		{"Launch twice at once gives one server", launchConcurrent},
		{"Launch refuses what is no spec", launchBadSpec},
		{"Servers are listed by name and by site", listServers},
		{"A server is reached over SSH with its host key checked", reach},
		{"Servers of a site reach each other and the bucket", reachEachOther},
		{"Terminate twice is no error, and the published port stays", terminate},
		{"Storage keeps what it is given", storageObjects},
		{"Storage has conditional writes", storageConditions},
		{"Storage checks signatures", storageSignatures},
		{"Storage confines the servers", storageServers},
		{"Delete refuses while servers are there", deleteRefuses},
		{"Delete keeps the data unless it is told to delete it", deleteKeepsData},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cloud, site := maker(t)
			tt.test(t, cloud, site)
		})
	}
}

// keys are a spec's two key pairs.
type keys struct{ host, hostPublic, user, userPublic string }

func newKeys() keys {
	var k keys
	k.host, k.hostPublic = sshx.NewKey()
	k.user, k.userPublic = sshx.NewKey()
	return k
}

func (k keys) spec(site, name string) ec2x.Spec {
	return ec2x.Spec{
		Site: site, Name: name, Roles: []string{"web", "app"}, Ports: []uint16{80},
		HostKey: k.host, AuthorizedKey: k.userPublic, Tags: map[string]string{"release": "20260704120000"},
	}
}

func launch(t *testing.T, c ec2x.Cloud, spec ec2x.Spec) ec2x.Server {
	t.Helper()
	s, err := c.Launch(t.Context(), spec)
	require.NoError(t, err)
	return s
}

// running waits until the cloud says that a server is running and gives its addresses.
func running(t *testing.T, c ec2x.Cloud, site, name string) ec2x.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	for {
		servers, err := c.Servers(ctx, site)
		require.NoError(t, err)
		for _, s := range servers {
			if s.Name == name && s.State == ec2x.Running && s.SSH.IsValid() {
				return s
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			require.FailNow(t, "server never ran", "%s: %v", name, servers)
		}
	}
}

func dial(t *testing.T, s ec2x.Server, key string) *sshx.Client {
	t.Helper()
	h, err := sshx.Dial(t.Context(), sshx.Target{
		Name: s.Name, Addr: s.SSH.String(), User: s.User, Key: key, HostKey: s.HostKey, Wait: bootTimeout,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}
