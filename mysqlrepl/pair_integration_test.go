//go:build integration

package mysqlrepl_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/mysqlrepl"
)

// authority signs the servers' certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) issue(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

const adminPassword = mysqlrepl.Secret("admin-of-both-servers")

// duo is two machines, and the pair that they are to become.
type duo struct {
	pair      *mysqlrepl.Pair
	machines  map[string]*localtest.Machine
	software  mysqlrepl.Software
	authority *authority
	seeder    func(from, to string) mysqlrepl.Seeder
}

// newDuo boots two fresh servers with the pair's configuration. Nothing else is done to them.
func newDuo(t *testing.T) *duo {
	t.Helper()
	network := localtest.Network(t)
	d := &duo{machines: map[string]*localtest.Machine{}, authority: newAuthority(t)}
	var err error
	d.software, err = mysqlrepl.SoftwareFor(mysqlrepl.Debian13, mysqlrepl.MariaDB)
	require.NoError(t, err)
	d.pair = &mysqlrepl.Pair{
		Account: mysqlrepl.ReplicationAccount{Password: "follows-the-source"}, CA: serverTLS.CA,
		Epochs: mysqlrepl.FileEpochs(filepath.Join(t.TempDir(), "epochs")), By: "test",
	}
	for i, name := range []string{"db-1", "db-2"} {
		m := localtest.Server(t, localtest.Options{Name: name, Network: network, Ports: []uint16{3306}, Packages: []string{"mariadb-server", "mariadb-backup", "nftables"}})
		d.machines[name] = m
		d.prepare(t, m, name, uint32(i+1))
		d.pair.Servers[i] = d.server(name)
		t.Cleanup(func() {
			if t.Failed() {
				var out bytes.Buffer
				_ = m.Host.Run(context.Background(), sshx.Script{Root: true, Stdout: &out, Text: "journalctl --no-pager -o cat -n 40 -u mariadb"})
				t.Logf("%s: %s", name, &out)
			}
		})
	}
	d.seeder = func(from, to string) mysqlrepl.Seeder {
		return mysqlrepl.MariaDBBackup{From: d.machines[from].Host, To: d.machines[to].Host, Software: d.software}
	}
	return d
}

func (d *duo) prepare(t *testing.T, m *localtest.Machine, name string, id uint32) {
	t.Helper()
	m.Root(t, `systemctl start mariadb
mariadb -e "CREATE USER admin@'%' IDENTIFIED BY '`+string(adminPassword)+`' REQUIRE SSL; GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION"
systemctl stop mariadb
systemctl disable mariadb
mkdir -p /etc/systemd/system/mariadb.service.d
printf '[Service]\nRestart=no\n' >/etc/systemd/system/mariadb.service.d/pair.conf
mkdir -p /etc/mysql/tls
install -d -o mysql /var/log/mysql
systemctl daemon-reload`)
	text, err := mysqlrepl.Config{
		Version: d.software.Version, ServerID: id, Replicated: true, TLS: serverTLS, Listen: netip.IPv4Unspecified(), BufferPool: 64 << 20,
	}.Render()
	require.NoError(t, err)
	m.Put(t, d.software.Config, 0o644, []byte(text))
	cert, key := d.authority.issue(t, name)
	m.Put(t, serverTLS.CA, 0o644, d.authority.pem)
	m.Put(t, serverTLS.Cert, 0o644, cert)
	m.Put(t, serverTLS.Key, 0o600, key)
	m.Root(t, "chown mysql: "+serverTLS.Key+"\nsystemctl start mariadb")
}

// server is a machine's database as the tests and its peer reach it.
func (d *duo) server(name string) mysqlrepl.Server {
	roots := x509.NewCertPool()
	roots.AddCert(d.authority.cert)
	return mysqlrepl.Server{
		Name: name, Host: name, Process: mysqlrepl.Systemd{Host: host{d, name}, Unit: d.software.Service},
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, d.machines[name].Port(3306).String())
		},
		Address: mysqlrepl.Address{TCP: netip.MustParseAddrPort("127.0.0.1:3306"), TLS: &tls.Config{RootCAs: roots, ServerName: name}},
		Login:   mysqlrepl.Login{User: "admin", Password: adminPassword},
	}
}

// host is a machine whose connection is another one after it was started again.
type host struct {
	*duo
	name string
}

func (h host) Run(ctx context.Context, s sshx.Script) error {
	return h.machines[h.name].Host.Run(ctx, s)
}

func (h host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return h.machines[h.name].Host.Dial(ctx, network, address)
}

// run makes a plan, runs it, and shows both.
func run(t *testing.T, plan *mysqlrepl.Plan, err error) *mysqlrepl.Report {
	t.Helper()
	require.NoError(t, err)
	t.Logf("%s", plan)
	report, err := plan.Run(t.Context())
	t.Logf("%s", report)
	require.NoError(t, err)
	return report
}

