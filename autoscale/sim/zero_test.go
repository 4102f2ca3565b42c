package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// TestZeroOptionsReplayWhatWasRecorded: rescaling and smoothing are asked for.
func TestZeroOptionsReplayWhatWasRecorded(t *testing.T) {
	day := flat(50, 24*time.Hour)
	day.Requests[700] = 3 * day.Requests[700] // a peak that smoothing would spread
	l := sim.Prepare(day, sim.Options{})
	require.Equal(t, day.Requests, l.Trace.Requests)
	r := l.Run(autoscale.Lead{})
	require.InEpsilon(t, 50*12*3600, r.Requests, 0.01, "the second half of a day is scored")

	scaled := sim.Prepare(day, sim.Options{Peak: 20})
	require.InDelta(t, 1800, scaled.Trace.Scale(1800).Requests[10]/day.Interval.Seconds(), 100)
	require.Greater(t, scaled.Trace.Requests[10], 30*day.Requests[10])
	require.Equal(t, l.Trace, sim.Prepare(day, sim.Options{Peak: -1, HalfWidth: -1}).Trace)
}
