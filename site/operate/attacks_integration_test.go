//go:build integration

package operate_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// TestAttacks attacks a site of its own, which has data and a backup of it.
func TestAttacks(t *testing.T) {
	if !localtest.Full() {
		t.Skip("a site of its own, attacked in a dozen ways: SITEBLOCKS_FULL=1 runs it")
	}
	o, _ := guestBook(t, func(s *site.Site) { s.Web.MaxBody = 1 << 20 })
	up, err := o.Up(t.Context())
	require.NoError(t, err)
	v := newVisitor(t, up.URL)
	v.sign(t, "Ada", "before the attacks.")
	_, err = o.BackupNow(t.Context(), operate.BackupOptions{})
	require.NoError(t, err)
	attacks(t, o, v)
}

// attacks is what a visitor, a broken-into application, whoever may deploy, and whoever has a server's credentials try
// on a running site. None of them succeeds, and the site serves after each.
func attacks(t *testing.T, o operate.Operator, v *visitor) {
	for _, attack := range []struct {
		name string
		do   func(*testing.T, operate.Operator, *visitor)
	}{
		{"a visitor asks for hidden files", hiddenFiles},
		{"a visitor names another host", absoluteForm},
		{"a visitor sends too much", tooMuch},
		{"a visitor drips bytes", dripping},
		{"the application links a secret into its cache", linkedSecret},
		{"the application switches the site off", switchedOff},
		{"the application fills memory that all may write", filledMemory},
		{"the application takes Apache's port", takenPort},
		{"the application writes what a restore runs as root", procedureOfRoot},
		{"the application's account has too many rights", tooManyRights},
		{"deploy links root's files", linkedByDeploy},
		{"a server overwrites a backup", overwrittenBackup},
	} {
		t.Run(attack.name, func(t *testing.T) {
			attack.do(t, o, v)
			require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode)
		})
	}
}

func hiddenFiles(t *testing.T, o operate.Operator, v *visitor) {
	public := "/var/www/" + o.Site.Name + "/current/public"
	onServer(t, o, "echo SECRET=1 >"+public+"/.env; mkdir -p "+public+"/.git "+public+"/.well-known; echo SECRET=1 >"+public+"/.git/config; echo known >"+public+"/.well-known/security.txt")
	for _, path := range []string{"/.env", "//.env", "/%2eenv", "/x/../.env", "/.git/config", "/%2Egit/config", "/./.git/config", "/.env?x", "/.well-known/../.env"} {
		answer := raw(t, v, "GET "+path+" HTTP/1.1\r\nHost: "+v.base.Host+"\r\nConnection: close\r\n\r\n")
		require.NotContains(t, answer, "SECRET", path)
		require.Regexp(t, `^HTTP/1.1 40[034] `, answer, path)
	}
	require.Equal(t, "known\n", v.get(t, "/.well-known/security.txt").body)
	onServer(t, o, "rm -r "+public+"/.env "+public+"/.git "+public+"/.well-known")
}

// raw sends a request as it stands, and returns all that comes back.
func raw(t *testing.T, v *visitor, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", v.base.Port()))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(c, request)
	require.NoError(t, err)
	answer, _ := io.ReadAll(c) // a connection that is reset has said what it said
	return string(answer)
}

func absoluteForm(t *testing.T, _ operate.Operator, v *visitor) {
	answer := raw(t, v, "GET http://"+v.base.Host+"/ HTTP/1.1\r\nHost: "+v.base.Host+"\r\nConnection: close\r\n\r\n")
	require.Regexp(t, `^HTTP/1.1 200 `, answer)
	require.Contains(t, answer, "</html>")
	require.NotContains(t, answer, "Apache2")
	answer = raw(t, v, "GET http://stranger.example/ HTTP/1.1\r\nHost: "+v.base.Host+"\r\nConnection: close\r\n\r\n")
	require.NotContains(t, answer, "Apache2 Debian")
	require.NotRegexp(t, `^HTTP/1.1 200 `, answer)
}

func tooMuch(t *testing.T, o operate.Operator, v *visitor) {
	limit := o.Site.Web.MaxBody
	require.Positive(t, limit, "the test's site has a limit")
	head := "POST /entries HTTP/1.1\r\nHost: " + v.base.Host + "\r\nConnection: close\r\n"
	for name, request := range map[string]string{
		"with a length":    fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, limit+1),
		"without a length": fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, limit+1, strings.Repeat("x", int(limit+1))),
	} {
		require.Regexp(t, `^HTTP/1.1 413 `, raw(t, v, request), name)
	}
}

