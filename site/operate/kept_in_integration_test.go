//go:build integration

package operate_test

import (
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/operate"
)

// runsAgain ends each service in the ways in which it may end by itself. Only a person's stop lasts.
func runsAgain(t *testing.T, o operate.Operator, v *visitor) {
	onServer(t, o, `for unit in apache2 mariadb ssh app@8001; do for signal in TERM KILL; do
			before=$(systemctl show -p MainPID --value $unit); [ "$before" -gt 1 ] || exit 1; kill -s $signal $before
			for i in $(seq 600); do
				now=$(systemctl show -p MainPID --value $unit)
				[ "$now" -gt 1 ] && [ "$now" != $before ] && systemctl -q is-active $unit && continue 2
				sleep 0.1
			done
			systemctl status --no-pager $unit >&2; exit 1
		done; done`)
	require.Eventually(t, func() bool { return v.get(t, "/").StatusCode == http.StatusOK }, time.Minute, 100*time.Millisecond)
	require.Equal(t, "active\ninactive", onServer(t, o, `apache2ctl graceful; systemctl is-active apache2
		systemctl stop apache2; sleep 1; systemctl is-active apache2; systemctl start apache2`))
}

// keptIn does as the application what would keep others out of their own.
func keptIn(t *testing.T, o operate.Operator) {
	line := onServer(t, o, "systemd-analyze security --no-pager app@8001.service | tail -n 1")
	exposure, err := strconv.ParseFloat(regexp.MustCompile(`[0-9]+\.[0-9]`).FindString(line), 64)
	require.NoError(t, err, line)
	require.LessOrEqual(t, exposure, 3.0, line)
	require.Empty(t, onServer(t, o, `app="setpriv --reuid=app --regid=app --clear-groups"; its=/proc/$(systemctl show -p MainPID --value app@8001)/root
		for p in /dev/shm /tmp /var/tmp; do $app touch $its$p/from-the-app || echo no $p; [ ! -e $p/from-the-app ] || echo $p; done
		for p in /etc/siteblocks/maintenance /var/www/x /etc/x; do $app touch $its$p 2>/dev/null && echo $p; done; $app cat $its/etc/siteblocks/unavailable.html 2>/dev/null || true`))

	onServer(t, o, `mount -o remount,size=2m /tmp
		for p in /dev/shm /tmp; do runuser -u app -- sh -c "cat /dev/zero >$p/fill" 2>/dev/null || true; done
		mariadb -e 'GRANT FILE, SUPER ON *.* TO app@localhost'`)
	p, err := o.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, p.String(), "run command database and account of the application")
	require.Contains(t, p.String(), "revoke FILE on *.*; revoke SUPER on *.*")
	_, err = o.Up(t.Context())
	require.NoError(t, err)
	require.NotContains(t, onServer(t, o, "mariadb -N -e 'SHOW GRANTS FOR app@localhost'"), "FILE")
	onServer(t, o, "rm /dev/shm/fill /tmp/fill; mount -o remount,size=50% /tmp")
}
