//go:build integration

package s3backup_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

// faulty stands between the SDK and the network. before may answer in the store's place; after may change its answer.
type faulty struct {
	before func(*http.Request) (*http.Response, error)
	after  func(*http.Request, *http.Response)
}

func (f faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.before != nil {
		if response, err := f.before(r); response != nil || err != nil {
			return response, err
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && f.after != nil {
		f.after(r, response)
	}
	return response, err
}

func (p *place) through(f faulty) s3backup.Store {
	store := p.store
	store.S3 = s3.New(p.client.Options(), func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: f}
		o.RetryMaxAttempts = 2
	})
	return store
}

// gone is a store that nobody reaches any more once it has answered n requests for which count is true.
func gone(n int64, count func(*http.Request) bool) faulty {
	var seen atomic.Int64
	return faulty{before: func(r *http.Request) (*http.Response, error) {
		if count(r) {
			seen.Add(1)
		}
		if seen.Load() > n {
			return nil, errors.New("connect: connection refused")
		}
		return nil, nil
	}}
}

func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("partNumber")
}

func isChunk(r *http.Request) bool { return r.Method == http.MethodGet && r.Header.Get("Range") != "" }

// refusal is something that goes wrong, and by which name.
type refusal struct {
	name string
	do   func(*testing.T, *damaged) error
	want error  // or
	text string // in the error
}

// damaged is a site with two backups, of which the second is tampered with.
type damaged struct {
	*place
	first, second s3backup.Manifest
	content       []byte // of the second
}

func TestServerRefused(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 300)
	p.exec(t, "CREATE TABLE `"+p.database+"`.big AS SELECT seq AS id, RANDOM_BYTES(1000) AS bytes FROM seq_1_to_18000")
	d := &damaged{place: p}
	var err error
	d.first, err = p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	d.second, err = p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	require.Greater(t, len(d.second.Object.Chunks), 2)
	d.content = p.object(t, p.key(d.second, d.second.Object.Name))
	data := p.sum(t)
	for _, r := range slices.Concat(refusedBackups(), damagedBackups(), refusedRestores()) {
		t.Run(r.name, func(t *testing.T) {
			err := r.do(t, d)
			t.Log(err)
			require.Error(t, err)
			if r.want != nil {
				require.ErrorIs(t, err, r.want)
			}
			require.Contains(t, err.Error(), r.text)
			require.Equal(t, data, p.sum(t), "the database is as it was")
			d.unharmed(t)
		})
	}
	require.Equal(t, data, p.sum(t))
}

