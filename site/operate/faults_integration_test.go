//go:build integration

package operate_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/lease"
	"github.com/siteblocks/siteblocks/site/operate"
)

// faults shows a clear error for each of them, and the site as it was.
func faults(t *testing.T, o operate.Operator, v *visitor) {
	for name, fault := range map[string]func(*testing.T, operate.Operator){
		"two at once":              twoAtOnce,
		"a changed host key":       changedHostKey,
		"a full disk":              fullDisk,
		"S3 out of the operator's": unreachableS3,
		"S3 out of the server's":   unresolvedS3,
		"a dead database":          deadDatabase,
	} {
		t.Run(name, func(t *testing.T) {
			before := running(t, o)
			fault(t, o)
			require.Equal(t, before, running(t, o), "the site runs what it ran")
			require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode)
			upAgain(t, o)
		})
	}
}

// twoAtOnce starts up twice: one waits for the other, or says who it is.
func twoAtOnce(t *testing.T, o operate.Operator) {
	other := o
	other.Name = "other@laptop"
	errs := make([]error, 2)
	var both sync.WaitGroup
	both.Go(func() { _, errs[0] = o.Up(t.Context()) })
	both.Go(func() { _, errs[1] = other.Up(t.Context()) })
	both.Wait()
	held := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		var e *lease.HeldError
		require.ErrorAs(t, err, &e)
		require.ErrorContains(t, err, []string{"other@laptop", "tester@laptop"}[i])
		held++
	}
	require.LessOrEqual(t, held, 1)
}

func changedHostKey(t *testing.T, o operate.Operator) {
	h, err := o.Host(t.Context(), "web-1")
	require.NoError(t, err)
	defer h.Close()
	runOn(t, h, `cd /etc/ssh; mkdir /root/kept; mv ssh_host_*_key* /root/kept; ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key; systemctl restart ssh`)
	rollback := func(ctx context.Context) (operate.Result, error) { return o.Rollback(ctx, "") }
	for _, verb := range []func(context.Context) (operate.Result, error){o.Up, o.Deploy, rollback} {
		_, err = verb(t.Context())
		var changed *sshx.HostKeyError
		require.ErrorAs(t, err, &changed)
		require.Equal(t, "web-1", changed.Host)
	}
	runOn(t, h, `mv -f /root/kept/* /etc/ssh/; rmdir /root/kept; systemctl restart ssh`)
}

// fullDisk leaves no room for another release.
func fullDisk(t *testing.T, o operate.Operator) {
	releases := "/var/www/" + o.Site.Name + "/releases"
	onServer(t, o, `mkdir /mnt/full; mount -t tmpfs -o size=16m tmpfs /mnt/full; cp -a `+releases+`/. /mnt/full/; chown deploy:deploy /mnt/full
		mount --bind /mnt/full `+releases+`; dd if=/dev/zero of=/mnt/full/.filler bs=64k 2>/dev/null || true`)
	_, err := o.Deploy(t.Context())
	require.ErrorContains(t, err, "No space left on device")
	require.ErrorContains(t, err, "web-1")
	require.ErrorContains(t, err, "the site still runs")
	onServer(t, o, "umount "+releases+"; umount /mnt/full; rmdir /mnt/full")
}

// elsewhere is a cloud whose S3 server nobody reaches.
type elsewhere struct{ ec2x.Cloud }

func (e elsewhere) Storage(ctx context.Context, name string) (ec2x.Storage, error) {
	s, err := e.Cloud.Storage(ctx, name)
	s.Endpoint = "http://127.0.0.1:1"
	return s, err
}

func (e elsewhere) FindStorage(ctx context.Context, name string) (ec2x.Storage, error) {
	return e.Storage(ctx, name)
}

func unreachableS3(t *testing.T, o operate.Operator) {
	o.Cloud = elsewhere{o.Cloud}
	rollback := func(ctx context.Context) (operate.Result, error) { return o.Rollback(ctx, "") }
	for _, verb := range []func(context.Context) (operate.Result, error){o.Up, o.Deploy, rollback} {
		_, err := verb(t.Context())
		require.ErrorContains(t, err, "127.0.0.1:1")
		require.ErrorContains(t, err, o.Site.Name)
	}
}

func unresolvedS3(t *testing.T, o operate.Operator) {
	onServer(t, o, "echo 127.0.0.9 s3 >>/etc/hosts")
	_, err := o.Deploy(t.Context())
	require.ErrorContains(t, err, "web-1")
	require.ErrorContains(t, err, "http://s3:7070")
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, "the site still runs")
	onServer(t, o, "sed '/127.0.0.9 s3/d' /etc/hosts >/root/hosts; cat /root/hosts >/etc/hosts; rm /root/hosts")
}

func deadDatabase(t *testing.T, o operate.Operator) {
	onServer(t, o, "systemctl mask --now mariadb")
	_, err := o.Deploy(t.Context())
	require.ErrorContains(t, err, "migrate")
	require.ErrorContains(t, err, "the site still runs")
	st, err := o.Status(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, "ok", st.Answer)
	require.NotEqual(t, "ok", st.Servers[0].Report.Database)
	onServer(t, o, "systemctl unmask mariadb")
	_, err = o.Up(t.Context())
	require.NoError(t, err, "up starts the database")
}

// restart turns a server off and on.
func restart(t *testing.T, id string) {
	t.Helper()
	engine, err := client.New(client.FromEnv)
	require.NoError(t, err)
	defer engine.Close()
	_, err = engine.ContainerRestart(t.Context(), id, client.ContainerRestartOptions{})
	require.NoError(t, err)
}

// gone requires that the machine has nothing of the site.
func gone(t *testing.T, o operate.Operator) {
	t.Helper()
	all, err := o.Cloud.(*local.Cloud).Sites(t.Context())
	require.NoError(t, err)
	require.NotContains(t, all, o.Site.Name)
}
