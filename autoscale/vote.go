package autoscale

import "time"

// Vote lets every server vote: up while it is busier than High, down while it is less busy than Low. When enough of them agree the array grows by Up or
// shrinks by Down, and then keeps calm for a while. These are the rules, and the zero values the defaults, of RightScale's server arrays.
//
// Source: RightScale, "Set up Autoscaling using Voting Tags" (threshold 51 %, resize up by 2, down by 1, calm time 15 min).
type Vote struct {
	High      float64       // share of its workers above which a server votes up, by its latest sample; zero: 0.8
	Low       float64       // below which it votes down, by its mean; zero: 0.3
	Over      time.Duration // of that mean; zero: a minute
	Threshold float64       // share of the votes that decides; zero: 0.51
	Up, Down  int           // servers; zero: 2 and 1
	Calm      time.Duration // no further change for so long; zero: 15 min
}

type voteMemory struct {
	Changed time.Time
	Size    int
	Since   time.Time // of watching
}

func (p Vote) filled() Vote {
	return Vote{
		High: or(p.High, 0.8), Low: or(p.Low, 0.3), Over: or(p.Over, time.Minute), Threshold: or(p.Threshold, 0.51),
		Up: or(p.Up, 2), Down: or(p.Down, 1), Calm: or(p.Calm, 15*time.Minute),
	}
}

// Decide counts the votes. Without array servers the base votes with the busy share of the whole.
func (p Vote) Decide(v View) Decision {
	p = p.filled()
	m, ok := Recall[voteMemory](v.Memory)
	if !ok {
		m = voteMemory{Since: v.Now}
	}
	up, down, counted := p.count(&v)
	d := p.decide(&v, m, up, down, counted)
	if d.Target != v.Array.Size() {
		m.Changed = v.Now
	}
	d.Memory = Remember(m)
	d.Reasons[0].Stage = "vote"
	return d
}

func (p Vote) count(v *View) (up, down float64, ok bool) {
	patience := v.patience()
	if !v.Fresh(patience) {
		return 0, 0, false
	}
	latest := *v
	latest.Window = v.past()[len(v.past())-1:]
	up, ok = latest.Votes(patience, func(busy float64) bool { return busy > p.High })
	down, _ = v.Votes(p.Over, func(busy float64) bool { return busy < p.Low })
	if ok {
		return up, down, true
	}
	now := latest.Window[0].Busy
	mean, ok := v.MeanOf(p.Over, func(s Sample) float64 { return s.Busy })
	return share(now > p.High), share(mean < p.Low), ok && isKnown(now)
}

func (p Vote) decide(v *View, m voteMemory, up, down float64, ok bool) Decision {
	size := v.Array.Size()
	votes := Numbers{Num("up", 100*up), Num("down", 100*down), Num("threshold", 100*p.Threshold)}
	calm := p.Calm - v.Now.Sub(m.Changed)
	switch {
	case !ok:
		return v.firstOrStay("no-votes", "no server was measured: keep the size")
	case up >= p.Threshold && calm > 0, down >= p.Threshold && calm > 0:
		return v.Stay("calm", "{up} % vote up, {down} % down, but the last change needs {left} s more", append(votes, Num("left", calm.Seconds()))...)
	case up >= p.Threshold:
		return v.To(size+p.Up, "votes-up", "{up} % of the servers vote up, {threshold} % are enough", votes...)
	case down >= p.Threshold && v.Now.Sub(m.Since) < p.Calm:
		return v.Stay("watching", "{down} % vote down, but the votes have not been watched for long enough", votes...)
	case down >= p.Threshold:
		return v.To(size-p.Down, "votes-down", "{down} % of the servers vote down, {threshold} % are enough", votes...)
	}
	return v.Stay("no-majority", "{up} % vote up, {down} % down, {threshold} % are needed", votes...)
}

func share(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// or is x, or the default where x is zero.
func or[T comparable](x, zero T) T {
	var none T
	if x == none {
		return zero
	}
	return x
}
