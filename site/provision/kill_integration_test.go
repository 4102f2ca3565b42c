//go:build integration

package provision_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/provision"
)

// killed starts a run, kills its shell on the host, and nothing else, as soon as a script of its beginning has ended,
// and says whether that cut the run short.
func killed(t *testing.T, m *localtest.Machine, state provision.State, moment string) bool {
	t.Helper()
	before := output(t, m.Host, "cat /run/siteblocks/provision/holder 2>/dev/null || true")
	done := make(chan error, 1)
	go func() {
		_, err := up(t, m.Host, state)
		done <- err
	}()
	output(t, m.Host, fmt.Sprintf(`for i in $(seq 1000); do
		read -r line 2>/dev/null </run/siteblocks/provision/holder && [ "$line" != %s ] && break; sleep 0.01; done
		%s; set -- $line; kill -KILL "$2" 2>/dev/null || true`, sshx.Quote(before), moment))
	select {
	case err := <-done:
		return err != nil
	case <-time.After(time.Minute):
		require.Fail(t, "the run did not end")
		return false
	}
}

func after(d time.Duration) string { return fmt.Sprintf("sleep %.3f", d.Seconds()) }

func TestKilledShell(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1", Ports: []uint16{80}})
	delays, times := []time.Duration{0, 300, 3000, 8000}, 6
	if localtest.Full() {
		delays, times = []time.Duration{0, 50, 300, 1500, 3000, 5000, 8000}, 10
	}
	for _, delay := range delays {
		cut := killed(t, m, webState(), after(delay*time.Millisecond))
		t.Logf("killed after %v: cut short: %v", delay*time.Millisecond, cut)
	}
	settled(t, m.Host, webState())
	require.Equal(t, "<h1>shop</h1>\n", get(t, m))

	cuts := 0
	for i := range times {
		state := withConf(shopConf + fmt.Sprintf("# %d\n", i))
		if killed(t, m, state, after(time.Duration(i)*30*time.Millisecond)) {
			cuts++
		}
		settled(t, m.Host, state)
	}
	require.Greater(t, cuts, times/3, "too few runs were cut short to show anything")
}

// TestKilledBeforeTheCheck kills a run while a configuration that is in place is being checked.
func TestKilledBeforeTheCheck(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	config := provision.Config{Name: "a", Files: []provision.File{{Path: "/etc/a/x", Content: "good\n"}},
		Links: []provision.Link{{Path: "/etc/a/l", Target: "x"}},
		Check: "if grep -q bad /etc/a/*; then touch /run/checking; sleep 5; false; fi"}
	count := provision.Command{Name: "count", Script: "echo >>/root/count", OnChange: []string{"config:a"}}
	settled(t, m.Host, steps(config, count))
	bad := config
	bad.Files = []provision.File{{Path: "/etc/a/x", Content: "bad\n"}, {Path: "/etc/a/y", Content: "bad too\n"}}
	bad.Links = []provision.Link{{Path: "/etc/a/l", Target: "y"}}
	checking := "for i in $(seq 3000); do [ ! -e /run/checking ] || break; sleep 0.01; done"
	require.True(t, killed(t, m, steps(bad, count), checking))
	require.Equal(t, "bad", output(t, m.Host, "cat /etc/a/x"), "killed in the middle")

	target := []provision.Target{{Name: "web-1", Host: m.Host, State: steps(bad, count)}}
	results, err := provision.Run(t.Context(), target, provision.Options{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, "a", results[0].Facts.Interrupted)
	require.Contains(t, results[0].Plan.String(), "config a is put back as it was before, then compared")
	require.Contains(t, results[0].Plan.String(), "-good\n")
	_, err = up(t, m.Host, steps(bad, count))
	require.ErrorContains(t, err, "this one was put back as it was")
	require.Equal(t, "good x", output(t, m.Host, "echo $(cat /etc/a/x; readlink /etc/a/l; ls /etc/a/y 2>/dev/null)"))
	settled(t, m.Host, steps(config, count))
}

func TestKilledProgram(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	state := steps(
		provision.Packages{Names: []string{"tree", "apache2"}, NoStart: true},
		provision.Command{Name: "slow", Script: "sleep 300", Unless: "test -e /root/slow"},
	)
	unpacked := `for i in $(seq 3000); do
		[ "$(dpkg-query -W -f='${db:Status-Status}' apache2 2>/dev/null)" != unpacked ] || exit 0; sleep 0.01; done; exit 1`
	for _, moment := range []string{"sleep 0.2", unpacked, "sleep 2", "sleep 6"} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			output(t, m.Host, moment)
		}()
		target := provision.Target{Name: "web-1", Host: m.Host, State: state}
		_, err := provision.Run(ctx, []provision.Target{target}, provision.Options{})
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Root: true, Text: "touch /root/slow"}))
	settled(t, m.Host, state)
	require.Empty(t, output(t, m.Host, "pgrep -x sleep || true"))
	require.Equal(t, "inactive", output(t, m.Host, "systemctl is-active apache2 || true"), "NoStart")
	settled(t, m.Host, steps(provision.Unit{Name: "apache2.service"}))
}

