package autoscale_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

// What the site costs now, what it would cost at its peak size all day, and what the array saved.
func ExampleAccount() {
	var account autoscale.Account
	for _, turn := range autoscaletest.At("00:00", 200).Ramp("12h", 1500).Ramp("12h", 200).Play(autoscale.Lead{}) {
		account = account.Add(turn.View.Now, turn.View.Array)
	}
	c := account.Costs(autoscale.Price{Hour: 0.10})
	fmt.Printf("now %.2f an hour; spent %.2f; %.2f at peak size all day; saved %.2f\n", c.Hour, c.Spent, c.Peak, c.Saved())
	// Output:
	// now 0.30 an hour; spent 22.97; 40.00 at peak size all day; saved 17.02
}

func TestAccountCountsFromLaunchUntilGone(t *testing.T) {
	array := func(booting, ready, draining int) autoscale.Array {
		a := autoscale.Array{Base: 2}
		for state, n := range map[autoscale.State]int{autoscale.Booting: booting, autoscale.Ready: ready, autoscale.Draining: draining} {
			for range n {
				a.Servers = append(a.Servers, autoscale.Server{State: state})
			}
		}
		return a
	}
	a := autoscale.Account{}.Add(noon, array(0, 0, 0))
	a = a.Add(noon.Add(time.Hour), array(3, 0, 0))
	text, err := json.Marshal(a)
	require.NoError(t, err)
	a = autoscale.Account{}
	require.NoError(t, json.Unmarshal(text, &a))
	a = a.Add(noon.Add(2*time.Hour), array(0, 2, 1))
	a = a.Add(noon.Add(3*time.Hour), array(0, 2, 0))
	a = a.Add(noon.Add(3*time.Hour), array(0, 1, 0))
	require.Equal(t, autoscale.Costs{Hour: 3, Spent: 2 + 5 + 5, Peak: 15}, a.Costs(autoscale.Price{}))
	require.InDelta(t, 0.3, a.Costs(autoscale.Price{Hour: 0.1}).Saved(), 1e-9)
	require.Equal(t, autoscale.Costs{}, autoscale.Account{}.Costs(autoscale.Price{}))
}