// dripping holds hundreds of connections that never finish their request, while pages go on being served.
func dripping(t *testing.T, _ operate.Operator, v *visitor) {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for i := range 400 {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", v.base.Port()))
		require.NoError(t, err)
		open = append(open, c)
		start := "GET / HTTP/1.1\r\nHost: "
		if i%2 == 0 {
			start = "POST /entries HTTP/1.1\r\nHost: " + v.base.Host + "\r\nContent-Length: 90000\r\n\r\nx"
		}
		_, _ = io.WriteString(c, start)
	}
	for range 8 {
		require.Equal(t, http.StatusOK, v.get(t, "/style.css").StatusCode)
	}
}

func linkedSecret(t *testing.T, o operate.Operator, v *visitor) {
	secrets := onServer(t, o, "cat /etc/siteblocks/balancer.secret 2>/dev/null || cat /etc/siteblocks/agent.json")
	onServer(t, o, `cd /var/www/`+o.Site.Name+`/shared/public && for d in */; do for f in /etc/siteblocks/*; do
		setpriv --reuid=app --regid=app --clear-groups ln -sf $f ${d}stolen-${f##*/}.html 2>/dev/null || true; done; done; ls -R . | grep stolen`)
	for _, file := range strings.Fields(onServer(t, o, "cd /etc/siteblocks; ls")) {
		for _, path := range []string{"/cache/stolen-" + file + ".html", "/system/stolen-" + file + ".html", "/stolen-" + file, "/uploads/stolen-" + file + ".html"} {
			answer := v.get(t, path)
			require.NotContains(t, answer.body, secrets, path)
			require.NotEqual(t, http.StatusOK, answer.StatusCode, path)
		}
	}
	onServer(t, o, "find /var/www/"+o.Site.Name+"/shared/public/ -name 'stolen-*' -delete")
}

func switchedOff(t *testing.T, o operate.Operator, v *visitor) {
	onServer(t, o, `cd /var/www/`+o.Site.Name+`/shared; for d in . public public/*/; do setpriv --reuid=app --regid=app --clear-groups touch $d/maintenance $d/maintenance.html 2>/dev/null || true; done`)
	require.Equal(t, http.StatusOK, v.get(t, "/").StatusCode)
	onServer(t, o, `find /var/www/`+o.Site.Name+`/shared/ -name 'maintenance*' -type f -user app -delete`)
}

// filledMemory fills what all may write; the operator's verbs need none of it.
func filledMemory(t *testing.T, o operate.Operator, _ *visitor) {
	h, err := o.Host(t.Context(), "web-1")
	require.NoError(t, err)
	defer h.Close()
	runOn(t, h, `mount -o remount,size=16m /tmp
		for d in /dev/shm /tmp; do mountpoint -q $d && setpriv --reuid=app --regid=app --clear-groups sh -c "cat /dev/zero >$d/fill" 2>/dev/null; done; true`)
	upAgain(t, o)
	require.Equal(t, "root", onServer(t, o, "id -un"))
	runOn(t, h, "rm /dev/shm/fill /tmp/fill; mount -o remount,size=50% /tmp")
}

// takenPort has the application wait for every port that Apache leaves for a moment.
func takenPort(t *testing.T, o operate.Operator, v *visitor) {
	ports := onServer(t, o, `sed -n 's/^Listen .*:\([0-9]*\).*/\1/p; s/^Listen \([0-9]*\).*/\1/p' /etc/apache2/ports.conf /etc/apache2/*-enabled/*.conf | sort -un | xargs`)
	onServer(t, o, `cat >/tmp/take.rb <<'X'
require "socket"
held = []
deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 60
while Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline
  ARGV.each { |p| begin; held << TCPServer.new("127.0.0.1", p.to_i); rescue SystemCallError; end }
end
X
chmod 644 /tmp/take.rb
systemd-run -q --unit=take --property=User=app ruby /tmp/take.rb `+ports+`
kill -KILL $(systemctl show -p MainPID --value apache2)`)
	require.Eventually(t, func() bool { return answers(v) }, time.Minute, 200*time.Millisecond)
	onServer(t, o, "systemctl stop take; rm -f /tmp/take.rb")
}

// evil is a procedure that the application may make, and that a script reader may take for something else.
const evil = "DELIMITER //\n" +
	"CREATE PROCEDURE zz()\nSET @a = 1 # ;;\n--1 + '\n" +
	"CREATE USER IF NOT EXISTS `app`@`localhost` ;;\n" +
	"GRANT ALL PRIVILEGES ON *.* TO `app`@`localhost` WITH GRANT OPTION ;;\n--'\n//\n"

