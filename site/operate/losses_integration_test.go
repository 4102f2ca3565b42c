//go:build integration

package operate_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// TestLosses says how many requests each fault costs, of 20 a second: medians of five, since they depend on the machine.
// Its small size is the one of TestLife.
func TestLosses(t *testing.T) {
	if !localtest.Full() {
		t.Skip("every fault five times on a site of its own: SITEBLOCKS_FULL=1 runs it")
	}
	o, _ := guestBook(t, nil)
	r, err := o.Up(t.Context())
	require.NoError(t, err)
	losses(t, o, newVisitor(t, r.URL), 5)
}

// losses puts each fault on a site that 20 requests a second visit, several times, and requires that the site is back
// without anybody's help.
func losses(t *testing.T, o operate.Operator, v *visitor, times int) {
	for _, fault := range []struct {
		name   string
		do     func(*testing.T, operate.Operator)
		unfelt bool // no visitor notices it
	}{
		{"mariadbd killed", killDatabase, false},
		{"Apache's parent killed", killApache, false},
		{"mariadbd ended by SIGTERM", endDatabase, false},
		{"Apache ended by SIGTERM", endApache, false},
		{"S3 gone in mid-deploy", loseS3, true},
		{"the server rebooted", reboot, false},
	} {
		t.Run(fault.name, func(t *testing.T) {
			var lost []int
			for range times {
				lost = append(lost, loss(t, v, func() { fault.do(t, o) }))
			}
			slices.Sort(lost)
			t.Logf("%s: %v requests lost, median %d", fault.name, lost, lost[len(lost)/2])
			if fault.unfelt {
				require.Zero(t, lost[len(lost)-1])
			}
		})
	}
}

// loss is how many requests fail from two seconds before the fault until the site has answered well for two seconds.
func loss(t *testing.T, v *visitor, fault func()) int {
	t.Helper()
	run := loadAt(t, v.base.String(), 20)
	time.Sleep(2 * time.Second) // load before the fault
	fault()
	for good, limit := 0, time.Now().Add(10*time.Minute); good < 20; {
		require.True(t, time.Now().Before(limit), "the site is back by itself")
		if answers(v) {
			good++
		} else {
			good = 0
		}
		time.Sleep(100 * time.Millisecond) // load behind it
	}
	report := run.Stop()
	t.Logf("%s; %d skipped", report, report.Skipped)
	return report.Failures("")
}

// answers tells whether the front page is served.
func answers(v *visitor) bool {
	answer, err := v.client.Get(v.base.String())
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func killDatabase(t *testing.T, o operate.Operator) { onServer(t, o, "systemctl kill -s KILL mariadb") }
func endDatabase(t *testing.T, o operate.Operator) {
	onServer(t, o, "kill -TERM $(systemctl show -p MainPID --value mariadb)")
}
func killApache(t *testing.T, o operate.Operator) {
	onServer(t, o, "kill -KILL $(systemctl show -p MainPID --value apache2)")
}
func endApache(t *testing.T, o operate.Operator) {
	onServer(t, o, "kill -TERM $(systemctl show -p MainPID --value apache2)")
}

// loseS3 takes S3 away from the server while it installs a release.
func loseS3(t *testing.T, o operate.Operator) {
	before := running(t, o)
	tell := o.Events
	o.Events = func(e site.Event) {
		if tell != nil {
			tell(e)
		}
		if strings.HasPrefix(e.Step, "upload release") && e.State == site.StepDone {
			onServer(t, o, "echo 127.0.0.9 s3 >>/etc/hosts")
		}
	}
	_, err := o.Deploy(t.Context())
	require.ErrorContains(t, err, "the site still runs")
	onServer(t, o, "sed '/127.0.0.9 s3/d' /etc/hosts >/root/hosts; cat /root/hosts >/etc/hosts; rm /root/hosts")
	require.Equal(t, before, running(t, o))
}

func reboot(t *testing.T, o operate.Operator) {
	servers, err := o.Cloud.Servers(t.Context(), o.Site.Name)
	require.NoError(t, err)
	restart(t, servers[0].ID)
}
