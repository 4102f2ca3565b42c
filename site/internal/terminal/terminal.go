// Package terminal keeps what servers and applications say from steering the operator's terminal.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Line is s on one line: every control character and line break is written out, as \x1b. Tabs stay.
func Line(s string) string { return clean(s, "\t") }

// Lines is s with its line breaks and tabs, and every other control character written out.
func Lines(s string) string { return clean(s, "\n\t") }

// Writer hands on what is written to it as Lines has it.
type Writer struct{ W io.Writer }

// Write writes p, of which no character is cut in two.
func (w Writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.W, Lines(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func clean(s, keep string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return steers(r) && !strings.ContainsRune(keep, r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !steers(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// steers tells of control characters, and of those that turn the direction of what follows.
func steers(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}
