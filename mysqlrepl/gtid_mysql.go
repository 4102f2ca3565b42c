package mysqlrepl

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mysqlGTIDs holds the transactions of each server's UUID, with its tag where it has one: "UUID" or "UUID:tag".
type mysqlGTIDs map[string]spans

var (
	uuidText = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	tagText  = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`)
)

// parseMySQL reads "UUID:1-5:7,UUID:tag:1-3". One UUID may be followed by numbers and tags in turn.
func parseMySQL(text string) (GTIDs, error) {
	g := mysqlGTIDs{}
	for _, field := range fields(text) {
		parts := strings.Split(strings.ToLower(field), ":")
		uuid := strings.TrimSpace(parts[0])
		if !uuidText.MatchString(uuid) || len(parts) < 2 {
			return nil, fmt.Errorf("mysqlrepl: parse GTID %q: it does not begin with a UUID and a number", field)
		}
		from := uuid
		for _, part := range parts[1:] {
			part = strings.TrimSpace(part)
			if tagText.MatchString(part) {
				from = uuid + ":" + part
				continue
			}
			one, err := parseSpan(part)
			if err != nil {
				return nil, fmt.Errorf("mysqlrepl: parse GTID %q: %w", field, err)
			}
			g[from] = append(g[from], one)
		}
	}
	for from, some := range g {
		g[from] = some.normal()
	}
	return g, nil
}

// maxMySQLSequence is the largest number that the server gives; reaching it stops the server.
const maxMySQLSequence = 1<<63 - 1

func parseSpan(text string) (span, error) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	a, err := strconv.ParseUint(strings.TrimSpace(first), 10, 63)
	if err != nil {
		return span{}, err
	}
	b, err := strconv.ParseUint(strings.TrimSpace(last), 10, 63)
	if err != nil {
		return span{}, err
	}
	if a < 1 || b < a || b >= maxMySQLSequence {
		return span{}, fmt.Errorf("%q is not a range of numbers from 1", text)
	}
	return span{a, b}, nil
}

func (g mysqlGTIDs) String() string {
	var words []string
	for _, from := range slices.Sorted(maps.Keys(g)) {
		words = append(words, from+":"+g[from].String())
	}
	return strings.Join(words, ",")
}

func (g mysqlGTIDs) IsEmpty() bool { return len(g) == 0 }

func (g mysqlGTIDs) Contains(other GTIDs) bool {
	o, same := other.(mysqlGTIDs)
	if !same {
		return other == nil || other.IsEmpty()
	}
	return o.Minus(g).IsEmpty()
}

func (g mysqlGTIDs) Minus(other GTIDs) GTIDs {
	o, same := other.(mysqlGTIDs)
	if !same {
		return g
	}
	out := mysqlGTIDs{}
	for from, have := range g {
		if rest := have.minus(o[from]); len(rest) > 0 {
			out[from] = rest
		}
	}
	return out
}

func (g mysqlGTIDs) Union(other GTIDs) GTIDs {
	o, same := other.(mysqlGTIDs)
	if !same {
		return g
	}
	out := maps.Clone(g)
	for from, some := range o {
		out[from] = slices.Concat(out[from], some).normal()
	}
	return out
}

func (g mysqlGTIDs) Count() (n uint64) {
	for _, some := range g {
		n += some.count()
	}
	return n
}
