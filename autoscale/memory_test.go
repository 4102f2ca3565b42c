package autoscale_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

func TestMemorySurvivesAsJSON(t *testing.T) {
	type notes struct{ Seen []int }
	m := autoscale.Remember(notes{[]int{1, 2}})
	text, err := json.Marshal(struct{ Memory autoscale.Memory }{m})
	require.NoError(t, err)
	require.Equal(t, `{"Memory":{"Seen":[1,2]}}`, string(text))
	var back struct{ Memory autoscale.Memory }
	require.NoError(t, json.Unmarshal(text, &back))
	got, ok := autoscale.Recall[notes](back.Memory)
	require.True(t, ok)
	require.Equal(t, notes{[]int{1, 2}}, got)
	_, ok = autoscale.Recall[[]string](back.Memory)
	require.False(t, ok, "made by another policy")
	_, ok = autoscale.Recall[notes](autoscale.Memory{})
	require.False(t, ok)
	require.True(t, autoscale.Memory{}.Empty())
}

func TestEstimateLearnsMeanAndSpread(t *testing.T) {
	e := autoscale.Estimate[time.Duration]{Mean: time.Hour} // a person's guess
	for i := range 400 {
		e = e.Learn(time.Duration(100+20*(i%2)) * time.Second)
	}
	require.InDelta(t, 110, e.Mean.Seconds(), 2)
	require.InDelta(t, 10, e.Spread.Seconds(), 2)
	require.Equal(t, 400, e.N)
}

func TestCapacityIsLearnedFromBusyServers(t *testing.T) {
	e := autoscale.Estimate[float64]{Mean: 30}
	learn := func(demand, busy, queue, serving float64) autoscale.Estimate[float64] {
		return autoscale.LearnCapacity(e, autoscale.Sample{Demand: demand, Busy: busy, Queue: queue}, serving)
	}
	require.InDelta(t, 80, learn(200, 0.5, 0, 5).Mean, 1e-9)
	require.Equal(t, e, learn(3, 0.01, 0, 5), "hardly busy")
	require.Equal(t, e, learn(500, 1, 0, 5), "all busy: who knows what else they could")
	require.Equal(t, e, learn(400, 0.9, 12, 5), "requests wait")
	require.Equal(t, e, learn(math.NaN(), 0.5, 0, 5))
	require.Equal(t, e, learn(200, 0.5, 0, 0))
}

func TestHoldShrinksToTheMostOfTheLastMinutes(t *testing.T) {
	direct := autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		demand, _, _ := v.Demand()
		return v.To(v.Servers(demand, 1), "direct", "{demand} req/s", autoscale.Num("demand", demand))
	})
	turns := autoscaletest.At("09:00", 700).Servers(6).Stay("5m").Jump(300).Stay("4m").Jump(500).Stay("4m").Jump(300).Stay("20m").
		Play(autoscale.Hold{Policy: direct, For: 10 * time.Minute})
	var seen []string
	for _, turn := range turns {
		if turn.Decision.Target != turn.View.Array.Size() {
			seen = append(seen, turn.View.Now.Format("15:04:05 ")+turn.Decision.String())
		}
	}
	require.Equal(t, []string{
		"09:15:00 4 servers: 2 would do, 4 are held for 10 minutes",
		"09:23:00 2 servers: 2 is the most of the last 10 minutes",
	}, seen)
}

// TestRareSamplesAreOfUse has samples every five minutes, as a cloud's basic monitoring gives them.
func TestRareSamplesAreOfUse(t *testing.T) {
	v := view(10, steady(200))
	v.Window = nil
	for ago := 60 * time.Minute; ago >= 0; ago -= 5 * time.Minute {
		v.Window = append(v.Window, autoscale.Sample{At: noon.Add(-ago), Demand: 200, Busy: 0.18})
	}
	require.Equal(t, 2, autoscale.Track{}.Decide(v).Target)
	require.Equal(t, 9, autoscale.Step{}.Decide(v).Target)
	require.Equal(t, 2, autoscale.Guard{Policy: autoscale.Track{}}.Decide(v).Target)
	v.Now = v.Now.Add(8 * time.Minute)
	require.Equal(t, 10, autoscale.Track{}.Decide(v).Target, "one is missing")
	require.Equal(t, 10, autoscale.Guard{Policy: want(2)}.Decide(v).Target)
}