func procedureOfRoot(t *testing.T, o operate.Operator, v *visitor) {
	before := onServer(t, o, `mariadb -BN -e "SHOW GRANTS FOR app@localhost"`)
	database := strings.ReplaceAll(o.Site.Name, "-", "_")
	onServer(t, o, "cat >/root/evil.sql <<'X'\n"+evil+`X
. /etc/siteblocks/app.env; password=$(echo "$DATABASE_URL" | sed 's/.*app:\(.*\)@.*/\1/')
MYSQL_PWD=$password mariadb --comments -u app `+database+` </root/evil.sql; rm /root/evil.sql`)
	m, err := o.BackupNow(t.Context(), operate.BackupOptions{})
	require.NoError(t, err)
	verdict, err := o.VerifyBackup(t.Context(), m.ID)
	require.NoError(t, err)
	require.True(t, verdict.OK)
	_, err = o.Restore(t.Context(), s3backup.Select{ID: m.ID}, operate.RestoreOptions{Replace: true})
	require.NoError(t, err)
	require.Equal(t, before, onServer(t, o, `mariadb -BN -e "SHOW GRANTS FOR app@localhost"`))
	require.Equal(t, "0", onServer(t, o, `mariadb -BN -e "SELECT COUNT(*) FROM mysql.user WHERE Super_priv = 'Y' AND User NOT IN ('root', 'mysql', 'mariadb.sys')"`))
	require.Equal(t, "zz", onServer(t, o, `mariadb -BN -e "SELECT name FROM mysql.proc WHERE db = '`+database+`'"`), "it is the application's, and comes back")
	onServer(t, o, `mariadb -e "DROP PROCEDURE zz" `+database)
	require.Equal(t, http.StatusOK, v.get(t, "/up").StatusCode)
}

func tooManyRights(t *testing.T, o operate.Operator, _ *visitor) {
	before := onServer(t, o, `mariadb -BN -e "SHOW GRANTS FOR app@localhost"`)
	onServer(t, o, `mariadb -e "GRANT FILE, SUPER, PROCESS ON *.* TO app@localhost"`)
	p, err := o.Plan(t.Context())
	require.NoError(t, err)
	require.False(t, p.Empty(), "plan sees it")
	_, err = o.Up(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, onServer(t, o, `mariadb -BN -e "SHOW GRANTS FOR app@localhost"`))
}

// linkedByDeploy leads what root might write in deploy's directories to root's own.
func linkedByDeploy(t *testing.T, o operate.Operator, _ *visitor) {
	root := "/var/www/" + o.Site.Name
	onServer(t, o, `as() { setpriv --reuid=deploy --regid=deploy --init-groups "$@"; }
		mv `+root+`/revisions.log /root/revisions.log
		as ln -s /etc/profile.d/x.sh `+root+`/revisions.log`)
	_, err := o.Deploy(t.Context())
	require.Equal(t, "none", onServer(t, o, "ls /etc/profile.d/x.sh 2>/dev/null || echo none"))
	if err != nil {
		require.ErrorContains(t, err, "revisions.log")
	}
	onServer(t, o, `rm `+root+`/revisions.log; mv /root/revisions.log `+root+`/revisions.log`)
}

// overwrittenBackup has whoever broke into a server replace every object of the newest backup.
func overwrittenBackup(t *testing.T, o operate.Operator, _ *visitor) {
	m, err := o.BackupNow(t.Context(), operate.BackupOptions{})
	require.NoError(t, err)
	storage, err := o.Cloud.Storage(t.Context(), o.Site.Name)
	require.NoError(t, err)
	client := func(who aws.CredentialsProvider) *s3.Client {
		return s3.New(s3.Options{Region: storage.Region, Credentials: who, BaseEndpoint: &storage.Endpoint, UsePathStyle: true, RetryMaxAttempts: 1})
	}
	server := client(credentials.StaticCredentialsProvider{Value: storage.ServerCredentials})
	listed, err := client(storage.Credentials).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &storage.Bucket})
	require.NoError(t, err)
	tried := 0
	for _, object := range listed.Contents {
		if !strings.Contains(*object.Key, m.ID) {
			continue
		}
		tried++
		_, _ = server.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &storage.Bucket, Key: object.Key})
		_, err := server.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &storage.Bucket, Key: object.Key, Body: strings.NewReader("")})
		require.Error(t, err, "%s: the store's lock", *object.Key)
	}
	require.Positive(t, tried)
	all, err := o.Backups(t.Context())
	require.NoError(t, err)
	at := slices.IndexFunc(all, func(e s3backup.Entry) bool { return e.ID == m.ID })
	require.GreaterOrEqual(t, at, 0)
	require.NoError(t, all[at].Problem, "it is as it was written")
	_, err = server.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &storage.Bucket, Prefix: new("private/")})
	require.Error(t, err, "a server does not list what is the operator's")
}
