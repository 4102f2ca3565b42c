package autoscaletest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

func TestBundledPoliciesConform(t *testing.T) {
	night := []autoscale.Rule{{Name: "night", To: autoscale.At(1, 0), Floor: 2}}
	for name, p := range map[string]autoscale.Policy{
		"lead":          autoscale.Lead{},
		"track":         autoscale.Track{},
		"step":          autoscale.Step{},
		"vote":          autoscale.Vote{},
		"schedule":      autoscale.Schedule{Rules: night},
		"max":           autoscale.Max{autoscale.Lead{}, autoscale.Track{}},
		"guard":         autoscale.Guard{},
		"guarded track": autoscale.Guard{Policy: autoscale.Track{}},
		"hold":          autoscale.Hold{},
		"held step":     autoscale.Hold{Policy: autoscale.Step{}, For: 20 * time.Minute},
		"shadow":        autoscale.Shadow{Acting: autoscale.Lead{}, Trial: autoscale.Track{}},
		"all of them": autoscale.Guard{Policy: autoscale.Schedule{Zone: time.FixedZone("CET", 3600), Rules: night,
			Policy: autoscale.Max{autoscale.Shadow{Acting: autoscale.Lead{}, Trial: autoscale.Step{}}, autoscale.Vote{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			autoscaletest.Conform(t, p)
		})
	}
}

// proportional is a policy that keeps servers at 70 %, without any thought of what may be wrong.
func proportional(v autoscale.View) autoscale.Decision {
	demand, _, ok := v.Demand()
	if !ok || !v.Fresh(time.Minute) {
		return v.Stay("unknown", "nothing is known")
	}
	peak, _ := v.Peak(20 * time.Minute)
	return v.To(v.Servers(max(peak, demand), 0.7), "proportional", "{demand} req/s", autoscale.Num("demand", demand))
}

// TestConformCatches has a wrong policy for each rule.
func TestConformCatches(t *testing.T) {
	require.NoError(t, autoscaletest.Check(autoscale.PolicyFunc(proportional)))
	asked := 0
	for rule, bad := range map[string]func(v autoscale.View, d autoscale.Decision) autoscale.Decision{
		"the same view gives the same decision": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			d.Target += rand.IntN(5)
			return d
		},
		"the view is untouched": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			if asked++; len(v.Window) > 0 {
				v.Window[len(v.Window)-1].Queue = float64(asked)
			}
			return d
		},
		"memory survives as JSON": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			type hidden struct{ asked int }
			m, _ := autoscale.Recall[hidden](v.Memory)
			d.Memory = autoscale.Remember(hidden{m.asked + 1})
			d.Target += m.asked % 2
			return d
		},
		"decisions make sense": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			d.Reasons = []autoscale.Reason{{Target: d.Target, Code: "proportional", Text: "{reqs} req/s"}}
			return d
		},
		"more demand never asks for fewer": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			if demand, _, _ := v.Demand(); demand > 2500 {
				return v.To(5, "alarm", "it cannot be true")
			}
			return d
		},
		"nothing is taken away without knowledge": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			demand, _, _ := v.Demand()
			return v.To(v.Servers(demand, 0.7), "trusting", "whenever that was")
		},
		"five times the demand is answered at once": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			mean, _ := v.Mean(10 * time.Minute)
			if d.Target > v.Array.Size() {
				return v.To(max(v.Array.Size(), v.Servers(mean, 1)), "slow", "after ten minutes")
			}
			return d
		},
		"constant demand is calm": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			d.Target += v.Now.Minute() / 5 % 2
			return d
		},
		"lost memory keeps the size": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			if n, _ := autoscale.Recall[int](v.Memory); n < 30 {
				d.Target += 3
			}
			n, _ := autoscale.Recall[int](v.Memory)
			d.Memory = autoscale.Remember(n + 1)
			return d
		},
		"nothing stays nothing": func(v autoscale.View, d autoscale.Decision) autoscale.Decision {
			d.Target = max(d.Target, 1)
			return d
		},
	} {
		t.Run(rule, func(t *testing.T) {
			err := autoscaletest.Check(autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision { return bad(v, proportional(v)) }))
			require.ErrorContains(t, err, "autoscaletest: "+rule+": ")
		})
	}
}

func TestStory(t *testing.T) {
	turns := autoscaletest.At("09:00", 500).Ramp("10m", 2000).Outage("5m").Play(autoscale.Track{})
	require.Len(t, turns, 75*6, "the hour before nine, and fifteen minutes")
	var seen []string
	for _, turn := range turns[59*6:] {
		if demand, age, _ := turn.View.Demand(); turn.View.Now.Second() == 0 {
			seen = append(seen, fmt.Sprintf("%s %.0f@%s", turn.View.Now.Format("15:04"), demand, age))
		}
	}
	require.Equal(t, "09:00 500@0s", seen[0])
	require.Equal(t, "09:05 1250@0s", seen[5])
	require.Equal(t, "09:10 2000@0s", seen[10])
	require.Equal(t, "09:15 2000@5m0s", seen[15])
	require.Equal(t, 28, autoscaletest.Largest(turns))
	last := turns[len(turns)-1].View
	require.Equal(t, 28, last.Array.Ready())
	text, err := json.Marshal(last)
	require.NoError(t, err)
	require.False(t, strings.Contains(string(text), "NaN"))
	require.Panics(t, func() { autoscaletest.At("nine", 500) })
	require.Panics(t, func() { autoscaletest.At("09:00", 500).Stay("-1m") })
}
