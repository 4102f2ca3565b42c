package autoscale

import "time"

const minutes = 24 * 60

// profile is the demand of each minute of a usual day (UTC), in requests per second, by the hour; zero where it is not known. It is never changed.
type profile [24]*[60]float32

// with is the profile after one more day's minute: the days before fade by a fifth.
func (p *profile) with(minute int, demand float32) *profile {
	var out profile
	if p != nil {
		out = *p
	}
	var hour [60]float32
	if old := out[minute/60]; old != nil {
		hour = *old
	}
	if x := &hour[minute%60]; *x == 0 {
		*x = demand
	} else {
		*x += (demand - *x) / 5
	}
	out[minute/60] = &hour
	return &out
}

// growth is by how much a usual day grows from now until then, relative to now: -1 to 2.
func (p *profile) growth(now, then time.Time) float64 {
	if p == nil {
		return 0
	}
	if from, to := p.at(now), p.at(then); from > 0 && to > 0 {
		return clip(to/from-1, -1, 2)
	}
	return 0
}

func (p *profile) at(t time.Time) float64 {
	place := float64(t.Unix()%(minutes*60))/60 - 0.5 + minutes
	k := int(place)
	from, to := p.minute(k%minutes), p.minute((k+1)%minutes)
	return from + (to-from)*(place-float64(k))
}

func (p *profile) minute(n int) float64 {
	if hour := p[n/60]; hour != nil {
		return float64(hour[n%60])
	}
	return 0
}

// count is the mean of the samples of the minute that runs.
type count struct {
	Minute int64 // since 1970
	Sum, N float64
}

// add counts a sample. When it begins a new minute it returns the one that ended, as a minute of the day, and its mean.
func (c *count) add(s Sample) (minute int, mean float32, ended bool) {
	// A sample at a full minute belongs to the one that it ends.
	at := (s.At.Unix() - 1) / 60
	if at != c.Minute {
		minute, mean, ended = int(c.Minute%minutes), float32(c.Sum/max(1, c.N)), c.N > 0
		*c = count{Minute: at}
	}
	c.Sum, c.N = c.Sum+s.Demand, c.N+1
	return minute, mean, ended
}
