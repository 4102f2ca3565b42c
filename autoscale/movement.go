package autoscale

import (
	"math"
	"time"
)

// paces are the times over which demand is averaged, in seconds; the differences between the averages tell how it moves.
var paces = [...]float64{20, 40, 80, 160, 320, 640, 1280, 2560}

// movement is demand, in requests per second, and how it came there.
type movement struct {
	Seen  time.Time // latest sample
	Level float64   // without most of the noise of single requests
	Slow  [len(paces)]float64
}

const (
	quickness = 10.0             // seconds over which the level is averaged
	surging   = 30 * time.Second // by which the second average lags behind the level
)

func (m *movement) observe(s Sample) {
	if m.Seen.IsZero() {
		m.Level = s.Demand
		for i := range m.Slow {
			m.Slow[i] = s.Demand
		}
	}
	dt := s.At.Sub(m.Seen).Seconds()
	m.Seen = s.At
	m.Level += (s.Demand - m.Level) * dt / (quickness + dt)
	// More than three standard deviations of Poisson's law are no noise.
	m.Level = max(m.Level, s.Demand-3*math.Sqrt(s.Demand/dt))
	for i, pace := range paces {
		m.Slow[i] += (s.Demand - m.Slow[i]) * dt / (pace + dt)
	}
}

// rise is how fast demand grows, in requests per second and second: an average over T lags T seconds behind a straight line.
func (m *movement) rise() float64 { return (m.Level - m.Slow[1]) / surging.Seconds() }

// calm reports whether demand was nearly the same for half an hour.
func (m *movement) calm() bool {
	for _, slow := range m.Slow[4:] {
		if math.Abs(m.Level-slow) > 0.02*m.Level {
			return false
		}
	}
	return true
}

// features are what a forecast is made from: how far demand is from its averages, and by how much the same minutes of other days grew, relative to the level.
// Levels below least (requests per second) count as that: there relative numbers mean little.
func (m *movement) features(least, growth float64) vector {
	x := vector{1}
	scale := max(m.Level, least, 1)
	for i, slow := range m.Slow {
		x[i+1] = clip((m.Level-slow)/scale, -1, 1)
	}
	x[features-1] = growth
	return x
}

func clip(x, lo, hi float64) float64 { return max(lo, min(hi, x)) }
