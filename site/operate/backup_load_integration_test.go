//go:build integration

package operate_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site/operate"
)

// writers are visitors who sign the guest book again and again.
type writers struct {
	mu     sync.Mutex
	took   []time.Duration // of each entry
	failed []string
}

// write lets some visitors sign until ctx ends, each as soon as a fixed time after the last entry was begun.
func (w *writers) write(ctx context.Context, t *testing.T, base string, visitors int, interval time.Duration) (wait func()) {
	var all sync.WaitGroup
	for i := range visitors {
		v := newVisitor(t, base)
		page := v.get(t, "/").body
		token := formToken.FindStringSubmatch(page)
		require.Len(t, token, 2)
		all.Go(func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				w.note(v.post(token[1], fmt.Sprintf("visitor %d", i), fmt.Sprintf("entry %d", n)))
				select {
				case <-ctx.Done():
				case <-ticker.C:
				}
			}
		})
	}
	return all.Wait
}

func (w *writers) note(took time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = append(w.took, took)
	if err != nil {
		w.failed = append(w.failed, err.Error())
	}
}

func (w *writers) percentile(p float64) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	sorted := slices.Sorted(slices.Values(w.took))
	return sorted[int(p*float64(len(sorted)-1))]
}

// post signs with a form's token and does not end the test where it fails.
func (v *visitor) post(token, name, message string) (time.Duration, error) {
	form := url.Values{"authenticity_token": {token}, "entry[name]": {name}, "entry[message]": {message}}
	begun := time.Now()
	resp, err := v.client.Post(v.base.JoinPath("entries").String(), "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		return time.Since(begun), err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusSeeOther {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return time.Since(begun), err
}

// underLoad makes backups one after the other while visitors write. No request fails, and each backup holds as many
// entries as its own total says.
func underLoad(t *testing.T, o operate.Operator, base string) {
	backups, quiet := 4, 5*time.Second
	if localtest.Full() {
		backups, quiet = 20, 60*time.Second
	}
	before, during := &writers{}, &writers{}
	ctx, stop := context.WithTimeout(t.Context(), quiet)
	before.write(ctx, t, base, 4, 200*time.Millisecond)()
	stop()
	ctx, stop = context.WithCancel(t.Context())
	wait := during.write(ctx, t, base, 4, 200*time.Millisecond)
	var made []s3backup.Manifest
	for range backups {
		m, err := o.BackupNow(t.Context(), operate.BackupOptions{})
		require.NoError(t, err)
		made = append(made, m)
	}
	stop()
	wait()
	t.Logf("%d entries without backups: p50 %s, p99 %s; %d entries during %d backups: p50 %s, p99 %s", len(before.took),
		before.percentile(0.5), before.percentile(0.99), len(during.took), backups, during.percentile(0.5), during.percentile(0.99))
	require.Empty(t, before.failed)
	require.Empty(t, during.failed)
	consistent(t, o, made)
}

var total = regexp.MustCompile("(?s)INSERT INTO `totals` VALUES\\s*\\(1,(\\d+)\\)")

// consistent compares the two tables that every transaction of the guest book keeps equal.
func consistent(t *testing.T, o operate.Operator, made []s3backup.Manifest) {
	store, err := o.BackupStore(t.Context())
	require.NoError(t, err)
	grown := false
	for i, m := range made {
		content, _, err := store.Open(t.Context(), s3backup.Select{ID: m.ID})
		require.NoError(t, err)
		sql, err := io.ReadAll(content)
		require.NoError(t, err)
		require.NoError(t, content.Close())
		found := total.FindSubmatch(sql)
		require.Len(t, found, 2)
		j := slices.IndexFunc(m.Tables, func(table s3backup.Table) bool { return table.Name == "entries" })
		require.Equal(t, fmt.Sprint(m.Tables[j].Rows), string(found[1]), "backup %s", m.ID)
		grown = grown || i > 0 && m.Tables[j].Rows > made[i-1].Tables[j].Rows
	}
	require.True(t, grown, "somebody wrote meanwhile")
}
