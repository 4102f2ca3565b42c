package sim_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

var lead = []sim.Named{{Name: "lead", Policy: autoscale.Lead{}}}

// TestAim holds the default policy to its figures. With SITEBLOCKS_FULL=1 it replays whole traces with five seeds, and those in the folder SITEBLOCKS_TRACES
// too; without, parts of them.
func TestAim(t *testing.T) {
	recorded, err := sim.Recorded()
	require.NoError(t, err)
	if os.Getenv("SITEBLOCKS_FULL") == "" {
		nasa, cup := recorded[0].Slice(0, 8*24*time.Hour), recorded[1].Slice(45*24*time.Hour, 53*24*time.Hour)
		traces := []sim.Trace{nasa, cup, sim.Synthetic(1)[1].Slice(0, 8*24*time.Hour)}
		rows := sim.Compare(sim.Study{Traces: traces, Policies: lead, Boots: []time.Duration{2 * time.Minute}, Seeds: 1, Options: sim.Options{Peak: 20}})
		for i, most := range []float64{1.55, 1.30, 1.60} {
			require.Less(t, rows[i].J, most, "%+v", rows[i])
			require.Less(t, rows[i].Violations, 0.4)
		}
		return
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv("SITEBLOCKS_TRACES"), "*.csv"))
	require.NoError(t, err)
	for _, file := range files {
		tr, err := sim.ReadFile(file, 0)
		require.NoError(t, err)
		if !slices.ContainsFunc(recorded, func(r sim.Trace) bool { return r.Name == tr.Name }) {
			recorded = append(recorded, tr)
		}
	}
	study := sim.Study{Traces: recorded, Policies: lead, Options: sim.Options{Peak: 20}}
	report := func(name string, s sim.Study) (j, cost, violations, worst, actions float64) {
		rows := sim.Compare(s)
		var table bytes.Buffer
		require.NoError(t, sim.Table(&table, rows))
		for _, r := range rows {
			n := float64(len(rows))
			j, cost, violations, actions = j+r.J/n, cost+r.Cost/n, violations+r.Violations/n, actions+r.Actions/n
			worst = max(worst, r.Violations)
		}
		t.Logf("%s\n%s", name, &table)
		return j, cost, violations, worst, actions
	}
	j, _, _, _, _ := report("boot times of 60, 120 and 180 s", study)
	require.LessOrEqual(t, j, 1.30)

	study.Boots = []time.Duration{2 * time.Minute}
	_, cost, violations, worst, actions := report("120 s", study)
	require.LessOrEqual(t, violations, 0.10)
	require.LessOrEqual(t, worst, 0.25)
	require.LessOrEqual(t, cost, 1.25)
	require.LessOrEqual(t, actions, 120.0)

	late := study
	late.Boots, late.Options.Faults.Lag = nil, time.Minute
	j, _, _, _, _ = report("metrics a minute late", late)
	require.LessOrEqual(t, j, 1.42)

	slow := study
	slow.Boots = []time.Duration{15 * time.Minute}
	j, _, _, _, _ = report("boot time of 900 s", slow)
	require.LessOrEqual(t, j, 2.0)

	for seed := range uint64(3) {
		held := sim.Study{Traces: sim.Synthetic(seed + 1), Policies: lead, Seeds: 2, Options: sim.Options{Peak: 20}}
		report("made-up sites", held)
	}
}
