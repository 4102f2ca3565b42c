package mysqlrepl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// origin is who wrote a transaction, and in which domain.
type origin struct{ domain, server uint32 }

// mariaDBGTIDs says how far each server's transactions go. A rest, which Minus makes, also has a floor: the number
// after which it begins.
type mariaDBGTIDs struct {
	last  map[origin]uint64
	floor map[origin]uint64
}

func parseMariaDB(text string) (GTIDs, error) {
	g := mariaDBGTIDs{last: map[origin]uint64{}}
	for _, field := range fields(text) {
		parts := strings.Split(field, "-")
		if len(parts) != 3 {
			return nil, fmt.Errorf("mysqlrepl: parse GTID %q: it is not domain-server-sequence", field)
		}
		domain, err1 := strconv.ParseUint(parts[0], 10, 32)
		server, err2 := strconv.ParseUint(parts[1], 10, 32)
		sequence, err3 := strconv.ParseUint(parts[2], 10, 64)
		if err := cmp.Or(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("mysqlrepl: parse GTID %q: %w", field, err)
		}
		from := origin{uint32(domain), uint32(server)}
		if sequence > 0 {
			g.last[from] = max(g.last[from], sequence)
		}
	}
	return g, nil
}

// origins are sorted as gtid_binlog_state is read best: by domain, the latest transaction last.
func (g mariaDBGTIDs) origins() []origin {
	return slices.SortedFunc(maps.Keys(g.last), func(a, b origin) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(g.last[a], g.last[b]), cmp.Compare(a.server, b.server))
	})
}

func (g mariaDBGTIDs) String() string {
	var words []string
	for _, from := range g.origins() {
		words = append(words, fmt.Sprintf("%d-%d-%d", from.domain, from.server, g.last[from]))
	}
	return strings.Join(words, ",")
}

// newest is the latest transaction of each domain, as a replica's position names it.
func (g mariaDBGTIDs) newest() mariaDBGTIDs {
	out := mariaDBGTIDs{last: map[origin]uint64{}}
	latest := map[uint32]origin{}
	for _, from := range g.origins() {
		latest[from.domain] = from
	}
	for _, from := range latest {
		out.last[from] = g.last[from]
	}
	return out
}

func (g mariaDBGTIDs) IsEmpty() bool { return len(g.last) == 0 }

func (g mariaDBGTIDs) Contains(other GTIDs) bool {
	o, same := other.(mariaDBGTIDs)
	if !same {
		return other == nil || other.IsEmpty()
	}
	for from, sequence := range o.newest().last {
		if g.last[from] < sequence {
			return false
		}
	}
	return true
}

func (g mariaDBGTIDs) Minus(other GTIDs) GTIDs {
	o, same := other.(mariaDBGTIDs)
	if !same {
		return g
	}
	out := mariaDBGTIDs{last: map[origin]uint64{}, floor: map[origin]uint64{}}
	newest := g.newest().last
	for from, sequence := range g.last {
		if o.last[from] >= sequence || o.knows(newest, from.domain) {
			continue
		}
		out.last[from] = sequence
		out.floor[from] = max(o.last[from], g.floor[from], g.common(o, from.domain))
	}
	return out
}

// common is up to which sequence number of a domain both sets have everything.
func (g mariaDBGTIDs) common(other mariaDBGTIDs, domain uint32) (sequence uint64) {
	for from, last := range g.last {
		if from.domain == domain {
			sequence = max(sequence, min(last, other.last[from]))
		}
	}
	return sequence
}

// knows reports whether the set has the newest transaction of a domain, and with it all before.
func (g mariaDBGTIDs) knows(newest map[origin]uint64, domain uint32) bool {
	for from, sequence := range newest {
		if from.domain == domain {
			return g.last[from] >= sequence
		}
	}
	return true
}

func (g mariaDBGTIDs) Union(other GTIDs) GTIDs {
	o, same := other.(mariaDBGTIDs)
	if !same {
		return g
	}
	out := mariaDBGTIDs{last: maps.Clone(g.last)}
	for from, sequence := range o.last {
		out.last[from] = max(out.last[from], sequence)
	}
	return out
}

func (g mariaDBGTIDs) Count() (n uint64) {
	for from, sequence := range g.last {
		n += sequence - g.floor[from]
	}
	return n
}
