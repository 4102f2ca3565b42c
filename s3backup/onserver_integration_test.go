//go:build integration

package s3backup_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

const configureMariaDB = `printf '[mysqld]\nlog_bin = binlog\nserver_id = 1\nbinlog_format = ROW\n' > /etc/mysql/mariadb.conf.d/90-test.cnf
systemctl restart mariadb`

// TestOnServer takes this test binary to a real database server and runs the tests there that begin with TestServer,
// as the agent of a site would run: as root, over the server's socket, with S3 across the network.
func TestOnServer(t *testing.T) {
	runOn(t, localtest.Options{SmallDisk: 256 << 20, Packages: []string{"mariadb-server", "zstd", "age", "jq"}}, configureMariaDB, "^TestServer")
}

// TestOnDebian12 runs what depends on the server's version with MariaDB 10.11.
func TestOnDebian12(t *testing.T) {
	if os.Getenv(envFull) == "" {
		t.Skip("takes minutes: " + envFull + "=1 runs it")
	}
	runOn(t, localtest.Options{Image: "debian-12", Packages: []string{"mariadb-server", "zstd"}}, configureMariaDB,
		"^TestServer(Data|KilledRestoreOfTwo|KilledRestore|StalledStore|WrittenMeanwhile|BackupAndRestore)$")
}

// TestCosts measures on Debian 12, which has mydumper, and reads its scripts.
func TestCosts(t *testing.T) {
	if os.Getenv(envFull) == "" {
		t.Skip("takes minutes: " + envFull + "=1 runs it")
	}
	runOn(t, localtest.Options{Image: "debian-12", Packages: []string{"mariadb-server", "zstd", "mydumper"}}, configureMariaDB, "^TestServer(Cost$|ScriptAs|BodiesAs|Scratch|ApplicationStays)")
}

// runOn makes a server, prepares it by a script, and runs tests of this binary there as root.
func runOn(t *testing.T, o localtest.Options, prepare, pattern string) {
	t.Helper()
	if only := os.Getenv("S3BACKUP_TEST_RUN"); only != "" {
		pattern = only
	}
	cloud, site := localtest.Cloud(t)
	storage, err := cloud.Storage(t.Context(), site)
	require.NoError(t, err)
	credentials, err := storage.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	o.Name, o.Network = "db-1", network(t, site)
	m := localtest.Server(t, o)
	root := func(text string, stdin []byte) error {
		return m.Host.Run(t.Context(), sshx.Script{Text: text, Root: true, Stdin: bytes.NewReader(stdin), Stdout: t.Output(), Stderr: t.Output()})
	}
	require.NoError(t, root("cat > /root/s3backup.test && chmod +x /root/s3backup.test", localtest.Build(t, "test", "-c", "-tags", "integration", ".")))
	require.NoError(t, root(prepare, nil))
	run := "cd /root && exec env"
	for name, value := range map[string]string{
		envEndpoint: storage.ServerEndpoint, envBucket: storage.Bucket, envAccess: credentials.AccessKeyID, envSecret: credentials.SecretAccessKey,
		envFull: os.Getenv(envFull),
	} {
		run += " " + name + "=" + sshx.Quote(value)
	}
	run += " ./s3backup.test -test.timeout 20m -test.run " + sshx.Quote(pattern)
	if testing.Verbose() {
		run += " -test.v"
	}
	require.NoError(t, root(run, nil))
}

// network finds the network on which the site's S3 server is.
func network(t *testing.T, site string) string {
	t.Helper()
	docker, err := client.New(client.FromEnv)
	require.NoError(t, err)
	defer docker.Close()
	found, err := docker.NetworkList(t.Context(), client.NetworkListOptions{Filters: make(client.Filters).Add("label", local.LabelSite+"="+site)})
	require.NoError(t, err)
	require.Len(t, found.Items, 1)
	return found.Items[0].Name
}
