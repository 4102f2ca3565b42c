package s3backup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatusIsJudged(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 25, 8, minute, 0, 0, time.UTC) }
	backup := func(minute int, verdict *Verdict) Entry {
		return Entry{ID: at(minute).Format("1504"), At: at(minute), Verdict: verdict, Manifest: Manifest{
			Started: at(minute), Finished: at(minute).Add(3 * time.Second), Object: Object{Bytes: 100},
		}}
	}
	store := Store{}
	good, bad := &Verdict{OK: true, At: at(1)}, &Verdict{At: at(11), Problems: []string{"table a.b is missing"}}

	st := store.judge(nil, at(0))
	require.Equal(t, Status{Warnings: []string{"there is no backup"}}, st)

	entries := []Entry{backup(0, good), backup(10, nil)}
	st = store.judge(entries, at(29))
	require.Equal(t, "0810", st.Last.ID)
	require.Equal(t, "0800", st.Verified.ID)
	require.Equal(t, 19*time.Minute, st.Age)
	require.Equal(t, 3*time.Second, st.Took)
	require.EqualValues(t, 200, st.Bytes)
	require.Empty(t, st.Warnings, "one slot is missed: it may be on its way")

	require.Equal(t, []string{"the last backup is 20m0s old: 2 of one every 10m0s are missing"}, store.judge(entries, at(30)).Warnings)

	st = store.judge([]Entry{backup(0, good), backup(10, bad)}, at(12))
	require.Equal(t, "0800", st.Last.ID)
	require.Equal(t, []string{"backup 0810 could not be restored: [table a.b is missing]"}, st.Warnings)

	store.Every = 24 * time.Hour
	require.Equal(t, []string{"no backup was verified within the last 48h0m0s"}, store.judge([]Entry{backup(0, nil)}, at(1).Add(48*time.Hour)).Warnings[:1])
}
