package s3backup

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// longestName is how many characters the name of a database has at most. The pattern of a grant has no more either.
const longestName = 64

// leftover matches the databases that a restore makes besides: the fresh one, and the one that was replaced, which is to
// be dropped or to be kept. The names with underscores are those that versions before this one gave, and of what is kept.
var leftover = regexp.MustCompile(`^(?:(.+)_sb(new|old|kept)_[0-9a-f]{6}|sb(new|old|kept)-([0-9a-f]{16})-[0-9a-f]{6})$`)

// temporary is the name of a database of a restore's own. It stands for the name of the database that it is made for and
// does not hold it, so that it fits whatever that is, and it has no underscore, which a grant would take for a wildcard.
func temporary(kind, database, suffix string) string {
	return "sb" + kind + "-" + nameSum(database) + "-" + suffix
}

// keptName is where the tables that were replaced stay. As long as it fits it says to people whose they are.
func keptName(database, suffix string) string {
	if name := database + "_sbkept_" + suffix; utf8.RuneCountInString(name) <= longestName {
		return name
	}
	return temporary("kept", database, suffix)
}

func nameSum(database string) string {
	sum := sha256.Sum256([]byte(database))
	return fmt.Sprintf("%x", sum[:8])
}

func newSuffix() string { return fmt.Sprintf("%06x", time.Now().UnixNano()&0xffffff) }

// leftOf tells for which of some databases a restore made the one of this name, and what for: "new", "old" or "kept". The
// kind is empty where the name is none of a restore of these.
func leftOf(name string, databases []string) (database, kind string) {
	parts := leftover.FindStringSubmatch(name)
	if parts == nil {
		return "", ""
	}
	for _, database := range databases {
		if parts[1] == database && parts[2] != "" || parts[4] == nameSum(database) {
			return database, parts[2] + parts[3]
		}
	}
	return "", ""
}

// grantPattern is how a grant names a database. Where the whole of it would be too long for the server, the last of the
// underscores stay the wildcards that they are.
func grantPattern(name string) string {
	for _, wild := range []string{`\`, "%", "_"} {
		room := longestName - utf8.RuneCountInString(name)
		name = strings.Replace(name, wild, `\`+wild, max(0, room))
	}
	return name
}

// matches reports a database to which a grant's pattern gives rights.
func matches(pattern, name string) bool {
	var shape strings.Builder
	literal := false
	for _, r := range pattern {
		switch {
		case literal:
			shape.WriteString(regexp.QuoteMeta(string(r)))
			literal = false
		case r == '\\':
			literal = true
		case r == '_':
			shape.WriteString(".")
		case r == '%':
			shape.WriteString(".*")
		default:
			shape.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile("^(?s:" + shape.String() + ")$").MatchString(name)
}

// literalGrants reports a server that takes the name of a database in a grant for what it is, and not for a pattern.
func (s *session) literalGrants(ctx context.Context) bool {
	if s.origin.Flavor != "mysql" {
		return false
	}
	literal, err := one(ctx, s, "SELECT @@partial_revokes", 0)
	return err == nil && literal == "1"
}

// checkGrants refuses, before anything is changed, a database on which no rights can be given without giving them on
// another one, too.
func (s *session) checkGrants(ctx context.Context, databases []string) error {
	if s.literalGrants(ctx) {
		return nil
	}
	there, err := s.databases(ctx)
	if err != nil {
		return err
	}
	for _, name := range databases {
		pattern := grantPattern(name)
		for _, other := range there {
			if !slices.Contains(databases, other) && matches(pattern, other) {
				return fmt.Errorf("s3backup: restore: the name of database %q is so long that rights on it would be rights on %q, too; restore into another server, or rename %q for that time",
					name, other, other)
			}
		}
	}
	return nil
}
