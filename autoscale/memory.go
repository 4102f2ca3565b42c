package autoscale

import (
	"encoding/json"
	"math"
)

// Memory is what a policy remembers from one decision to the next. It is any value that encoding/json can write and read, and survives restarts as JSON.
// A value in a memory is never changed: a policy recalls it, and remembers a new one.
type Memory struct {
	value any
	raw   json.RawMessage
}

// Remember keeps v.
func Remember(v any) Memory { return Memory{value: v} }

// Recall is the T that was remembered. It is the zero T, and false, where the memory is empty or was made by something else.
func Recall[T any](m Memory) (T, bool) {
	if v, ok := m.value.(T); ok {
		return v, true
	}
	raw := m.raw
	if m.value != nil {
		raw, _ = json.Marshal(m.value)
	}
	var v T
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &v) != nil {
		var zero T
		return zero, false
	}
	return v, true
}

// Empty reports whether nothing was remembered.
func (m Memory) Empty() bool { return m.value == nil && (len(m.raw) == 0 || string(m.raw) == "null") }

// MarshalJSON writes the remembered value.
func (m Memory) MarshalJSON() ([]byte, error) {
	if m.value == nil && len(m.raw) > 0 {
		return m.raw, nil
	}
	return json.Marshal(m.value)
}

// UnmarshalJSON keeps the JSON until a policy recalls it.
func (m *Memory) UnmarshalJSON(data []byte) error {
	*m = Memory{raw: append(json.RawMessage(nil), data...)}
	return nil
}

// Estimate is a number learned from observations.
type Estimate[T ~float64 | ~int64] struct {
	Mean   T
	Spread T   // standard deviation
	N      int // observations; zero: given by a person
}

// Learn is the estimate after one more observation; one that is negative, infinite or not a number changes nothing. Old ones fade: the latest twenty count most, since images and instance types change.
func (e Estimate[T]) Learn(x T) Estimate[T] {
	if !isKnown(float64(x)) {
		return e
	}
	if e.N == 0 {
		return Estimate[T]{Mean: x, N: 1}
	}
	weight := 1 / float64(min(e.N+1, 20))
	delta := float64(x) - float64(e.Mean)
	mean := float64(e.Mean) + weight*delta
	variance := (1 - weight) * (float64(e.Spread)*float64(e.Spread) + weight*delta*delta)
	return Estimate[T]{Mean: T(mean), Spread: T(math.Sqrt(variance)), N: e.N + 1}
}

// LearnCapacity is the estimate of a server's capacity, in requests per second, after one more sample of so many serving servers (base included): what came
// in over the share of them that was busy with it. Samples that tell little, with hardly anything busy, everything busy, or requests waiting, change nothing.
func LearnCapacity(e Estimate[float64], s Sample, serving float64) Estimate[float64] {
	capacity := s.Demand / (s.Busy * serving)
	if s.Busy < 0.3 || s.Busy > 0.95 || s.Queue > 0 || !isKnown(capacity) || capacity == 0 {
		return e
	}
	return e.Learn(capacity)
}
