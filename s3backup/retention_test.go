package s3backup_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/s3backup"
)

func TestRetentionByTable(t *testing.T) {
	at := func(text string, verified bool) s3backup.Candidate {
		when, err := time.Parse("2006-01-02 15:04", text)
		require.NoError(t, err)
		return s3backup.Candidate{ID: text, At: when, Verified: verified}
	}
	keep := s3backup.Retention{Last: 2, Daily: 2, Monthly: 2}
	got := keep.Decide([]s3backup.Candidate{
		at("2026-11-03 12:10", true), at("2026-11-01 12:00", false), at("2026-11-02 09:00", true), at("2026-10-31 23:50", false),
		at("2026-11-03 12:00", true), at("2026-10-30 10:00", false), at("2026-11-03 11:50", false),
	})
	var text []string
	for _, d := range got {
		text = append(text, d.String())
	}
	require.Equal(t, []string{
		"delete backup 2026-10-30 10:00: fits no rule",
		"keep backup 2026-10-31 23:50: monthly 2026-10",
		"delete backup 2026-11-01 12:00: fits no rule",
		"keep backup 2026-11-02 09:00: daily 2026-11-02",
		"delete backup 2026-11-03 11:50: fits no rule",
		"keep backup 2026-11-03 12:00: last 2026-11-03 12:00",
		"keep backup 2026-11-03 12:10: the newest, last 2026-11-03 12:10, daily 2026-11-03, monthly 2026-11",
	}, text)
}

func TestRetentionSpares(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	candidates := []s3backup.Candidate{{ID: "a", At: day(1)}, {ID: "b", At: day(2)}, {ID: "c", At: day(3), Refuted: true, Verified: true}, {ID: "d", At: day(4), Damaged: true}}
	kept := func(r s3backup.Retention, more ...s3backup.Candidate) (ids string) {
		for _, d := range r.Decide(slices.Concat(candidates, more)) {
			if d.Keep {
				ids += d.ID
			}
		}
		return ids
	}
	require.Equal(t, "abcd", kept(s3backup.Retention{}), "no rule")
	require.Equal(t, "abcd", kept(s3backup.Retention{Unverified: true}), "no rule")
	require.Equal(t, "abcd", kept(s3backup.Retention{Last: 1}), "nothing is verified")
	require.Equal(t, "bcd", kept(s3backup.Retention{Last: 1, Unverified: true}), "the last good one stays, a damaged one is not touched, and a verdict costs none its place")
	require.Equal(t, "bde", kept(s3backup.Retention{Last: 1, Unverified: true}, s3backup.Candidate{ID: "e", At: day(5), Refuted: true}), "a refuted one without a place goes")
	require.Equal(t, "abcd", kept(s3backup.Retention{Last: 1}, s3backup.Candidate{ID: "e", At: day(5), Damaged: true, Ahead: true}), "nobody makes it but to do harm")
	require.Equal(t, "abcde", kept(s3backup.Retention{Last: 1}, s3backup.Candidate{ID: "e", At: day(5), Damaged: true, Late: true}))
	require.Equal(t, "abcde", kept(s3backup.Retention{}, s3backup.Candidate{ID: "e", At: day(5), Damaged: true, Ahead: true}), "no rule")
	candidates[1].Verified = true
	require.Equal(t, "bcd", kept(s3backup.Retention{Last: 1}))
}

// TestRetentionHolds draws lists and rules and checks what must hold for each.
func TestRetentionHolds(t *testing.T) {
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 4))
		candidates, rules := draw(random)
		label := fmt.Sprintf("seed %d: %+v", seed, rules)
		decisions := rules.Decide(candidates)
		require.Len(t, decisions, len(candidates), label)
		shuffled := slices.Clone(candidates)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, decisions, rules.Decide(shuffled), label+": the order does not matter")

		byID := map[string]s3backup.Candidate{}
		for _, c := range candidates {
			byID[c.ID] = c
		}
		var left []s3backup.Candidate
		proven, newestSeen := false, false
		for _, d := range slices.Backward(decisions) {
			c := byID[d.ID]
			usable := !c.Damaged && !c.Refuted
			require.NotEmpty(t, d.Reason, label)
			if !d.Keep {
				require.True(t, proven || rules.Unverified, label+": deleted behind one that was not verified")
				require.True(t, newestSeen || !usable, label+": deleted the last good one")
				require.False(t, c.Damaged, label)
				continue
			}
			left = append(left, c)
			newestSeen = newestSeen || usable
			proven = proven || usable && c.Verified
		}
		for _, d := range rules.Decide(left) {
			require.True(t, d.Keep, label+": deciding again deletes more: "+d.String())
		}
		checkPeriods(t, label, candidates, left, rules)
	}
}

func draw(random *rand.Rand) ([]s3backup.Candidate, s3backup.Retention) {
	at := time.Date(2024, 12, 28, 0, 0, 0, 0, time.UTC)
	var candidates []s3backup.Candidate
	steps := []time.Duration{10 * time.Minute, time.Hour, 11 * time.Hour, 26 * time.Hour, 20 * 24 * time.Hour}
	for i := range random.IntN(60) {
		at = at.Add(steps[random.IntN(len(steps))])
		candidates = append(candidates, s3backup.Candidate{
			ID: fmt.Sprintf("%04d", i), At: at, Damaged: random.IntN(12) == 0, Refuted: random.IntN(12) == 0, Verified: random.IntN(3) == 0,
		})
	}
	small := func() int { return max(0, random.IntN(8)-3) }
	return candidates, s3backup.Retention{
		Last: small(), Hourly: small(), Daily: small(), Weekly: small(), Monthly: small(), Yearly: small(),
		Within: time.Duration(small()) * 7 * time.Hour, Unverified: random.IntN(2) == 0,
	}
}

// checkPeriods: of each of the latest so many days that have usable backups, the last one is still there.
func checkPeriods(t *testing.T, label string, candidates, left []s3backup.Candidate, rules s3backup.Retention) {
	for layout, count := range map[string]int{"2006-01-02 15": rules.Hourly, "2006-01-02": rules.Daily, "2006-01": rules.Monthly, "2006": rules.Yearly} {
		seen := map[string]bool{}
		for _, c := range slices.Backward(candidates) {
			period := c.At.Format(layout)
			if c.Damaged || c.Refuted || seen[period] || len(seen) == count {
				continue
			}
			seen[period] = true
			require.True(t, slices.Contains(left, c), "%s: %s is gone, the last of %s", label, c.ID, period)
		}
	}
}

func TestRetentionReportsEveryMistake(t *testing.T) {
	err := s3backup.Retention{Last: -1, Weekly: -2, Within: -time.Hour}.Validate()
	require.EqualError(t, err, "s3backup: retention: last -1 is negative\ns3backup: retention: weekly -2 is negative\ns3backup: retention: within -1h0m0s is negative")
}

func ExampleRetention_Decide() {
	keep := s3backup.Retention{Last: 1, Daily: 2}
	day := func(n, hour int, verified bool) s3backup.Candidate {
		at := time.Date(2026, 11, n, hour, 0, 0, 0, time.UTC)
		return s3backup.Candidate{ID: at.Format("02T15"), At: at, Verified: verified}
	}
	for _, d := range keep.Decide([]s3backup.Candidate{day(21, 4, true), day(22, 4, true), day(23, 4, true), day(23, 12, false)}) {
		fmt.Println(d)
	}
	// Output:
	// delete backup 21T04: fits no rule
	// keep backup 22T04: daily 2026-11-22
	// keep backup 23T04: no newer backup is verified
	// keep backup 23T12: the newest, last 23T12, daily 2026-11-23
}
