package sim

import "math"

// queue is what waits in the load balancer for a free worker.
type queue struct {
	capacity float64 // requests per second of a server
	room     float64 // seconds that a request may wait before its response violates
	timeout  float64 // seconds that it may wait before it is rejected
	waiting  float64
}

// outcome is what became of the requests of a step.
type outcome struct {
	violated, rejected, served float64
	wait                       float64 // mean, seconds
}

// step lets arrivals requests come to so many servers within dt seconds. They arrive evenly but for the noise that a Poisson process with that number of
// arrivals has within the step (a Brownian bridge): it lets the queue exceed what may wait with probability e^(-2·r·(r+spare)/arrivals), where r is the
// number of requests that may wait still and spare what the servers could answer beyond the arrivals. Source: the maximum of a Brownian bridge with drift.
func (q *queue) step(arrivals, servers, dt float64) outcome {
	rate := servers * q.capacity
	limit, full := q.room*rate, q.timeout*rate
	before := math.Min(q.waiting, full)
	after := before + arrivals - rate*dt
	out := outcome{rejected: math.Max(0, after-full)}
	late := 0.0 // share of the step in which a request waits too long
	switch {
	case rate == 0:
		out.rejected, late = arrivals, 1
	case before >= limit && after >= limit:
		late = 1
	case after > limit:
		late = (after - limit) / (after - before)
	case before > limit:
		late = (before - limit) / (before - after)
	}
	if room := limit - math.Max(before, after); room > 0 && arrivals > 0 {
		spare := math.Abs(after - before)
		if x := 2 * room * (room + spare) / arrivals; x < 40 {
			late += (1 - late) * math.Exp(-x)
		}
	}
	out.violated = late * arrivals
	q.waiting = math.Min(full, math.Max(0, after))
	out.served = before + arrivals - out.rejected - q.waiting
	if rate > 0 {
		out.wait = (before + q.waiting) / 2 / rate
	}
	return out
}
