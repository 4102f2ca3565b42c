//go:build integration

package codedeploy_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownersTraps are set by the owner of the code, below Root and with no release but the first one installed; $next is the name
// of the next. None may change what is root's. Those that stand in the way are named in an error.
var ownersTraps = []struct{ set, stops string }{
	{"ln -sf /etc/profile.d/x.sh revisions.log", "revisions.log"},
	{"rm revisions.log; mkfifo revisions.log", "revisions.log"},
	{"mv releases old; ln -s /etc/trap releases", "belongs to root"},
	{"mv shared old; ln -s /etc/trap shared", "shared"},
	{"mv shared/public old; ln -s /etc/trap/empty shared/public", "public/system"},
	{"ln -s /etc/trap releases/$next", "is not a release"},
	{`rmdir shared/log; ln -s /etc/trap shared/log; mv shared/public old; ln -s /etc/trap shared/public
		ln -s /etc/trap/new .lock; ln -s /etc/trap/new releases/.lock; ln -s /etc/trap/new releases/.$next.tar.gz
		ln -s /etc/trap releases/.$next.partial; ln -s /etc/trap releases/.$first.gone; ln -s /etc/trap releases/.$first.partial
		mkdir releases/.20000101000001.partial; ln -s /etc/trap releases/.20000101000001.partial/public
		ln -sfn /etc/trap releases/current; ln -sfn /etc/trap current
		ln -s /etc/trap releases/20000101000000; ln -s /etc/trap releases/.20000101000000.gone
		ln -sf /etc/shadow releases/$first/REVISION`, ""},
}

func traps(t *testing.T, at func(*testing.T, string) server) {
	origin := at(t, "/var/www/trap")
	origin.sh("mkdir -p /etc/trap/empty /etc/trap/system /etc/trap/20000101000000 && echo kept >/etc/trap/kept")
	first, code := small(t, name(1))
	require.NoError(t, origin.target.Install(t.Context(), first, bytes.NewReader(code), ""))
	require.NoError(t, origin.target.Publish(t.Context(), first))
	const look = "find /etc/trap /etc/profile.d -printf '%p %u %g %m %s %l %T@\n' | sort; ls -A /etc"
	for i, trap := range ownersTraps {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s := at(t, fmt.Sprintf("/var/www/trap-%d", i))
			before := s.sh("cp -a /var/www/trap " + s.target.Root + "; cd " + s.target.Root + " && first=" + name(1) + " next=" + name(2) +
				" runuser -u deploy -- sh -ec '" + trap.set + "' && { " + look + "; }")
			err := deploy(s, name(2))
			require.Equal(t, before, s.sh(look), "%s changed what is root's: %v", trap.set, err)
			if trap.stops == "" {
				require.NoError(t, err, trap.set)
				require.Equal(t, name(2), s.sh("basename $(readlink "+s.target.Root+"/current)"))
			} else {
				require.ErrorContains(t, err, trap.stops, trap.set)
			}
		})
	}
	t.Run("above Root", func(t *testing.T) {
		s := at(t, "/home/deploy/www/shop")
		s.sh("runuser -u deploy -- ln -s /etc /home/deploy/www")
		require.ErrorContains(t, deploy(s, name(1)), "can be changed by others than root")
		s.sh("test ! -e /etc/shop")
		s.target.Root = "/home/deploy/own/shop"
		require.NoError(t, deploy(s, name(2)))
	})
}

// deploy does all that is ever done to a server, and stops at the first mistake.
func deploy(s server, name string) error {
	r, code := small(s.T, name)
	all, err := s.target.Releases(s.Context())
	if err == nil && len(all) > 0 {
		require.NotContains(s, all[0].Revision, "root:")
	}
	for _, step := range []func() error{
		func() error { return s.target.Install(s.Context(), r, bytes.NewReader(code), "touch built") },
		func() error { return s.target.Publish(s.Context(), r) },
		func() error { return s.target.Remove(s.Context(), "20261101120000") },
		func() error { return s.target.Prune(s.Context(), 1) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