// unharmed: the backups are listed, and to the last byte what they were. At full size, and once in any case, the
// earlier one is restored to show it.
func (d *damaged) unharmed(t *testing.T) {
	entries, err := d.store.List(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for i, m := range []s3backup.Manifest{d.first, d.second} {
		require.Equal(t, m, entries[i].Manifest)
		require.NoError(t, entries[i].Problem)
		sum := sha256.Sum256(d.object(t, d.key(m, m.Object.Name)))
		require.Equal(t, m.Object.SHA256, hex.EncodeToString(sum[:]))
	}
	if os.Getenv(envFull) == "" && !strings.HasSuffix(t.Name(), "/dump_fails_at_its_end") {
		return
	}
	data := d.sum(t)
	d.exec(t, "DROP TABLE `"+d.database+"`.nokey")
	_, err = d.store.Restore(t.Context(), s3backup.Select{ID: d.first.ID}, s3backup.Target{Replace: true})
	require.NoError(t, err)
	require.Equal(t, data, d.sum(t), "the earlier backup holds all of it")
}

// sum is a digest of the whole database, as its own dump program writes it.
func (p *place) sum(t *testing.T) string {
	sum := sha256.Sum256([]byte(p.dump(t)))
	return hex.EncodeToString(sum[:])
}

// program is a dump program that passes the real one's output through a shell pipeline.
func program(t *testing.T, pipeline string) string {
	name := filepath.Join(t.TempDir(), "dump")
	text := "#!/bin/bash\nset -o pipefail\n[ \"$1\" = --version ] && exec mariadb-dump --version\nmariadb-dump \"$@\" " + pipeline + "\n"
	require.NoError(t, os.WriteFile(name, []byte(text), 0o700))
	return name
}

func refusedBackups() []refusal {
	dump := func(pipeline string) func(*testing.T, *damaged) error {
		return func(t *testing.T, d *damaged) error {
			source := d.source
			source.Program = program(t, pipeline)
			_, err := d.store.Backup(t.Context(), source, s3backup.Options{})
			return err
		}
	}
	through := func(f func() faulty) func(*testing.T, *damaged) error {
		return func(t *testing.T, d *damaged) error {
			_, err := d.through(f()).Backup(t.Context(), d.source, s3backup.Options{})
			return err
		}
	}
	clock := func(off time.Duration) func() faulty {
		return func() faulty {
			return faulty{after: func(_ *http.Request, r *http.Response) {
				r.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			}}
		}
	}
	return []refusal{
		{name: "dump fails at its end", do: dump("; exit 3"), text: "exit status 3"},
		{name: "dump fails in its middle", do: dump("| head -c 300000; exit 2"), text: "exit status 2"},
		{name: "dump is truncated and says it went well", do: dump("| head -c 300000; exit 0"), want: s3backup.ErrTruncated},
		{name: "dump lacks only its trailer", do: dump("| head -n -1; exit 0"), want: s3backup.ErrTruncated},
		{name: "dump writes nothing", do: dump("> /dev/null; exit 0"), want: s3backup.ErrTruncated},
		{name: "dump shrank", do: shrink, want: s3backup.ErrShrank},
		{name: "database goes down in the middle", text: "Lost connection", do: func(t *testing.T, d *damaged) error {
			defer func() { require.NoError(t, exec.Command("systemctl", "start", "mariadb").Run()) }()
			return dump("| { head -c 300000; systemctl stop mariadb; cat; }")(t, d)
		}},
		{name: "database is down", want: s3backup.ErrServerDown, do: func(t *testing.T, d *damaged) error {
			_, err := d.store.Backup(t.Context(), s3backup.Dump{Server: s3backup.Server{Socket: "/run/nobody.sock"}}, s3backup.Options{})
			return err
		}},
		{name: "store is gone from the start", want: s3backup.ErrStoreDown, do: through(func() faulty { return gone(0, func(*http.Request) bool { return true }) })},
		{name: "store goes in the middle of an upload", want: s3backup.ErrStoreDown, do: through(func() faulty { return gone(1, isPart) })},
		{name: "store goes before the manifest", want: s3backup.ErrStoreDown, do: through(func() faulty {
			return gone(0, func(r *http.Request) bool {
				return strings.HasSuffix(r.URL.Path, "manifest.json") && r.Method == http.MethodPut
			})
		})},
		{name: "bucket is full", want: s3backup.ErrBucketFull, do: through(func() faulty {
			return faulty{before: func(r *http.Request) (*http.Response, error) {
				if !isPart(r) || r.URL.Query().Get("partNumber") != "2" {
					return nil, nil
				}
				_, err := io.Copy(io.Discard, r.Body)
				return answer(r, http.StatusForbidden, "QuotaExceeded"), err
			}}
		})},
		{name: "clock is an hour slow", want: s3backup.ErrClock, do: through(clock(time.Hour))},
		{name: "clock is an hour fast", want: s3backup.ErrClock, do: through(clock(-time.Hour))},
	}
}

func answer(r *http.Request, status int, code string) *http.Response {
	return &http.Response{
		StatusCode: status, Request: r, Header: http.Header{"Content-Type": {"application/xml"}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader("<Error><Code>" + code + "</Code><Message>as the test wants it</Message></Error>")),
	}
}

// shrink backs up only the smallest part.
func shrink(t *testing.T, d *damaged) error {
	d.exec(t, "RENAME TABLE `"+d.database+"`.big TO mysql.big")
	defer d.exec(t, "RENAME TABLE mysql.big TO `"+d.database+"`.big")
	_, err := d.store.Backup(t.Context(), d.source, s3backup.Options{})
	return err
}

// TestServerFaultsLeaveNothing: what a fault has left in the bucket, the next backup sweeps.
func TestServerFaultsLeaveNothing(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 100)
	p.exec(t, "CREATE TABLE `"+p.database+"`.big AS SELECT seq AS id, RANDOM_BYTES(1000) AS bytes FROM seq_1_to_18000")
	for _, f := range []faulty{gone(1, isPart), gone(0, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "manifest.json") })} {
		_, err := p.through(f).Backup(t.Context(), p.source, s3backup.Options{})
		require.ErrorIs(t, err, s3backup.ErrStoreDown)
		entries, err := p.store.List(t.Context())
		require.NoError(t, err)
		require.Empty(t, entries)
	}
	m, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{p.key(m, m.Object.Name), p.key(m, "manifest.json")}, p.keys(t))
	uploads, err := p.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &p.store.Bucket, Prefix: &p.store.Prefix})
	require.NoError(t, err)
	require.Empty(t, uploads.Uploads)
}

// keys lists all objects of the test's corner.
func (p *place) keys(t *testing.T) (keys []string) {
	list, err := p.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &p.store.Bucket, Prefix: &p.store.Prefix})
	require.NoError(t, err)
	require.False(t, aws.ToBool(list.IsTruncated))
	for _, o := range list.Contents {
		keys = append(keys, aws.ToString(o.Key))
	}
	return keys
}

func TestServerLocked(t *testing.T) {
	p := onServer(t)
	p.guestBook(t, 10)
	source := waiting{p.source, make(chan struct{}), make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := p.store.Backup(t.Context(), source, s3backup.Options{})
		done <- err
	}()
	<-source.begun
	_, err := p.store.Backup(t.Context(), p.source, s3backup.Options{})
	require.ErrorIs(t, err, s3backup.ErrLocked)
	close(source.goOn)
	require.NoError(t, <-done)
	entries, err := p.store.List(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 1, fmt.Sprint(entries))
}

// waiting is a source that begins when it is told to.
type waiting struct {
	s3backup.Dump
	begun, goOn chan struct{}
}

func (w waiting) Copy(ctx context.Context, to io.Writer) (s3backup.Facts, error) {
	close(w.begun)
	<-w.goOn
	return w.Dump.Copy(ctx, to)
}