func (d *duo) status(t *testing.T, name string) *mysqlrepl.Status {
	t.Helper()
	status, err := mysqlrepl.ReadStatus(t.Context(), d.server(name))
	require.NoError(t, err)
	return status
}

// analyse says how the pair stands, in one line.
func (d *duo) analyse(t *testing.T) string {
	t.Helper()
	a := mysqlrepl.Analyse(d.pair.Look(t.Context()), mysqlrepl.Limits{})
	return string(a.State) + ", " + string(a.Action) + ": " + a.Reason
}

func (d *duo) setUp(t *testing.T) {
	t.Helper()
	plan, err := d.pair.Setup(t.Context(), "db-1", mysqlrepl.SeedOptions{Seeder: d.seeder("db-1", "db-2")})
	run(t, plan, err)
	require.Equal(t, healthy, d.analyse(t))
}

// admin is a connection to a server.
func (d *duo) exec(t *testing.T, name string, statements ...string) {
	t.Helper()
	s := d.server(name)
	db, err := mysqlrepl.Open(t.Context(), s.Dial, s.Address, s.Login)
	require.NoError(t, err)
	exec1(t, db, statements...)
	require.NoError(t, db.Close())
}

func (d *duo) count(t *testing.T, name, query string) (n int) {
	t.Helper()
	s := d.server(name)
	db, err := mysqlrepl.Open(t.Context(), s.Dial, s.Address, s.Login)
	require.NoError(t, err)
	require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n))
	require.NoError(t, db.Close())
	return n
}

// eventually waits until something is so, and otherwise says what it was last.
func eventually(t *testing.T, limit time.Duration, is func() (string, bool)) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		last, done := is()
		if done {
			return
		}
		require.True(t, time.Now().Before(end), "after %s: %s", limit, last)
	}
}

// role asks a server's role check.
func (d *duo) role(name, path string) int {
	w := httptest.NewRecorder()
	(&mysqlrepl.RoleCheck{Server: d.server(name), Epochs: d.pair.Epochs, Timeout: 5 * time.Second}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code
}

const healthy = "healthy, nothing: db-1 writes, db-2 acknowledges"

func TestPair(t *testing.T) {
	d := newDuo(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *duo)
	}{
		{"setup", testSetup}, {"TLS", testTLS}, {"switchover", testSwitchover}, {"two callers", testTwoCallers}, {"failover and rejoin", testFailover},
		{"a server that diverged", testDiverged},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, d) }) {
			return
		}
	}
}

func testSetup(t *testing.T, d *duo) {
	d.setUp(t)
	plan, err := d.pair.Setup(t.Context(), "db-1", mysqlrepl.SeedOptions{})
	run(t, plan, err)
	require.True(t, d.status(t, "db-2").Replica.TLS)
	d.exec(t, "db-1", "CREATE DATABASE shop", "CREATE TABLE shop.entries (id INT PRIMARY KEY)", "INSERT INTO shop.entries VALUES (1)")
	_, err = d.pair.Setup(t.Context(), "db-2", mysqlrepl.SeedOptions{})
	require.ErrorContains(t, err, "there is one already")
	require.Equal(t, []int{200, 503, 503, 200}, []int{d.role("db-1", "/source"), d.role("db-1", "/replica"), d.role("db-2", "/source"), d.role("db-2", "/replica")})
}

// testTLS has the source show a certificate that the replica cannot check.
func testTLS(t *testing.T, d *duo) {
	m := d.machines["db-2"]
	m.Put(t, serverTLS.CA, 0o644, newAuthority(t).pem)
	d.exec(t, "db-2", "STOP SLAVE")
	plan, err := d.pair.Rejoin(t.Context())
	require.NoError(t, err)
	limited, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = plan.Run(limited)
	require.Error(t, err)
	require.Regexp(t, "(?i)certificate|SSL", d.status(t, "db-2").Replica.Receiver.Error)
	m.Put(t, serverTLS.CA, 0o644, d.authority.pem)
	plan, err = d.pair.Rejoin(t.Context())
	run(t, plan, err)
	require.Equal(t, healthy, d.analyse(t))

	s := d.server("db-1")
	s.Address.TLS = nil
	_, err = mysqlrepl.Open(t.Context(), s.Dial, s.Address, mysqlrepl.Login{User: "replication", Password: d.pair.Account.Password})
	require.Error(t, err, "the account is refused without TLS")
}

