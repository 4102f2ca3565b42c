package sim_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// days is a made-up site: nights and days, with a wave of 40 minutes on top.
func days(n int) sim.Trace {
	t := trace(time.Minute)
	for i := range n * 1440 {
		hour := float64(i) / 60
		t.Requests = append(t.Requests, 60000*(1-0.8*math.Cos(2*math.Pi*(hour-4)/24)+0.15*math.Sin(2*math.Pi*hour/0.66)))
	}
	return t
}

func TestCompareIsInOrderAndRepeats(t *testing.T) {
	study := sim.Study{Traces: []sim.Trace{days(2)}, Boots: []time.Duration{time.Minute, 3 * time.Minute}, Seeds: 2, Policies: []sim.Named{{"track", autoscale.Track{}}, {"hpa-cpu", sim.HPA{}}}, Options: sim.Options{Peak: 20}}
	rows := sim.Compare(study)
	require.Len(t, rows, 8)
	study.Workers = 1
	require.Equal(t, rows, sim.Compare(study), "the order of work does not matter")
	text, err := json.Marshal(rows[5])
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, "hpa-cpu", got["policy"])
	require.Equal(t, "test", got["trace"])
	require.Equal(t, "180s", got["boot"])
	require.Equal(t, 1.0, got["seed"])
	require.InDelta(t, got["j"], got["cost"].(float64)+got["violations_percent"].(float64), 1e-9)
	require.Contains(t, got, "actions_per_day")

	var table bytes.Buffer
	require.NoError(t, sim.Table(&table, rows))
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[0], "J at 180s")
	var name string
	var first, second float64
	_, err = fmt.Sscan(lines[1], &name, &first)
	require.NoError(t, err)
	_, err = fmt.Sscan(lines[2], &name, &second)
	require.NoError(t, err)
	require.Less(t, first, second, "best first")
}

func TestFrontierTradesCostForSafety(t *testing.T) {
	study := sim.Study{Traces: []sim.Trace{days(2)}, Boots: []time.Duration{2 * time.Minute}, Seeds: 1, Options: sim.Options{Peak: 20}}
	track := sim.Family{Name: "track", Settings: []float64{0.6, 0.8, 0.9, 1}, Make: func(target float64) autoscale.Policy { return autoscale.Track{Target: target} }}
	points := sim.Frontier(study, []float64{5, 0.1, -1}, track)
	require.Len(t, points, 3)
	require.Greater(t, points[0].Setting, points[1].Setting)
	require.Less(t, points[0].Cost, points[1].Cost)
	require.LessOrEqual(t, points[1].Violations, 0.1)
	require.True(t, math.IsNaN(points[2].Setting), "nothing is safer than safe")
}

func TestElasticity(t *testing.T) {
	perfect := sim.Run(flat(250, time.Hour), autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision { return v.To(2, "", "") }), sim.Options{Peak: -1, HalfWidth: -1, Warmup: 10 * time.Minute, Max: 9})
	require.Equal(t, sim.Elasticity{}, perfect.Elasticity())
	over := sim.Run(flat(250, time.Hour), script{{0, 5}}, sim.Options{Peak: -1, HalfWidth: -1, Warmup: 10 * time.Minute, Max: 9})
	require.InDelta(t, 100, over.Elasticity().OverAccuracy, 1e-9, "six servers, three are needed")
	require.InDelta(t, 100, over.Elasticity().OverTimeshare, 1e-9)
	under := sim.Run(flat(250, time.Hour), script{{30 * time.Minute, 1}}, sim.Options{Peak: -1, HalfWidth: -1, Warmup: 10 * time.Minute, Max: 9, Boot: time.Minute})
	e := under.Elasticity()
	require.InDelta(t, 100, e.UnderTimeshare, 1e-9)
	require.InDelta(t, (21*200./3+29*100./3)/50, e.UnderAccuracy, 0.2, "two missing for 21 minutes, one for 29")
	require.InDelta(t, 100./300, e.Instability, 1e-9, "one step in which supply moved and demand did not")
}

func TestWorstQuartersSayWhy(t *testing.T) {
	tr := flat(80, 4*time.Hour)
	for i := 120; i < 135; i++ {
		tr.Requests[i] = 60 * 900
	}
	r := sim.Run(tr, autoscale.Track{}, plain)
	worst := r.Worst(5)
	require.Equal(t, tr.Start.Add(2*time.Hour), worst[0].At)
	require.Greater(t, worst[0].Violated, 50000.0)
	require.Contains(t, worst[0].Reasons[0].String(), "req/s")
	require.Empty(t, sim.Run(flat(20, time.Hour), autoscale.Track{}, plain).Worst(5))
}

func TestPlotIsAPicture(t *testing.T) {
	r := sim.Run(days(3), autoscale.Track{}, sim.Options{Peak: 20})
	var svg bytes.Buffer
	require.NoError(t, sim.Plot{Title: "<days & nights>"}.SVG(&svg, r))
	paths := 0
	for d := xml.NewDecoder(bytes.NewReader(svg.Bytes())); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
		}
	}
	require.Greater(t, paths, 30)
	require.Contains(t, svg.String(), "&lt;days &amp; nights&gt;")
	require.NotContains(t, svg.String(), "NaN")
	require.Less(t, svg.Len(), 400_000)
}

func TestWhatIf(t *testing.T) {
	var file bytes.Buffer
	log := &autoscale.Log{Policy: autoscale.Track{}, To: &file}
	was := sim.Run(days(1).Slice(3*time.Hour, 9*time.Hour), log, sim.Options{Peak: 20, Warmup: -1, HalfWidth: -1})
	records, err := autoscale.ReadLog(&file)
	require.NoError(t, err)

	same, err := sim.Replay(records, autoscale.Track{}, sim.Options{})
	require.NoError(t, err)
	require.Empty(t, same.Differs)
	require.Equal(t, len(records), same.Decisions)
	require.InEpsilon(t, was.ServerHours, same.Was.ServerHours, 1e-3, "the replay costs what it cost")
	require.InDelta(t, was.Violations(), same.Was.Violations(), 0.02)
	require.InEpsilon(t, same.Was.ServerHours, same.Would.ServerHours, 1e-3)

	tight, err := sim.Replay(records, autoscale.Track{Target: 0.95}, sim.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, tight.Differs)
	require.Less(t, tight.Differs[0].Would.Target, tight.Differs[0].Was.Target)
	require.Less(t, tight.Would.ServerHours, tight.Was.ServerHours)
	require.Greater(t, tight.Would.Violations(), tight.Was.Violations())

	_, err = sim.Replay(records[:1], autoscale.Track{}, sim.Options{})
	require.Error(t, err)
}

func TestRecordedTraces(t *testing.T) {
	all, err := sim.Recorded()
	require.NoError(t, err)
	require.Len(t, all, 2)
	for i, want := range []struct {
		name  string
		half  int
		days  float64
		first int64
	}{{"nasa-jul95", 4, 27.6, 804571200}, {"worldcup98", 0, 87, 893971800}} {
		require.Equal(t, want.name, all[i].Name)
		require.Equal(t, want.half, all[i].HalfWidth())
		require.InDelta(t, want.days, all[i].Duration().Hours()/24, 0.05)
		require.Equal(t, want.first, all[i].Start.Unix())
		require.Equal(t, time.Minute, all[i].Interval)
	}
}
