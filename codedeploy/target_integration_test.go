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

// small packs an application of few files as release name.
func small(t *testing.T, name string, files ...string) (codedeploy.Release, []byte) {
	dir := t.TempDir()
	for _, f := range append(files, "app/code", "public/index.html") {
		write(t, dir, f, "from the release\n", 0o600)
	}
	var out bytes.Buffer
	p, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: dir})
	require.NoError(t, err)
	return codedeploy.Release{Name: name, Revision: p.Revision, SHA256: p.SHA256, Size: p.Size}, out.Bytes()
}

func TestTarget(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	at := func(t *testing.T, root string) server {
		return server{t, m.Host, codedeploy.Target{Host: m.Host, Root: root, Writable: "app", LinkedDirs: []string{"log", "public/system"}}}
	}
	at(t, "/").sh("useradd --create-home deploy; useradd --system app")
	t.Run("is made again after it was cut off", func(t *testing.T) { cutOff(at(t, "/var/www/cut")) })
	t.Run("what failed builds left is removed", func(t *testing.T) { leftovers(at(t, "/var/www/left")) })
	t.Run("no build reads what the application wrote", func(t *testing.T) { separate(at(t, "/var/www/apart")) })
	t.Run("a release of others than its owner", func(t *testing.T) { others(at(t, "/srv/new/others")) })
	t.Run("root follows no link of the owner", func(t *testing.T) { traps(t, at) })
}

// A server cut off in the middle of an installation does it again.
func cutOff(s server) {
	one, code := small(s.T, name(1))
	ctx, cancel := context.WithTimeout(s.Context(), 4*time.Second)
	defer cancel()
	err := s.target.Install(ctx, one, bytes.NewReader(code), "sleep 60")
	require.ErrorIs(s, err, context.DeadlineExceeded)
	now, err := s.target.Current(s.Context())
	require.NoError(s, err)
	require.Empty(s, now)
	require.NoError(s, s.target.Install(s.Context(), one, bytes.NewReader(code), "true"))
	require.NoError(s, s.target.Publish(s.Context(), one))
	now, err = s.target.Current(s.Context())
	require.NoError(s, err)
	require.Equal(s, one.Name, now)
	s.sh("test -f /var/www/cut/current/app/code")
}

// leftovers are of every installation but the one that runs.
func leftovers(s server) {
	ctx, left := s.Context(), "ls -A "+s.target.Root+"/releases | xargs"
	for day := 1; day <= 3; day++ {
		r, code := small(s.T, name(day))
		require.ErrorContains(s, s.target.Install(ctx, r, bytes.NewReader(code), "echo broken >&2; chmod 0 app; exit 1"), "broken")
	}
	require.Equal(s, "."+name(3)+".partial", s.sh(left), "the next installation removes it")
	require.NoError(s, s.target.Prune(ctx, 1))
	require.Equal(s, "", s.sh(left))

	r, code := small(s.T, name(4))
	installed := make(chan error, 1)
	go func() {
		installed <- s.target.Install(ctx, r, bytes.NewReader(code), "touch /tmp/building; for i in $(seq 600); do [ ! -e /tmp/go ] || exit 0; sleep 0.1; done; exit 1")
	}()
	s.sh("for i in $(seq 600); do [ ! -e /tmp/building ] || exit 0; sleep 0.1; done; exit 1")
	require.NoError(s, s.target.Prune(ctx, 1))
	s.sh("touch /tmp/go")
	require.NoError(s, <-installed)
	require.Equal(s, name(4), s.sh(left))
}

func separate(s server) {
	ctx, root := s.Context(), s.target.Root
	s.target.LinkedFiles = []string{"config/deploy.yml", "config/app.yml", "open/app.yml"}
	s.sh("mkdir -p " + root + "/shared/config " + root + "/shared/open; cd " + root + `/shared; chown -R deploy ..
		echo secret | tee config/deploy.yml config/app.yml open/app.yml >/dev/null; chown app config/app.yml open`)
	one, code := small(s.T, name(1), "config/app.yml")
	require.NoError(s, s.target.Install(ctx, one, bytes.NewReader(code), ""))
	s.sh("runuser -u app -- touch " + root + "/releases/" + one.Name + "/public/system/evil")
	two, code := small(s.T, name(2), "config/app.yml")
	require.NoError(s, s.target.Install(ctx, two, bytes.NewReader(code), `{ id -un; echo $HOME $LANG; cat config/*.yml; find . -name evil -o -name open; } >seen; touch log/scratch`))
	dir := root + "/releases/" + two.Name
	require.Equal(s, "deploy /home/deploy C.UTF-8 from the release secret", s.sh("cat "+dir+"/seen | xargs"))
	for _, linked := range []string{"log", "public/system", "config/deploy.yml", "config/app.yml", "open/app.yml"} {
		require.Equal(s, root+"/shared/"+linked, s.sh("readlink "+dir+"/"+linked))
	}
	require.Equal(s, "app deploy deploy", s.sh("stat -c %U "+root+"/shared/public/system "+root+"/shared/public "+dir+" | xargs"))

	three, code := small(s.T, name(3))
	err := s.target.Install(ctx, three, bytes.NewReader(code), "rm -r public; ln -s "+root+"/shared/public public")
	require.ErrorContains(s, err, `linked path public/system lies beneath ./public, which is a link`)
	s.sh("test -e " + root + "/shared/public/system/evil")
}

// others have files in a release too, and a group of its own owns the code. All goes with the release.
func others(s server) {
	ctx, root := s.Context(), s.target.Root
	s.target.Group = "www-data"
	for day := 1; day <= 2; day++ {
		r, code := small(s.T, name(day))
		require.NoError(s, s.target.Install(ctx, r, bytes.NewReader(code), "mkdir vendor; touch vendor/x; chmod 555 vendor"))
		require.NoError(s, s.target.Publish(ctx, r))
	}
	require.Equal(s, "deploy:www-data", s.sh("stat -c %U:%G "+root+" "+root+"/current "+root+"/revisions.log "+root+"/releases/*/app/code | sort -u"))
	s.sh("mkdir " + root + "/releases/" + name(1) + "/cache && touch " + root + "/releases/" + name(1) + "/cache/of-root")
	require.NoError(s, s.target.Prune(ctx, 1))
	require.Equal(s, name(2), s.sh("ls -A "+root+"/releases | xargs"))
}
