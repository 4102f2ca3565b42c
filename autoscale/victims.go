package autoscale

import (
	"cmp"
	"slices"
	"time"
)

// Victims orders servers for scale-in: those that go first come first. It returns all servers that it was given and changes nothing in the view.
type Victims interface {
	Order(v View, servers []Server) []Server
}

// Choose is the n servers that go, of those that are booting or ready.
func Choose(by Victims, v View, n int) []Server {
	var candidates []Server
	for _, s := range v.Array.Servers {
		if s.State != Draining {
			candidates = append(candidates, s)
		}
	}
	ordered := by.Order(v, candidates)
	return ordered[:max(0, min(n, len(ordered)))]
}

// Newest lets the server go that was launched last: one that boots serves nobody yet, and the old ones have warm caches.
type Newest struct{}

// Order is newest first.
func (Newest) Order(_ View, servers []Server) []Server {
	return sorted(servers, func(a, b Server) int { return b.Launched.Compare(a.Launched) })
}

// LeastBusy lets the server go that serves the fewest requests.
type LeastBusy struct{}

// Order is booting ones first, then by busy share.
func (LeastBusy) Order(_ View, servers []Server) []Server {
	return sorted(servers, func(a, b Server) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Busy, b.Busy), b.Launched.Compare(a.Launched))
	})
}

func rank(s Server) int {
	if s.State == Booting {
		return 0
	}
	return 1
}

// PaidHour lets the server go whose paid hour ends next, for what is left of it is paid anyway. The hour is the view's price quantum, at least a minute.
type PaidHour struct{}

// Order is by the time that is paid for still.
func (PaidHour) Order(v View, servers []Server) []Server {
	quantum := max(v.Price.Quantum, time.Minute)
	left := func(s Server) time.Duration { return quantum - max(0, v.Now.Sub(s.Launched))%quantum }
	return sorted(servers, func(a, b Server) int {
		return cmp.Or(cmp.Compare(left(a), left(b)), b.Launched.Compare(a.Launched))
	})
}

// Balance lets servers go from the zone that has most, so that the loss of a zone hurts least; within a zone in the order of Then.
type Balance struct {
	Then Victims // zero: Newest
}

// Order takes from the fullest zone again and again.
func (b Balance) Order(v View, servers []Server) []Server {
	then := b.Then
	if then == nil {
		then = Newest{}
	}
	left := then.Order(v, servers)
	count := map[string]int{}
	for _, s := range left {
		count[s.Zone]++
	}
	out := make([]Server, 0, len(left))
	for len(left) > 0 {
		next := 0
		for i, s := range left {
			if count[s.Zone] > count[left[next].Zone] {
				next = i
			}
		}
		count[left[next].Zone]--
		out = append(out, left[next])
		left = slices.Delete(left, next, next+1)
	}
	return out
}

func sorted(servers []Server, by func(a, b Server) int) []Server {
	out := slices.Clone(servers)
	slices.SortStableFunc(out, func(a, b Server) int { return cmp.Or(by(a, b), cmp.Compare(a.ID, b.ID)) })
	return out
}
