package terminal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/internal/terminal"
)

func TestNothingSteersTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain – ünïcode\tÄ":             "plain – ünïcode\tÄ",
		"\x1b]0;title\a\x1b[2J":          `\x1b]0;title\x07\x1b[2J`,
		"a\n2027-01-01 visitor forged\r": `a\x0a2027-01-01 visitor forged\x0d`,
		"\u009b31m \u202eevil":           `\x9b31m \u202eevil`,
	} {
		require.Equal(t, want, terminal.Line(in))
	}
	require.Equal(t, "two\n\tlines\\x1b", terminal.Lines("two\n\tlines\x1b"))

	var out strings.Builder
	n, err := fmt.Fprintf(terminal.Writer{W: &out}, "%s\n", "bad \x1b[2J")
	require.NoError(t, err)
	require.Equal(t, len("bad \x1b[2J\n"), n)
	require.Equal(t, "bad \\x1b[2J\n", out.String())
}
