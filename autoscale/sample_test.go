package autoscale_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
)

// TestAnUnmeasuredMetricStaysUnmeasured: a decision is the same when it is replayed from a log.
func TestAnUnmeasuredMetricStaysUnmeasured(t *testing.T) {
	s := autoscale.Unmeasured(noon)
	s.Metrics = map[string]float64{"jobs": math.NaN(), "mails": 0, "seats": 3.5, "endless": math.Inf(1)}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"At":"2026-03-02T12:00:00Z","Demand":null,"Metrics":{"endless":null,"jobs":null,"mails":0,"seats":3.5}}`, string(text))
	var back autoscale.Sample
	require.NoError(t, json.Unmarshal(text, &back))
	require.Len(t, back.Metrics, 4)
	for name, want := range map[string]float64{"mails": 0, "seats": 3.5} {
		require.Equal(t, want, back.Metric(name))
	}
	for _, name := range []string{"jobs", "endless", "never heard of"} {
		require.True(t, math.IsNaN(back.Metric(name)), name)
	}
	require.True(t, math.IsNaN(autoscale.Sample{}.Metric("jobs")))

	jobs := autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		n, ok := v.MeanOf(time.Minute, func(s autoscale.Sample) float64 { return s.Metric("jobs") })
		if !ok {
			return v.Stay("unknown", "nobody knows how many jobs wait")
		}
		return v.To(v.Servers(n, 1), "jobs", "{jobs} jobs wait", autoscale.Num("jobs", n))
	})
	require.Equal(t, jobs.Decide(two(s)).String(), jobs.Decide(two(back)).String())
	require.Equal(t, 2, jobs.Decide(two(back)).Target)
}
