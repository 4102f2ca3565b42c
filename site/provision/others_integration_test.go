//go:build integration

package provision_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/site/provision"
)

// exchanger exchanges what is at two paths and back, as fast as it can, for as many pairs as it is given. Most of the time all is where it
// should be: a walk must come far to be led astray late.
const exchanger = `my $number = (POSIX::uname)[4] eq "aarch64" ? 276 : 316; # renameat2
while (1) {
	my $i = 2 * int(rand(@ARGV / 2));
	syscall($number, -100, $ARGV[$i], -100, $ARGV[$i + 1], 2);
	select(undef, undef, undef, rand 0.0005) if rand() < 0.3;
	syscall($number, -100, $ARGV[$i], -100, $ARGV[$i + 1], 2);
	select(undef, undef, undef, rand 0.003);
}`

const (
	theirs = "/srv/app/public"
	victim = "/etc/victim"
)

// shared is a state with one of each kind below a directory of another user; two of them differ in all their parts.
func shared(n int, blob provision.Blob) provision.State {
	list := []provision.Step{
		provision.User{Name: "deploy"},
		provision.User{Name: "app"},
		provision.Dir{Path: "/srv/app", Owner: "deploy"},
		provision.Dir{Path: theirs, Owner: "deploy"},
	}
	for _, dir := range []string{"", "/system", "/log"} {
		list = append(list,
			provision.Dir{Path: theirs + "/system" + dir, Owner: "app", Group: "deploy", Mode: 0o2770 + uint32(n%2)*5},
			provision.File{Path: theirs + dir + "/key", Owner: "app", Content: fmt.Sprintln("key", n)},
			provision.File{Path: theirs + dir + "/same", Owner: "app", Content: "same\n", Mode: 0o600 + uint32(n%2)*0o40},
			provision.File{Path: theirs + dir + "/program", Owner: "app", Mode: 0o700 + uint32(n%2)*0o50, Blob: blob},
			provision.Link{Path: theirs + dir + "/link", Target: fmt.Sprint("target-", n)},
			provision.Absent{Path: theirs + dir + "/gone", Tree: true},
			provision.Absent{Path: theirs + dir + "/old"},
		)
	}
	return provision.State{Steps: list}
}

// TestDirectoriesOfOthers has a user exchange parts of the paths below a directory of his for links while root changes what is there.
func TestDirectoriesOfOthers(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	blob := random(10_000)
	settled(t, m.Host, shared(0, blob))
	settled(t, m.Host, shared(1, blob))
	t.Run("set-ID bits of directories", func(t *testing.T) { setID(t, m) })
	t.Run("links of root", func(t *testing.T) { rootsLinks(t, m) })

	output(t, m.Host, `mkdir -p `+victim+`; cd `+victim+`
		for d in . system log; do
			mkdir -p $d/gone $d/system $d/log; echo precious | tee $d/gone/x $d/key $d/old >/dev/null; echo same >$d/same; ln -s precious $d/link
			cp `+theirs+`/program $d/program; chmod 600 $d/program $d/same $d/key
		done
		runuser -u deploy -- sh -ec 'cd /srv/app; ln -s `+victim+` away; cd public; ln -s `+victim+`/system s; ln -s `+victim+`/log l; ln -s `+victim+`/key k; ln -s `+victim+`/same m'`)
	look := "cd " + victim + "; find . -printf '%p %y %U %G %m %l %T@\n' | sort; find . -type f -exec sha256sum {} + | sort"
	before := output(t, m.Host, look)
	output(t, m.Host, `systemd-run -q --unit exchange -p User=deploy -p WorkingDirectory=/srv/app perl -MPOSIX -e `+"'"+exchanger+"'"+
		` public away public/system public/s public/log public/l public/key public/k public/same public/m`)
	changed, refused := 0, 0
	for n := range 40 {
		state := shared(n, blob)
		fixed := state.Steps[:2] // the users
		state.Steps = slices.Concat(fixed, state.Steps[2+n%20:], state.Steps[2:2+n%20])
		if _, err := up(t, m.Host, state); err == nil {
			changed++
		} else {
			refused++
			if refused%4 == 0 {
				t.Log(err)
			}
		}
		require.Equal(t, before, output(t, m.Host, look), "round %d", n)
	}
	t.Logf("%d runs came to their end, %d stopped at a link", changed, refused)
	require.Equal(t, "active", output(t, m.Host, "systemctl is-active exchange"))
	require.Positive(t, refused, "the links were not met")

	output(t, m.Host, `systemctl stop exchange; rm -rf /srv/app`)
	settled(t, m.Host, shared(2, blob))
	require.Equal(t, before, output(t, m.Host, look))
}

func setID(t *testing.T, m *localtest.Machine) {
	output(t, m.Host, "mkdir -p /srv/d /srv/g; chmod 6755 /srv/d; chgrp games /srv/g; chmod 2775 /srv/g")
	settled(t, m.Host, steps(provision.Dir{Path: "/srv/d"}, provision.Dir{Path: "/srv/g/new", Mode: 0o5}))
	require.Equal(t, "755 root root\n5 root root", output(t, m.Host, "stat -c '%a %U %G' /srv/d /srv/g/new"))
}

// rootsLinks goes through links that only root can have made, and stops at others.
func rootsLinks(t *testing.T, m *localtest.Machine) {
	output(t, m.Host, `mkdir /srv/real /srv/more; ln -s ../srv/./real /srv/one; ln -s /srv/one /srv/two; ln -s two/dir /srv/three
		mkdir /srv/theirs; chown deploy /srv/theirs; runuser -u deploy -- ln -s /srv/real /srv/theirs/lnk`)
	settled(t, m.Host, steps(
		provision.File{Path: "/srv/two/file", Content: "x\n"}, provision.File{Path: "/srv/three/below/file", Content: "y\n"},
		provision.Link{Path: "/srv/one/link", Target: "x"}, provision.Absent{Path: "/srv/two/none"},
	))
	require.Equal(t, "x\ny", output(t, m.Host, "cat /srv/real/file /srv/real/dir/below/file"))
	for _, step := range []provision.Step{
		provision.File{Path: "/srv/theirs/lnk/a", Content: "x\n"}, provision.Link{Path: "/srv/theirs/lnk/a", Target: "x"},
		provision.Dir{Path: "/srv/theirs/lnk/a"}, provision.Dir{Path: "/srv/theirs/lnk/dir/below", Owner: "deploy"}, provision.Absent{Path: "/srv/theirs/lnk/file"},
	} {
		_, err := up(t, m.Host, steps(step))
		require.ErrorContains(t, err, "is not reached by directories alone")
	}
	_, err := up(t, m.Host, steps(provision.Config{Name: "a", Check: "true", Files: []provision.File{{Path: "/srv/theirs/new/a", Content: "x\n"}}}))
	require.ErrorContains(t, err, "others than root can change what is in /srv/theirs")
	require.Equal(t, "dir\nfile\nlink", output(t, m.Host, "ls -A /srv/real"))
	require.Equal(t, "root", output(t, m.Host, "stat -c %U /srv/real/dir/below"))
}
