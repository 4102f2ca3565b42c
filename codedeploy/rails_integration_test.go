//go:build integration

package codedeploy_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// What a server has before the first deploy: accounts, a database, the processes' unit and their environment file. The secret
// holds what a shell would trip over.
const prepare = `set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update >/dev/null
# What Debian recommends beside rails is a thousand packages.
apt-get -q install -y --no-install-recommends rails puma ruby-mysql2 mariadb-server curl >/dev/null
useradd --create-home deploy
useradd --system app
for i in $(seq 60); do mariadb-admin ping >/dev/null 2>&1 && break; systemctl start mariadb || sleep 1; done
mariadb -e "CREATE DATABASE shop; CREATE USER app@localhost IDENTIFIED BY 'pw'; GRANT ALL ON shop.* TO app@localhost"
cat >/etc/shop.env <<'END'
RAILS_ENV="production"
SECRET_KEY_BASE="a$HOME'\"\\ $(touch /tmp/expanded) 0123456789abcdef0123456789abcdef"
DATABASE_URL="mysql2://app:pw@localhost/shop?socket=/run/mysqld/mysqld.sock"
END
chmod 600 /etc/shop.env
cat >/etc/systemd/system/app@.service <<'END'
[Service]
User=app
EnvironmentFile=/etc/shop.env
Environment=PORT=%i
WorkingDirectory=/var/www/shop/current
ExecStart=/usr/bin/puma -C config/puma.rb
END
systemctl daemon-reload
`

func (s server) process(port int) codedeploy.Process {
	unit := fmt.Sprintf("app@%d", port)
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	return codedeploy.Process{
		Name: unit,
		Restart: func(ctx context.Context) error {
			return s.host.Run(ctx, sshx.Script{Text: "systemctl restart " + unit, Root: true})
		},
		Healthy: func(ctx context.Context) error {
			return s.target.HTTPHealthy(ctx, addr, codedeploy.HTTPCheck{Path: "/up", Timeout: 90 * time.Second})
		},
	}
}

func (s server) running(port int) string {
	return s.sh(fmt.Sprintf("curl -fsS http://127.0.0.1:%d/whoami | sed -n 's/^release //p'", port))
}

func TestDeployARailsApplication(t *testing.T) {
	m := localtest.Server(t, localtest.Options{Name: "web-1"})
	ctx := t.Context()
	s := server{t, m.Host, codedeploy.Target{
		Host: m.Host, Root: "/var/www/shop", LinkedDirs: []string{"log", "tmp", "public/cache", "public/system"},
		LinkedFiles: []string{"config/local.yml"}, Writable: "app",
	}}
	s.sh(prepare)
	one, code := pack(t, name(1))

	err := s.target.Install(ctx, one, bytes.NewReader(code), "")
	require.ErrorContains(t, err, "shared/config/local.yml is not there")
	s.sh("mkdir /var/www/shop/shared/config && touch /var/www/shop/shared/config/local.yml")
	err = s.target.Install(ctx, one, bytes.NewReader(code), "echo no compiler >&2; exit 3")
	require.ErrorContains(t, err, "no compiler")
	list, err := s.target.Releases(ctx)
	require.NoError(t, err)
	require.Empty(t, list, "a build that failed leaves no release")
	wrong := append(bytes.Clone(code), 0)
	require.ErrorContains(t, s.target.Install(ctx, one, bytes.NewReader(wrong), ""), "SHA-256")

	require.NoError(t, s.target.Install(ctx, one, bytes.NewReader(code), `id -un >built; echo "$HOME" >>built`))
	require.NoError(t, s.target.Install(ctx, one, strings.NewReader("not read again"), "exit 1"))
	dir := "/var/www/shop/releases/" + one.Name
	require.Equal(t, "deploy\n/home/deploy", s.sh("cat "+dir+"/built"))
	require.Equal(t, one.Revision, s.sh("cat "+dir+"/REVISION"))
	require.Equal(t, "/var/www/shop/shared/public/cache", s.sh("readlink "+dir+"/public/cache"))
	require.Equal(t, "app deploy deploy", s.sh("stat -Lc %U "+dir+"/public/cache "+dir+"/bin/rails "+dir+" | xargs"))

	err = s.target.Migrate(ctx, one.Name, `echo "to $RAILS_ENV as $(id -un)" >&2; exit 4`, "/etc/shop.env", "app")
	require.ErrorContains(t, err, "to production as app")
	start := time.Now()
	require.NoError(t, s.target.Migrate(ctx, one.Name, "bin/rails db:migrate", "/etc/shop.env", "app"))
	t.Logf("migrated in %v", time.Since(start))
	require.NoError(t, s.target.Publish(ctx, one))
	require.NoError(t, s.target.Publish(ctx, one))
	processes := []codedeploy.Process{s.process(3001), s.process(3002)}
	start = time.Now()
	require.NoError(t, codedeploy.Restart(ctx, processes))
	t.Logf("two processes started one by one in %v", time.Since(start))
	require.Equal(t, one.Name, s.running(3002))
	require.Equal(t, "no", s.sh("[ -e /tmp/expanded ] && echo yes || echo no"))
	s.sh("curl -fsS http://127.0.0.1:3001/about >/dev/null && test -s /var/www/shop/shared/public/cache/about.html")

	two, code := pack(t, name(2))
	require.NoError(t, s.target.Install(ctx, two, bytes.NewReader(code), "echo 'raise \"it does not boot\"' >>config/application.rb"))
	require.NoError(t, s.target.Publish(ctx, two))
	short, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	err = codedeploy.Restart(short, processes)
	require.ErrorContains(t, err, "app@3001")
	require.Equal(t, one.Name, s.running(3002), "the second process still runs the good release")
	require.NoError(t, s.target.Publish(ctx, one))
	require.NoError(t, codedeploy.Restart(ctx, processes))
	require.Equal(t, one.Name, s.running(3001))
	require.ErrorContains(t, s.target.Remove(ctx, one.Name), "is the current release")
	require.NoError(t, s.target.Remove(ctx, two.Name))
	require.Equal(t, strings.Join([]string{
		"Branch main (at " + one.Revision + ") deployed as release " + one.Name + " by ana",
		"Branch main (at " + two.Revision + ") deployed as release " + two.Name + " by ana",
		"ana rolled back to release " + one.Name,
	}, "\n"), s.sh("cat /var/www/shop/revisions.log"))

	for day := 3; day <= 5; day++ {
		r, code := pack(t, name(day))
		require.NoError(t, s.target.Install(ctx, r, bytes.NewReader(code), ""))
	}
	require.NoError(t, s.target.Prune(ctx, 2))
	list, err = s.target.Releases(ctx)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, codedeploy.Installed{Name: one.Name, Revision: one.Revision, Current: true, Time: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}, list[0])
	require.Equal(t, name(5)+" "+name(4)+" "+name(1), s.sh("ls -xt /var/www/shop/releases | xargs"), "the order in which Capistrano rolls back")
	require.Equal(t, "", s.sh("ls -A /var/www/shop/releases | grep '^[.][0-9]' || true"), "nothing is left over")
}
