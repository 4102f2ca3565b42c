package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Synthetic are six made-up sites, three weeks of each in minutes: shapes that recordings of real sites are not sure to have. What was developed on
// recordings is tested on these. The same seed makes the same traces.
//
//   - weekly: days and quieter weekends, with noise that lasts for minutes to hours
//   - flash: the same with a crowd every other day or so, there within minutes and gone within the hour
//   - growth: half as many again, from one minute to the next, every few days
//   - nights: nobody there for ten hours of each night
//   - bursty: noise on every scale, and hardly a day in it
//   - hourly: jobs of four minutes at each full hour
func Synthetic(seed uint64) []Trace {
	s := site{random: rand.New(rand.NewPCG(seed, 3))}
	crowd, level := s.crowds(), s.levels()
	return []Trace{
		s.trace("weekly", 0.10, func(i int, noise float64) float64 { return 900 * office(i) * noise }),
		s.trace("flash", 0.08, func(i int, noise float64) float64 { return 500 * (office(i)*noise + crowd[i]) }),
		s.trace("growth", 0.06, func(i int, noise float64) float64 { return 100 * office(i) * level[i] * noise }),
		s.trace("nights", 0.08, func(i int, noise float64) float64 { return 1500 * noise * (wave(i, 14) + 0.3) }),
		s.trace("bursty", 0.35, func(i int, noise float64) float64 { return 400 * (0.8 + 0.2*office(i)) * noise }),
		s.trace("hourly", 0.06, func(i int, noise float64) float64 {
			if i%60 < 4 {
				return 600*office(i)*noise + 500
			}
			return 600 * office(i) * noise
		}),
	}
}

const synthetic = 21 * 24 * 60 // minutes

type site struct{ random *rand.Rand }

// trace counts requests in each minute by their rate per second; noise is log-normal around 1.
func (s site) trace(name string, spread float64, rate func(minute int, noise float64) float64) Trace {
	t := Trace{Name: name, Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Interval: time.Minute, Requests: make([]float64, synthetic)}
	for i, x := range s.drift() {
		t.Requests[i] = math.Round(60 * math.Max(0, rate(i, math.Exp(spread*x))))
	}
	return t
}

// drift is noise with a variance of 1 that has as much of it in each octave from minutes to half a day: a sum of processes that forget at different speeds.
func (s site) drift() []float64 {
	minutes := []float64{2, 6, 20, 60, 200, 600}
	state := make([]float64, len(minutes))
	out := make([]float64, synthetic)
	for i := range out {
		for k, m := range minutes {
			keep := math.Exp(-1 / m)
			state[k] = keep*state[k] + math.Sqrt((1-keep*keep)/float64(len(minutes)))*s.random.NormFloat64()
			out[i] += state[k]
		}
	}
	return out
}

// crowds come at any time, grow for 1 to 10 minutes to 2 to 5 times a usual noon, and halve every 5 to 20 minutes.
func (s site) crowds() []float64 {
	out := make([]float64, synthetic)
	for at := 0; at < synthetic; at += int(s.random.ExpFloat64() * 2 * 24 * 60) {
		height, rise, half := 2+3*s.random.Float64(), 1+9*s.random.Float64(), 5+15*s.random.Float64()
		for i := at; i < min(at+6*60, synthetic); i++ {
			since := float64(i - at)
			out[i] += height * math.Min(since/rise, math.Exp2(-(since-rise)/half))
		}
	}
	return out
}

func (s site) levels() []float64 {
	out := make([]float64, synthetic)
	level := 1.0
	for i := range out {
		if s.random.Float64() < 1.0/(3*24*60) {
			level *= 1.5
		}
		out[i] = level
	}
	return out
}

// office is how busy a site is at a minute of the week that begins on Monday: 1 at its noon, a fifth at night, three fifths of it at weekends.
func office(minute int) float64 {
	x := 0.6 + 0.4*wave(minute, 13)
	if minute/(24*60)%7 >= 5 {
		x *= 0.6
	}
	return x
}

// wave goes from -1 to 1 and is highest at that hour of the day.
func wave(minute int, hour float64) float64 {
	return math.Cos(2 * math.Pi * (float64(minute)/60 - hour) / 24)
}
