package haproxycfg

import (
	"fmt"
	"strings"
)

// quote returns s as one word of a configuration line. The caller has refused control bytes. Within single quotes
// nothing is special, so that the environment is not read and nothing is an escape.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quoteFormat returns s as a word that HAProxy reads as a log format: % begins an expression there.
func quoteFormat(s string) string { return quote(strings.ReplaceAll(s, "%", "%%")) }

// control returns a description of the first byte of s that no line may hold, or "".
func control(s string) string {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return fmt.Sprintf("has the control byte 0x%02x", s[i])
		}
	}
	return ""
}
