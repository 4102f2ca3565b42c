package autoscale_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
)

func TestRuleIsHalfOpen(t *testing.T) {
	day := autoscale.Rule{From: autoscale.At(9, 0), To: autoscale.At(18, 0)}
	night := autoscale.Rule{From: autoscale.At(22, 0), To: autoscale.At(6, 0), Days: []time.Weekday{time.Friday}}
	whole := autoscale.Rule{Days: []time.Weekday{time.Sunday}}
	at := func(s string) time.Time {
		out, err := time.Parse("Mon 2006-01-02 15:04:05", s)
		require.NoError(t, err)
		return out
	}
	for when, want := range map[string][3]bool{
		"Thu 2026-03-05 08:59:59": {false, false, false},
		"Thu 2026-03-05 09:00:00": {true, false, false},
		"Thu 2026-03-05 17:59:59": {true, false, false},
		"Thu 2026-03-05 18:00:00": {false, false, false},
		"Fri 2026-03-06 05:00:00": {false, false, false},
		"Fri 2026-03-06 22:00:00": {false, true, false},
		"Sat 2026-03-07 05:59:59": {false, true, false},
		"Sat 2026-03-07 06:00:00": {false, false, false},
		"Sat 2026-03-07 23:00:00": {false, false, false},
		"Sun 2026-03-08 00:00:00": {false, false, true},
		"Mon 2026-03-09 00:00:00": {false, false, false},
	} {
		got := [3]bool{day.Active(at(when)), night.Active(at(when)), whole.Active(at(when))}
		require.Equal(t, want, got, when)
	}
}

func TestRuleFollowsTheClockOverDST(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	night := autoscale.Rule{From: autoscale.At(2, 0), To: autoscale.At(4, 0)}
	active := func(day time.Time) time.Duration {
		sum := time.Duration(0)
		for at := day; at.Before(day.Add(12 * time.Hour)); at = at.Add(time.Minute) {
			if night.Active(at.In(berlin)) {
				sum += time.Minute
			}
		}
		return sum
	}
	require.Equal(t, 2*time.Hour, active(time.Date(2026, 3, 28, 0, 0, 0, 0, berlin)))
	require.Equal(t, time.Hour, active(time.Date(2026, 3, 29, 0, 0, 0, 0, berlin)), "the clock goes from 2 to 3")
	require.Equal(t, 3*time.Hour, active(time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)), "the clock shows 2 to 3 twice")
}

func want(n int) autoscale.Policy {
	return autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		return autoscale.Decision{Target: n, Reasons: []autoscale.Reason{{Target: n, Code: "want", Text: "wanted"}}}
	})
}

func TestScheduleFloorsAreReadyInTime(t *testing.T) {
	p := autoscale.Schedule{Policy: want(3), Rules: []autoscale.Rule{
		{From: autoscale.At(9, 0), To: autoscale.At(18, 0), Floor: 6},
		{From: autoscale.At(8, 0), To: autoscale.At(20, 0), Ceiling: 8},
		{From: autoscale.At(1, 0), To: autoscale.At(2, 0), Empty: true},
	}}
	v := autoscale.View{Array: autoscale.Array{Max: 20}, Boot: autoscale.Estimate[time.Duration]{Mean: 2 * time.Minute}}
	target := func(hour, minute int) int {
		v.Now = time.Date(2026, 3, 2, hour, minute, 0, 0, time.UTC)
		return p.Decide(v).Target
	}
	require.Equal(t, 3, target(8, 57))
	require.Equal(t, 6, target(8, 58), "one boot time ahead")
	require.Equal(t, 6, target(17, 59))
	require.Equal(t, 3, target(18, 0))
	require.Equal(t, 0, target(1, 30))
	p.Policy = want(12)
	require.Equal(t, 8, target(12, 0))
	require.Equal(t, 12, target(21, 0))
	d := p.Decide(v)
	require.Equal(t, "12 is within the floors and ceilings that hold now", d.Reasons[len(d.Reasons)-1].String())
}
