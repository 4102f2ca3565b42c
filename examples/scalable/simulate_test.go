package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

// record writes two days of a small site in intervals of so many seconds.
func record(t *testing.T, interval int) string {
	t.Helper()
	var csv bytes.Buffer
	fmt.Fprintln(&csv, "unix,requests")
	for at := 0; at < 2*86400; at += interval {
		fmt.Fprintf(&csv, "%d,%.0f\n", 1772409600+at, float64(interval)*20*(1.2-math.Cos(2*math.Pi*float64(at)/86400)))
	}
	path := filepath.Join(t.TempDir(), "site.csv")
	require.NoError(t, os.WriteFile(path, csv.Bytes(), 0o600))
	return path
}

func TestSimulatePrintsJSON(t *testing.T) {
	for _, interval := range []int{1, 10, 300, 3600} {
		var out bytes.Buffer
		require.NoError(t, simulate([]string{"-trace", record(t, interval), "-boot", "60s,120s", "-seeds", "2", "-policy", "lead,kpa", "-json"}, &out, io.Discard))
		var rows []map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &rows))
		require.Len(t, rows, 2*2*2)
		require.Equal(t, []string{"actions_per_day", "boot", "cost", "j", "policy", "seed", "trace", "violations_percent"}, slices.Sorted(maps.Keys(rows[0])))
		require.Equal(t, []any{"lead", "site", "60s", 1.0}, []any{rows[0]["policy"], rows[0]["trace"], rows[0]["boot"], rows[0]["seed"]})
		for _, r := range rows {
			require.InDelta(t, r["j"], r["cost"].(float64)+r["violations_percent"].(float64), 1e-9)
			require.Less(t, r["j"], 2.0, "%v", r)
		}
	}
}

func TestSimulatePrintsAndDraws(t *testing.T) {
	folder := t.TempDir()
	var out bytes.Buffer
	require.NoError(t, simulate([]string{"-seeds", "1", "-plots", folder, "-trace", record(t, 60), record(t, 300), "-smooth", "3"}, &out, io.Discard))
	require.Contains(t, out.String(), "site: 2.0 days in steps of 1m0s, smoothed over 3 samples on each side, 1.0 days scored\n")
	require.Contains(t, out.String(), "site: 2.0 days in steps of 5m0s, smoothed over 3 samples on each side, 1.0 days scored\n")
	require.Regexp(t, `J at 60s +J at 120s +J at 180s`, out.String())
	for _, policy := range []string{"lead", "hpa-cpu", "hpa-requests", "target-tracking-cpu", "target-tracking-requests", "predictive", "kpa", "peak-hold", "voting", "delayed-off"} {
		require.Regexp(t, `(?m)^ *`+policy+` +\d\.\d{3} `, out.String())
	}
	svg, err := os.ReadFile(filepath.Join(folder, "simulate-site.svg"))
	require.NoError(t, err)
	require.Contains(t, string(svg), "site under lead")
}

func TestWhatIf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	file, err := os.Create(path)
	require.NoError(t, err)
	log := &autoscale.Log{Policy: autoscale.Track{Target: 0.5}, To: file}
	autoscaletest.At("09:00", 500).Ramp("30m", 1500).Stay("30m").Play(log)
	require.NoError(t, errors.Join(log.Err(), file.Close()))
	var out bytes.Buffer
	require.NoError(t, whatIf([]string{"-policy", "track", path}, &out, io.Discard))
	require.Regexp(t, `(?s)^was .* server hours.*\nwould .* server hours.* decisions differ\n  2026-03-02 08:00:10\n`, out.String())
	require.ErrorContains(t, whatIf([]string{path, path}, io.Discard, io.Discard), "2 logs")
	require.NoError(t, os.WriteFile(path, []byte("{}\nnonsense\n"), 0o600))
	require.ErrorContains(t, whatIf([]string{path}, io.Discard, io.Discard), path+": autoscale: read log: line 2")
}

func TestSimulateSaysWhatIsWrong(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.csv")
	require.NoError(t, os.WriteFile(bad, []byte("unix,requests\n600,10\n660,ten\n"), 0o600))
	for want, args := range map[string][]string{
		bad + `": line 3: "660,ten" is not unix,requests`: {"-trace", bad},
		`none.csv`:                 {"-trace", "none.csv"},
		`-boot "2x" is not a time`: {"-boot", "2x"},
		`-seeds 0: at least 1`:     {"-seeds", "0"},
		`-policy "best": there are lead, track, step, hpa-cpu`: {"-policy", "best"},
	} {
		require.ErrorContains(t, simulate(args, io.Discard, io.Discard), want)
	}
}
