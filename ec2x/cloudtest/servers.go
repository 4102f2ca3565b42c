package cloudtest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

func launchIdempotent(t *testing.T, c ec2x.Cloud, site string) {
	k := newKeys()
	first := launch(t, c, k.spec(site, "web-1"))
	require.NotEmpty(t, first.ID)
	require.Equal(t, site, first.Site)
	require.Equal(t, "web-1", first.Name)
	require.Equal(t, []string{"web", "app"}, first.Roles)
	require.Equal(t, k.hostPublic, first.HostKey)
	require.Equal(t, "20260704120000", first.Tags["release"])
	require.Contains(t, []string{"amd64", "arm64"}, first.Arch)
	require.False(t, first.Launched.IsZero())

	again := launch(t, c, newKeys().spec(site, "web-1"))
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, k.hostPublic, again.HostKey, "the server that is there keeps its key")
	require.True(t, first.Launched.Equal(again.Launched))
}

func launchConcurrent(t *testing.T, c ec2x.Cloud, site string) {
	const n = 4
	servers, errs := make(chan ec2x.Server, n), make(chan error, n)
	k := newKeys()
	for range n {
		go func() {
			s, err := c.Launch(t.Context(), k.spec(site, "web-1"))
			servers <- s
			errs <- err
		}()
	}
	ids := map[string]bool{}
	for range n {
		require.NoError(t, <-errs)
		ids[(<-servers).ID] = true
	}
	require.Len(t, ids, 1)
	list, err := c.Servers(t.Context(), site)
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func launchBadSpec(t *testing.T, c ec2x.Cloud, site string) {
	good := newKeys().spec(site, "web-1")
	for name, spoil := range map[string]func(*ec2x.Spec){
		"site":           func(s *ec2x.Spec) { s.Site = "Shop\n" },
		"name":           func(s *ec2x.Spec) { s.Name = "web 1" },
		"host key":       func(s *ec2x.Spec) { s.HostKey = "" },
		"authorized key": func(s *ec2x.Spec) { s.AuthorizedKey += "\n" + s.AuthorizedKey },
		"image":          func(s *ec2x.Spec) { s.Image = "windows-95" },
	} {
		spec := good
		spoil(&spec)
		_, err := c.Launch(t.Context(), spec)
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "PRIVATE KEY")
	}
	servers, err := c.Servers(t.Context(), site)
	require.NoError(t, err)
	require.Empty(t, servers)
}

func listServers(t *testing.T, c ec2x.Cloud, site string) {
	k := newKeys()
	for _, name := range []string{"web-2", "db-1", "web-1"} {
		launch(t, c, k.spec(site, name))
	}
	list, err := c.Servers(t.Context(), site)
	require.NoError(t, err)
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	require.Equal(t, []string{"db-1", "web-1", "web-2"}, names)
	other, err := c.Servers(t.Context(), site[:len(site)-1])
	require.NoError(t, err)
	require.Empty(t, other, "another site's servers are not ours")
}

func reach(t *testing.T, c ec2x.Cloud, site string) {
	k := newKeys()
	launch(t, c, k.spec(site, "web-1"))
	s := running(t, c, site, "web-1")
	h := dial(t, s, k.user)
	require.Equal(t, "web-1 0\n", output(t, h, true, `echo "$(hostname) $(id -u)"`))
	require.Equal(t, s.User+"\n", output(t, h, false, "id -un"))

	_, stranger := sshx.NewKey()
	_, err := sshx.Dial(t.Context(), sshx.Target{
		Name: s.Name, Addr: s.SSH.String(), User: s.User, Key: k.user, HostKey: stranger, Wait: bootTimeout,
	})
	var wrong *sshx.HostKeyError
	require.ErrorAs(t, err, &wrong, "a wrong host key is final at once")
	require.Equal(t, "web-1", wrong.Host)
}

func reachEachOther(t *testing.T, c ec2x.Cloud, site string) {
	k := newKeys()
	launch(t, c, k.spec(site, "web-1"))
	launch(t, c, k.spec(site, "db-1"))
	storage, err := c.Storage(t.Context(), site)
	require.NoError(t, err)
	web, db := running(t, c, site, "web-1"), running(t, c, site, "db-1")
	require.True(t, db.Private.IsValid())
	require.NotEqual(t, web.Private, db.Private)
	h := dial(t, web, k.user)
	dial(t, db, k.user)
	banner := output(t, h, false, "exec 3<>/dev/null; bash -c 'exec 3<>/dev/tcp/"+db.Private.String()+"/22; head -c 7 <&3'")
	require.Equal(t, "SSH-2.0", banner)
	if storage.ServerEndpoint != "" {
		status := output(t, h, false, "curl -s -o /dev/null -w '%{http_code}' "+sshx.Quote(storage.ServerEndpoint+"/"+storage.Bucket))
		require.Equal(t, "403", status, "the S3 server is there and wants a signature")
	}
}

func terminate(t *testing.T, c ec2x.Cloud, site string) {
	k := newKeys()
	launch(t, c, k.spec(site, "web-1"))
	launch(t, c, k.spec(site, "web-2"))
	before := running(t, c, site, "web-1")
	require.NoError(t, c.Terminate(t.Context(), before.ID))
	require.NoError(t, c.Terminate(t.Context(), before.ID), "one that is gone is no error")
	list, err := c.Servers(t.Context(), site)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "web-2", list[0].Name)

	launch(t, c, k.spec(site, "web-1"))
	after := running(t, c, site, "web-1")
	require.NotEqual(t, before.ID, after.ID)
	if before.Published != nil {
		require.Equal(t, before.Published, after.Published)
	}
}

func output(t *testing.T, h sshx.Host, root bool, text string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, h.Run(t.Context(), sshx.Script{Text: text, Root: root, Stdin: strings.NewReader(""), Stdout: &out}))
	return out.String()
}
