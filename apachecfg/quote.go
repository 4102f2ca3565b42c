package apachecfg

import (
	"fmt"
	"strings"
)

// dollar is the name of the Define that stands for a dollar sign, for Apache replaces ${NAME} everywhere, also
// within quotes, and has no escape for it.
const dollar = "SITEBLOCKS_DOLLAR"

// secretName is the name of the Define that stands for the password of the balancer's switches.
const secretName = "SITEBLOCKS_SECRET"

// quote returns s as one argument of a directive. The caller has refused control bytes.
func quote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `${`+dollar+`}{`).Replace(s)
	return `"` + s + `"`
}

// quoteHeader returns s as the value of a Header directive, which reads it once more: % begins a format there, and
// \n is a line break.
func quoteHeader(s string) string {
	return quote(strings.NewReplacer(`\`, `\\`, "%", "%%").Replace(s))
}

// control returns a description of the first byte of s that no configuration line may hold, or "".
func control(s string) string {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return fmt.Sprintf("has the control byte 0x%02x", s[i])
		}
	}
	return ""
}
