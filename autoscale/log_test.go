package autoscale_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
)

func TestLogCanBeReadBack(t *testing.T) {
	var file bytes.Buffer
	log := &autoscale.Log{Policy: autoscale.Track{}, To: &file}
	turns := autoscaletest.At("09:00", 300).Ramp("10m", 900).Outage("2m").Play(log)
	require.NoError(t, log.Err())
	file.WriteString(`{"View":{"Now":`) // the machine died while it wrote
	records, err := autoscale.ReadLog(&file)
	require.NoError(t, err)
	require.Len(t, records, len(turns))
	samples := 0
	for i, r := range records {
		require.Equal(t, turns[i].Decision.Target, r.Decision.Target)
		require.Equal(t, turns[i].Decision.String(), r.Decision.String())
		require.Equal(t, turns[i].View.Array.Size(), r.View.Array.Size())
		require.True(t, turns[i].View.Now.Equal(r.View.Now))
		samples += len(r.View.Window)
	}
	require.Equal(t, 70*6, samples, "every sample is written once")

	_, err = autoscale.ReadLog(strings.NewReader("{}\nnonsense\n"))
	require.ErrorContains(t, err, "autoscale: read log: line 2:")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestLogDoesNotDisturb(t *testing.T) {
	log := &autoscale.Log{Policy: want(7), To: fullDisk{}}
	require.Equal(t, 7, log.Decide(view(5, steady(100))).Target)
	require.ErrorContains(t, log.Err(), "disk full")
}

func TestShadowCannotAct(t *testing.T) {
	type pair struct{ acting, trial int }
	var told []pair
	crash := false
	s := autoscale.Shadow{
		Acting: autoscale.Track{},
		Trial: autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
			if crash {
				panic("trial")
			}
			n, _ := autoscale.Recall[int](v.Memory)
			d := v.To(30+n, "trial", "more and more")
			d.Memory = autoscale.Remember(n + 1)
			return d
		}),
		Differs: func(_ autoscale.View, acting, trial autoscale.Decision) {
			told = append(told, pair{acting.Target, trial.Target})
		},
	}
	v := view(2, steady(200))
	for range 3 {
		d := s.Decide(v)
		require.Equal(t, autoscale.Track{}.Decide(v).Target, d.Target)
		v.Memory = d.Memory
	}
	require.Equal(t, []pair{{2, 30}, {2, 31}, {2, 32}}, told)
	crash = true
	d := s.Decide(v)
	require.Equal(t, 2, d.Target)
	m, ok := autoscale.Recall[autoscale.ShadowMemory](d.Memory)
	require.True(t, ok)
	require.Equal(t, 4, m.Asked)
	require.Equal(t, 3, m.Different, "a trial that panics wants what there is")
}
