package haproxycfg

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Problem is what HAProxy says against a configuration.
type Problem struct {
	Field string // where it comes from, such as `backend "app" server "web-1"`; empty where HAProxy names no line
	Line  int    // of the file that Render made; zero where HAProxy names none
	Text  string // in HAProxy's words
}

func (p Problem) Error() string {
	if p.Field == "" {
		return "haproxycfg: HAProxy says: " + p.Text
	}
	return fmt.Sprintf("haproxycfg: %s: HAProxy says of line %d: %s", p.Field, p.Line, p.Text)
}

var (
	complaint = regexp.MustCompile(`^\[(?:ALERT|WARNING)\]\s*\(\d+\) : (.*)$`)
	position  = regexp.MustCompile(`\[[^\[\]\s]*:(\d+)\]\s*:?\s*`)
)

// summaries are HAProxy's last words, which add nothing.
var summaries = []string{"Error(s) found in configuration file", "Fatal errors found in configuration",
	"Some warnings were found and 'zero-warning' is set", "Configuration file has no error",
	"Loading failure!", "Paused frontend", "Resumed frontend"}

// Explain turns the output of `haproxy -c -dW` on the file that Render makes of c into errors of type Problem, each
// naming the field that its line comes from. Nil means that HAProxy has nothing to say against it.
func Explain(c Config, output string) error {
	_, fields, err := render(c)
	if err != nil {
		return err
	}
	return explain(fields, output)
}

func explain(fields []string, output string) error {
	var errs []error
	for line := range strings.Lines(output) {
		m := complaint.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || isSummary(m[1]) {
			continue
		}
		text := strings.TrimPrefix(m[1], "config : ")
		p := Problem{Text: strings.TrimSpace(text)}
		if at := position.FindStringSubmatchIndex(text); at != nil {
			p.Line, _ = strconv.Atoi(text[at[2]:at[3]])
			if p.Line < len(fields) {
				p.Field = fields[p.Line]
			}
			p.Text = strings.TrimSpace(text[at[1]:])
		}
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

func isSummary(text string) bool {
	for _, s := range summaries {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
