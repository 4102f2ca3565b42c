package autoscale

import "time"

// Account is what an array has cost since a time. It is a plain value that survives as JSON: each Add gives the next one.
type Account struct {
	Since, Until time.Time
	Used         time.Duration // server time, base included: from launch until gone
	Largest      float64       // servers at once, base included
	Now          float64       // servers that cost at present
}

// Add is the account once the array was seen at a time: until then it was as it had been seen before.
func (a Account) Add(now time.Time, array Array) Account {
	if a.Since.IsZero() {
		a.Since, a.Until = now, now
	}
	a.Used += time.Duration(a.Now * float64(max(0, now.Sub(a.Until))))
	a.Until = now
	a.Now = array.Base + float64(len(array.Servers))
	a.Largest = max(a.Largest, a.Now)
	return a
}

// Costs are sums in the currency of a price, or server hours where it has none.
type Costs struct {
	Hour  float64 // with the servers of now, for an hour
	Spent float64 // since the account began, by the second: what a unit of an hour rounds up is not in it
	Peak  float64 // in the same time with the largest size that there was, all the time
}

// Saved is what the array spared by not being as large as that all the time.
func (c Costs) Saved() float64 { return c.Peak - c.Spent }

// Costs is what the account comes to.
func (a Account) Costs(p Price) Costs {
	hour := or(p.Hour, 1)
	return Costs{Hour: a.Now * hour, Spent: a.Used.Hours() * hour, Peak: a.Largest * a.Until.Sub(a.Since).Hours() * hour}
}
