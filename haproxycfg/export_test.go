package haproxycfg

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Quote and QuoteFormat are for the tests of quoting, Load for that of rolling back.
func Quote(s string) string       { return quote(s) }
func QuoteFormat(s string) string { return quoteFormat(s) }

// Forged is for the comparison with apachecfg's list.
var Forged = forged

func Load(ctx context.Context, h sshx.Host, c Config) error { return load(ctx, h, c, true) }

// Judge is Preflight's decision about the lines that the script printed.
func Judge(c Config, lines ...string) error {
	_, fields, err := render(c)
	if err != nil {
		return err
	}
	f := &facts{pem: map[string][]byte{}}
	for _, l := range lines {
		if err := f.add(l); err != nil {
			return err
		}
	}
	return f.judge(c, fields, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

// LineOf is the number of the line that has the text, and the field that it comes from.
func LineOf(c Config, text string) (int, string) {
	file, fields, err := render(c)
	if err != nil {
		return 0, err.Error()
	}
	for i, line := range strings.Split(string(file), "\n") {
		if strings.Contains(line, text) {
			return i + 1, fields[i+1]
		}
	}
	return 0, ""
}

// Sections are the lines of a file that begin a section.
func Sections(file []byte) []string {
	var list []string
	for line := range strings.Lines(string(file)) {
		if r := rune(line[0]); unicode.IsLetter(r) || r == '.' {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}
