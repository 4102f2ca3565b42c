//go:build integration

package local_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// childSite makes the test binary launch that site's server and its bucket, and do nothing else.
const childSite = "SITEBLOCKS_TEST_CHILD_SITE"

func TestMain(m *testing.M) {
	if site := os.Getenv(childSite); site != "" {
		if err := child(site); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(site string) error {
	c, err := local.New(local.Options{Labels: map[string]string{localtest.Label: "localtest"}})
	if err != nil {
		return err
	}
	spec, _ := newSpec(site)
	if _, err := c.Launch(context.Background(), spec); err != nil {
		return err
	}
	_, err = c.Storage(context.Background(), site)
	return err
}

func newSpec(site string) (spec ec2x.Spec, userKey string) {
	host, _ := sshx.NewKey()
	userKey, public := sshx.NewKey()
	return ec2x.Spec{Site: site, Name: "web-1", Ports: []uint16{80}, HostKey: host, AuthorizedKey: public}, userKey
}

func answers(t *testing.T, s ec2x.Server, key string) {
	t.Helper()
	h, err := sshx.Dial(t.Context(), sshx.Target{
		Name: s.Name, Addr: s.SSH.String(), User: s.User, Key: key, HostKey: s.HostKey, Wait: 30 * time.Second,
	})
	require.NoError(t, err)
	defer h.Close()
	require.NoError(t, h.Run(t.Context(), sshx.Script{Text: "true", Root: true}))
}

// TestKilled ends a program by SIGKILL at ten moments of its launch: the next one always converges.
func TestKilled(t *testing.T) {
	c, site := localtest.Cloud(t)
	engine := engineClient(t)
	require.NoError(t, c.Prepare(t.Context(), ""))
	for i := range 10 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childSite+"="+site)
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(i+1) * 180 * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		spec, key := newSpec(site)
		s, err := c.Launch(t.Context(), spec)
		require.NoError(t, err)
		public, err := sshx.PublicKey(spec.HostKey)
		require.NoError(t, err)
		if s.HostKey == public { // not the killed program's, whose keys are gone with it
			answers(t, s, key)
		}
		storage, err := c.Storage(t.Context(), site)
		require.NoError(t, err)
		require.NotEmpty(t, storage.Endpoint)
		res, err := engine.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", local.LabelSite+"="+site)})
		require.NoError(t, err)
		require.Len(t, res.Items, 2, "one server, one S3 server, after %d", i)
		require.NoError(t, c.Terminate(t.Context(), s.ID))
		require.NoError(t, c.Delete(t.Context(), site, ec2x.DeleteOptions{Data: true}))
		requireNothing(t, engine, site)
	}
}

func engineClient(t *testing.T) *client.Client {
	t.Helper()
	cli, err := client.New(client.FromEnv)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cli.Close() })
	return cli
}

func requireNothing(t *testing.T, cli *client.Client, site string) {
	t.Helper()
	filter := client.Filters{}.Add("label", local.LabelSite+"="+site)
	containers, err := cli.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: filter})
	require.NoError(t, err)
	require.Empty(t, containers.Items)
	volumes, err := cli.VolumeList(t.Context(), client.VolumeListOptions{Filters: filter})
	require.NoError(t, err)
	require.Empty(t, volumes.Items)
	networks, err := cli.NetworkList(t.Context(), client.NetworkListOptions{Filters: filter})
	require.NoError(t, err)
	require.Empty(t, networks.Items)
}

func TestPortHeldByAnotherProgram(t *testing.T) {
	c, site := localtest.Cloud(t)
	spec, key := newSpec(site)
	s, err := c.Launch(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, c.Terminate(t.Context(), s.ID))
	l, err := net.Listen("tcp", s.Published[80].String())
	require.NoError(t, err)
	_, err = c.Launch(t.Context(), spec)
	require.ErrorContains(t, err, s.Published[80].String())
	require.ErrorContains(t, err, "end that program and try again")
	servers, err := c.Servers(t.Context(), site)
	require.NoError(t, err)
	require.Empty(t, servers, "nothing half made is left")
	require.NoError(t, l.Close())
	again, err := c.Launch(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, s.Published, again.Published)
	answers(t, again, key)
}

func TestStoppedServerIsStartedAgain(t *testing.T) {
	c, site := localtest.Cloud(t)
	engine := engineClient(t)
	spec, key := newSpec(site)
	s, err := c.Launch(t.Context(), spec)
	require.NoError(t, err)
	answers(t, s, key)
	_, err = engine.ContainerKill(t.Context(), s.ID, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	list, err := c.Servers(t.Context(), site)
	require.NoError(t, err)
	require.Equal(t, ec2x.Stopped, list[0].State)
	again, err := c.Launch(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, s.ID, again.ID)
	require.Equal(t, s.SSH, again.SSH)
	answers(t, again, key)
}

func TestStorageOutlivesItsContainer(t *testing.T) {
	c, site := localtest.Cloud(t)
	engine := engineClient(t)
	s, err := c.Storage(t.Context(), site)
	require.NoError(t, err)
	api := s3.New(s3.Options{Region: s.Region, BaseEndpoint: &s.Endpoint, UsePathStyle: true, Credentials: s.Credentials})
	_, err = api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: aws.String("k")})
	require.NoError(t, err)
	_, err = engine.ContainerKill(t.Context(), "siteblocks_"+site+"__s3", client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	again, err := c.Storage(t.Context(), site)
	require.NoError(t, err)
	require.Equal(t, s.Endpoint, again.Endpoint)
	require.Equal(t, s.ServerCredentials, again.ServerCredentials)
	_, err = api.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.Bucket, Key: aws.String("k")})
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%v %+v", c, c), s.ServerCredentials.SecretAccessKey)
}

func TestLaunchIsQuick(t *testing.T) {
	c, site := localtest.Cloud(t)
	require.NoError(t, c.Prepare(t.Context(), ""))
	spec, key := newSpec(site)
	start := time.Now()
	s, err := c.Launch(t.Context(), spec)
	require.NoError(t, err)
	launched := time.Since(start)
	answers(t, s, key)
	t.Logf("launched after %s, reached over SSH after %s", launched, time.Since(start))
}