func TestHalfConfiguredPackage(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	state := steps(provision.Packages{Names: []string{"tree"}})
	output(t, m.Host, "cd /tmp; apt-get -q update >/dev/null && apt-get -q download tree >/dev/null && dpkg --unpack tree_*.deb >/dev/null")
	result, err := up(t, m.Host, state)
	require.NoError(t, err)
	require.Equal(t, "install packages tree (tree (unpacked))\n", result.Plan.String())
	unchanged(t, m.Host, state)
	// What a dpkg writes before it unpacks, and before it is done with that: it stays of one that was killed.
	for _, status := range []string{"half-installed", "unpacked"} {
		output(t, m.Host, "sed -i '/^Package: tree$/,/^$/s/^Status: .*/Status: install reinstreq "+status+"/' /var/lib/dpkg/status; rm /usr/bin/tree")
		result, err = up(t, m.Host, state)
		require.NoError(t, err)
		require.Equal(t, "install packages tree (tree ("+status+"))\n", result.Plan.String())
		require.Contains(t, output(t, m.Host, "tree --version"), "tree")
		unchanged(t, m.Host, state)
	}
	_, err = up(t, m.Host, steps(provision.Packages{Names: []string{"no-such-package|none-either"}}))
	require.ErrorContains(t, err, "apt offers no package no-such-package|none-either")
}

// TestInstallBesideADownload installs while another apt, as that of apt-daily, holds the lock of the downloads.
func TestInstallBesideADownload(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	output(t, m.Host, `apt-get -q update >/dev/null; apt-get clean
		systemd-run -q --unit slow -p RuntimeMaxSec=300 apt-get -q -y -o Acquire::http::Dl-Limit=20 -o Acquire::https::Dl-Limit=20 --download-only install vim-runtime
		for i in $(seq 300); do [ -z "$(ls /var/cache/apt/archives/partial)" ] || exit 0; sleep 0.02; done; journalctl -u slow >&2; exit 1`)
	var shown strings.Builder
	target := provision.Target{Name: "web-1", Host: m.Host, State: steps(provision.Packages{Names: []string{"tree"}})}
	_, err := provision.Run(t.Context(), []provision.Target{target}, provision.Options{
		LockWait: 2 * time.Minute, Events: func(e provision.Event) {
			shown.WriteString(e.String() + "\n")
			if strings.Contains(e.Line, "waiting for another program") {
				output(t, m.Host, "systemctl stop slow")
			}
		},
	})
	require.NoError(t, err, shown.String())
	require.Contains(t, shown.String(), "/var/cache/apt/archives/lock")
	unchanged(t, m.Host, target.State)
}

func TestFullDisk(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1", SmallDisk: 1 << 20})
	file := provision.File{Path: "/mnt/small/x", Content: "old\n"}
	settled(t, m.Host, steps(file))
	output(t, m.Host, "dd if=/dev/zero of=/mnt/small/fill bs=4k 2>/dev/null || true")
	file.Content = strings.Repeat("new\n", 100_000)
	_, err := up(t, m.Host, steps(file))
	require.ErrorIs(t, err, provision.ErrNoSpace)
	require.ErrorContains(t, err, "file /mnt/small/x: no space left on the host")
	require.Equal(t, "old", output(t, m.Host, "cat /mnt/small/x"))
	output(t, m.Host, "rm /mnt/small/fill")
	settled(t, m.Host, steps(file))

	output(t, m.Host, "mount --bind /mnt/small /var/lib/siteblocks; dd if=/dev/zero of=/mnt/small/fill bs=4k 2>/dev/null || true")
	file.Path = "/etc/other"
	_, err = up(t, m.Host, steps(file))
	require.ErrorIs(t, err, provision.ErrNoSpace)
	require.ErrorContains(t, err, "nothing was changed")
	output(t, m.Host, "rm /mnt/small/fill; umount /var/lib/siteblocks")
	settled(t, m.Host, steps(file))
}

// TestHostsInParallel changes three hosts of which one has a file where a directory is to be.
func TestHostsInParallel(t *testing.T) {
	var targets []provision.Target
	for i := range 3 {
		name := fmt.Sprintf("web-%d", i+1)
		m := localtest.Server(t, localtest.Options{Name: name})
		if i == 1 {
			output(t, m.Host, "touch /srv/app")
		}
		targets = append(targets, provision.Target{Name: name, Host: m.Host, State: steps(provision.Dir{Path: "/srv/app"})})
	}
	results, err := provision.Run(t.Context(), targets, provision.Options{})
	require.ErrorContains(t, err, "web-2: provision: change 1 of 1: directory /srv/app: exit status 1")
	require.ErrorContains(t, err, "there is something else at /srv/app")
	require.Equal(t, []bool{true, false, true}, []bool{results[0].Applied, results[1].Applied, results[2].Applied})
	require.Equal(t, err.Error(), "web-2: "+results[1].Err.Error())
}
