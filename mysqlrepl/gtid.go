package mysqlrepl

import (
	"fmt"
	"slices"
	"strings"
)

// GTIDs is a set of transactions, named by their global transaction IDs: what a server executed or received. The two
// flavors count differently, so that sets of different flavors have nothing in common.
//
// MySQL's sets are exact. MariaDB's say for each domain how far each server's transactions go, as gtid_binlog_state
// does; as its gtid_strict_mode lets sequence numbers only grow within a domain, a server that has a transaction has
// all earlier ones of that domain.
type GTIDs interface {
	// String gives the set in the server's own words: "0-1-118,0-2-205", "3e11fa47-…:1-77". The empty set is "".
	String() string
	// IsEmpty reports whether the set holds nothing.
	IsEmpty() bool
	// Contains reports whether all of other is in the set. The empty set is in every set.
	Contains(other GTIDs) bool
	// Minus returns what is in the set and not in other.
	Minus(other GTIDs) GTIDs
	// Union returns what is in the one or the other.
	Union(other GTIDs) GTIDs
	// Count is the number of transactions. For MariaDB it is an upper bound: sequence numbers that another server
	// used are counted too.
	Count() uint64
}

// ParseGTIDs reads a set in a flavor's own words. Spaces and line breaks around commas are allowed, an empty text is
// the empty set. An empty flavor is MariaDB.
func ParseGTIDs(flavor Flavor, text string) (GTIDs, error) {
	n, err := notationOf(flavor)
	if err != nil {
		return nil, err
	}
	return n.parse(text)
}

// span is a run of numbers, both ends included.
type span struct{ first, last uint64 }

// spans are sorted, do not overlap and do not touch.
type spans []span

// normal sorts spans and joins those that overlap or touch.
func (s spans) normal() spans {
	sorted := slices.Clone(s)
	slices.SortFunc(sorted, func(a, b span) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return 0
	})
	var out spans
	for _, next := range sorted {
		if n := len(out); n > 0 && next.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, next.last)
			continue
		}
		out = append(out, next)
	}
	return out
}

func (s spans) minus(other spans) spans {
	var out spans
	for _, have := range s {
		for _, gone := range other {
			if gone.last < have.first || gone.first > have.last {
				continue
			}
			if gone.first > have.first {
				out = append(out, span{have.first, gone.first - 1})
			}
			have.first = gone.last + 1
			if have.first > have.last {
				break
			}
		}
		if have.first <= have.last {
			out = append(out, have)
		}
	}
	return out
}

func (s spans) count() (n uint64) {
	for _, one := range s {
		n += one.last - one.first + 1
	}
	return n
}

// String gives "1-5:7".
func (s spans) String() string {
	words := make([]string, len(s))
	for i, one := range s {
		words[i] = fmt.Sprint(one.first)
		if one.last > one.first {
			words[i] += fmt.Sprintf("-%d", one.last)
		}
	}
	return strings.Join(words, ":")
}

// fields splits a set at its commas.
func fields(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
