//go:build integration

package s3backup_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

// restoreSecond restores the backup that is tampered with.
func (d *damaged) restoreSecond(t *testing.T, store s3backup.Store) error {
	_, err := store.Restore(t.Context(), s3backup.Select{ID: d.second.ID}, s3backup.Target{Replace: true})
	return err
}

// tampered restores the second backup while its content is another.
func tampered(change func(d *damaged, content []byte) []byte) func(*testing.T, *damaged) error {
	return func(t *testing.T, d *damaged) error {
		key := d.key(d.second, d.second.Object.Name)
		defer d.put(t, key, d.content)
		d.put(t, key, change(d, bytes.Clone(d.content)))
		return d.restoreSecond(t, d.store)
	}
}

// damagedBackups are wrong in themselves.
func damagedBackups() []refusal {
	return []refusal{
		{name: "object is truncated", want: s3backup.ErrCorrupt, do: tampered(func(_ *damaged, c []byte) []byte { return c[:len(c)/2] })},
		{name: "object lacks one byte", want: s3backup.ErrCorrupt, do: tampered(func(_ *damaged, c []byte) []byte { return c[:len(c)-1] })},
		{name: "one bit is flipped", want: s3backup.ErrCorrupt, do: tampered(func(_ *damaged, c []byte) []byte {
			c[len(c)-1000] ^= 4
			return c
		})},
		{name: "two chunks are swapped", want: s3backup.ErrCorrupt, do: tampered(func(d *damaged, c []byte) []byte {
			n := d.second.Object.Chunks[0].Bytes
			return append(append(append([]byte{}, c[n:2*n]...), c[:n]...), c[2*n:]...)
		})},
		{name: "object is not there", want: s3backup.ErrCorrupt, do: func(t *testing.T, d *damaged) error {
			key := d.key(d.second, d.second.Object.Name)
			_, err := d.store.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &d.store.Bucket, Key: &key})
			require.NoError(t, err)
			defer d.put(t, key, d.content)
			return d.restoreSecond(t, d.store)
		}},
		{name: "key is another", want: s3backup.ErrWrongKey, do: func(t *testing.T, d *damaged) error {
			other, err := age.GenerateX25519Identity()
			require.NoError(t, err)
			store := d.store
			store.Identities = []age.Identity{other}
			return d.restoreSecond(t, store)
		}},
		{name: "key is not given", want: s3backup.ErrWrongKey, do: func(t *testing.T, d *damaged) error {
			store := d.store
			store.Identities = nil
			return d.restoreSecond(t, store)
		}},
		{name: "manifest is another site's", want: s3backup.ErrOtherSite, do: func(t *testing.T, d *damaged) error {
			foreign := d.second
			foreign.Site = "other"
			return d.withManifest(t, foreign)
		}},
		{name: "manifest is of another format", want: s3backup.ErrFormat, do: func(t *testing.T, d *damaged) error {
			newer := d.second
			newer.Format = "siteblocks-backup/2"
			return d.withManifest(t, newer)
		}},
		{name: "data differs from the checksums", want: s3backup.ErrMismatch, do: func(t *testing.T, d *damaged) error {
			wrong := d.second
			wrong.Tables = append([]s3backup.Table{}, d.second.Tables...)
			wrong.Tables[0].Rows++
			return d.withManifest(t, wrong)
		}},
	}
}

// refusedRestores are those of a good backup.
func refusedRestores() []refusal {
	return []refusal{
		{name: "store goes in the middle of a restore", want: s3backup.ErrStoreDown, do: func(t *testing.T, d *damaged) error {
			return d.restoreSecond(t, d.through(gone(1, isChunk)))
		}},
		{name: "connection breaks within a chunk", want: s3backup.ErrStoreDown, do: func(t *testing.T, d *damaged) error {
			return d.restoreSecond(t, d.through(faulty{after: func(r *http.Request, response *http.Response) {
				if isChunk(r) {
					response.Body = io.NopCloser(io.LimitReader(response.Body, 5000))
				}
			}}))
		}},
		{name: "database to restore into is down", want: s3backup.ErrServerDown, do: func(t *testing.T, d *damaged) error {
			_, err := d.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Server: s3backup.Server{Socket: "/run/nobody.sock"}})
			return err
		}},
		{name: "disk is too small, seen before", want: s3backup.ErrDiskFull, do: fullDisk(s3backup.Server{Socket: "/mnt/small/s"})},
		{name: "disk is full in the middle", want: s3backup.ErrDiskFull, do: fullDisk(s3backup.Server{
			TCP: netip.MustParseAddrPort("127.0.0.1:33306"), User: "tcp", Password: "tcp",
		})},
	}
}

// withManifest restores the second backup while it has another manifest.
func (d *damaged) withManifest(t *testing.T, m s3backup.Manifest) error {
	key := d.key(d.second, "manifest.json")
	own := d.object(t, key)
	defer d.put(t, key, own)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	d.put(t, key, text)
	entry, err := d.store.Find(t.Context(), s3backup.Select{})
	require.NoError(t, err)
	if m.Format != d.second.Format || m.Site != d.second.Site {
		require.Equal(t, d.first.ID, entry.ID, "it is not taken for the latest")
	}
	_, err = d.store.Restore(t.Context(), s3backup.Select{ID: d.second.ID}, s3backup.Target{Replace: true})
	return err
}

// fullDisk restores into a server of its own whose disk has no room left. A server that is reached by TCP may be
// another machine, of whose disk nothing is known before it is full.
func fullDisk(server s3backup.Server) func(*testing.T, *damaged) error {
	return func(t *testing.T, d *damaged) error {
		require.NoError(t, os.Chmod("/mnt/small", 0o755))
		shell := func(text string) {
			output, err := exec.Command("bash", "-ec", text).CombinedOutput()
			require.NoError(t, err, string(output))
		}
		shell(`install -d -o mysql -g mysql /mnt/small/db
			mariadb-install-db --no-defaults --user=mysql --datadir=/mnt/small/db --skip-test-db --innodb-log-file-size=16M --auth-root-authentication-method=normal`)
		command := exec.Command("mariadbd", "--no-defaults", "--user=mysql", "--datadir=/mnt/small/db", "--socket=/mnt/small/db/s", "--port=33306",
			"--bind-address=127.0.0.1", "--innodb-log-file-size=16M", "--pid-file=/mnt/small/db/pid", "--max-allowed-packet=64M")
		require.NoError(t, command.Start())
		defer func() {
			require.NoError(t, command.Process.Kill())
			_ = command.Wait()
			shell("rm -rf /mnt/small/db /mnt/small/fill")
		}()
		shell(`for i in $(seq 100); do mariadb -uroot -S /mnt/small/db/s -e "CREATE USER IF NOT EXISTS tcp@'%' IDENTIFIED BY 'tcp'; GRANT ALL ON *.* TO tcp@'%'; CREATE DATABASE own" && break; sleep 0.2; done
			free=$(df -B1 --output=avail /mnt/small | tail -n1); head -c $((free - 24000000)) /dev/zero > /mnt/small/fill`)
		if server.Socket != "" {
			server.Socket = "/mnt/small/db/s"
		}
		_, err := d.store.Restore(t.Context(), s3backup.Select{}, s3backup.Target{Server: server})
		shell(`rm /mnt/small/fill; test "$(mariadb -uroot -S /mnt/small/db/s -Ne 'SHOW DATABASES' | grep -c own)" = 1
			! mariadb -uroot -S /mnt/small/db/s -Ne 'SHOW DATABASES' | grep -q sbnew-`)
		return err
	}
}
