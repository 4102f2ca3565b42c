package apachecfg

import "time"

// Dollar, Quote and QuoteHeader are for the tests of quoting.
const Dollar = dollar

func Quote(s string) string       { return quote(s) }
func QuoteHeader(s string) string { return quoteHeader(s) }

// Judge is Preflight's decision about the lines that the script printed.
func Judge(s Site, lines ...string) error {
	f := facts{own: map[string]bool{}, listening: map[uint16]string{}}
	for _, l := range lines {
		f.add(l)
	}
	return f.judge(s, judgeTime)
}

var judgeTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
