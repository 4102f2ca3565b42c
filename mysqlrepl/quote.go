package mysqlrepl

import (
	"fmt"
	"strings"
)

// QuoteName returns a name as one identifier: `shop`. It is the only way by which a name enters a statement. What
// no server accepts in a name is refused: nothing, more than 64 characters, a NUL, a space at the end.
func QuoteName(name string) (string, error) {
	switch {
	case name == "":
		return "", fmt.Errorf("mysqlrepl: name is empty")
	case len([]rune(name)) > 64:
		return "", fmt.Errorf("mysqlrepl: name %q is longer than 64 characters", name)
	case strings.ContainsRune(name, 0), strings.HasSuffix(name, " "):
		return "", fmt.Errorf("mysqlrepl: name %q holds a NUL or ends in a space", name)
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`", nil
}

// quoteText returns a value as one string literal, for the statements that take no placeholder. A backslash means
// one thing or another by sql_mode, so it is refused together with control characters.
func quoteText(value string) (string, error) {
	for _, r := range value {
		if r < 0x20 || r == 0x7f || r == '\\' || r == 0xfffd {
			return "", fmt.Errorf("mysqlrepl: text holds a control character, a backslash or broken UTF-8")
		}
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'", nil
}

// pattern escapes the two wildcards that the name of a database has in GRANT.
func pattern(database string) string {
	return strings.NewReplacer("_", `\_`, "%", `\%`).Replace(database)
}