func testSwitchover(t *testing.T, d *duo) {
	for _, to := range []string{"db-2", "db-1", "db-2", "db-1"} {
		plan, err := d.pair.Switchover(t.Context(), to, "tried out")
		report := run(t, plan, err)
		require.Equal(t, mysqlrepl.LostNothing, report.Lost.Kind)
		require.Equal(t, to, report.Epoch.Source)
		d.exec(t, to, "INSERT INTO shop.entries SELECT MAX(id) + 1 FROM shop.entries")
	}
	eventually(t, 5*time.Second, func() (string, bool) {
		n := d.count(t, "db-2", "SELECT COUNT(*) FROM shop.entries")
		return fmt.Sprint(n, " rows"), n == 5
	})
	_, err := d.pair.Switchover(t.Context(), "db-1", "again")
	require.ErrorContains(t, err, "it is source already")
}

// testTwoCallers has two callers begin from the same epoch.
func testTwoCallers(t *testing.T, d *duo) {
	first, err := d.pair.Switchover(t.Context(), "db-2", "first")
	require.NoError(t, err)
	second, err := d.pair.Switchover(t.Context(), "db-2", "second")
	require.NoError(t, err)
	run(t, first, nil)
	_, err = second.Run(t.Context())
	require.ErrorIs(t, err, mysqlrepl.ErrEpochTaken)
	require.ErrorContains(t, err, "db-2 is source (first, by test at")
	plan, err := d.pair.Switchover(t.Context(), "db-1", "back")
	run(t, plan, err)
	require.Equal(t, healthy, d.analyse(t))
}

func testFailover(t *testing.T, d *duo) {
	_, err := d.pair.Failover(t.Context(), "db-2", mysqlrepl.FailoverOptions{Reason: "tried out"})
	require.ErrorContains(t, err, `it still hears "db-1"`)
	require.NoError(t, d.server("db-1").Process.Kill(t.Context()))
	require.Contains(t, d.analyse(t), "source dead, failover: db-1 refuses connections")
	plan, err := d.pair.Failover(t.Context(), "db-2", mysqlrepl.FailoverOptions{Reason: "db-1 was killed"})
	report := run(t, plan, err)
	require.Equal(t, mysqlrepl.LostNothing, report.Lost.Kind)
	rows := d.count(t, "db-2", "SELECT COUNT(*) FROM shop.entries")
	d.exec(t, "db-2", "INSERT INTO shop.entries SELECT MAX(id) + 1 FROM shop.entries")
	require.Equal(t, []int{503, 200}, []int{d.role("db-1", "/source"), d.role("db-2", "/source")})
	_, err = d.pair.Failover(t.Context(), "db-1", mysqlrepl.FailoverOptions{Reason: "tried out"})
	require.ErrorIs(t, err, mysqlrepl.ErrMayLose)
	d.rejoin(t)
	plan, err = d.pair.Switchover(t.Context(), "db-1", "back")
	run(t, plan, err)
	require.Equal(t, healthy, d.analyse(t))
	require.Equal(t, rows+1, d.count(t, "db-1", "SELECT COUNT(*) FROM shop.entries"))
}

// rejoin has the old source follow, and be waited for.
func (d *duo) rejoin(t *testing.T) {
	t.Helper()
	plan, err := d.pair.Rejoin(t.Context())
	run(t, plan, err)
	require.Contains(t, d.analyse(t), "degraded, restore")
	plan, err = d.pair.Restore(t.Context())
	run(t, plan, err)
}

// testDiverged has the replica get data of its own, which is discarded only by name.
func testDiverged(t *testing.T, d *duo) {
	d.exec(t, "db-2", "STOP SLAVE", "CREATE DATABASE stray")
	require.Contains(t, d.analyse(t), "diverged, nothing: db-2 has transactions that db-1 lacks: 0-2-")
	plan, err := d.pair.Degrade(t.Context(), "db-2 diverged")
	run(t, plan, err)
	d.exec(t, "db-1", "INSERT INTO shop.entries SELECT MAX(id) + 1 FROM shop.entries")
	p := *d.pair // without a Process nobody can rewind it
	p.Servers[1].Process = nil
	plan, err = p.Rejoin(t.Context())
	require.NoError(t, err)
	_, err = plan.Run(t.Context())
	var diverged *mysqlrepl.DivergedError
	require.ErrorAs(t, err, &diverged)
	require.EqualValues(t, 1, diverged.GTIDs.Count())

	options := mysqlrepl.SeedOptions{Seeder: d.seeder("db-1", "db-2")}
	_, err = d.pair.Reseed(t.Context(), options)
	var held *mysqlrepl.OverwriteError
	require.ErrorAs(t, err, &held)
	require.Equal(t, []string{"shop", "stray"}, held.Databases)
	options.Overwrite = "db-2"
	plan, err = d.pair.Reseed(t.Context(), options)
	run(t, plan, err)
	require.Equal(t, healthy, d.analyse(t))
	require.Zero(t, d.count(t, "db-2", "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'stray'"))
	require.Equal(t, d.count(t, "db-1", "SELECT COUNT(*) FROM shop.entries"), d.count(t, "db-2", "SELECT COUNT(*) FROM shop.entries"))
}
