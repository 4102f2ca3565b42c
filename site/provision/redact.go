package provision

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

const minSecret = 6 // shorter words of a secret are too common to be taken out of an output

// redactor takes the secrets of a plan out of what its commands put out.
type redactor struct{ replacer *strings.Replacer }

func (p *plan) redactor() redactor {
	var secrets []string
	_ = p.payloads(func(_ string, p *payload) error {
		if p.secret {
			secrets = append(secrets, p.text)
		}
		return nil
	})
	return newRedactor(secrets)
}

// redactor of all secrets of a state.
func (s State) redactor() redactor {
	var secrets []string
	for _, step := range s.Steps {
		switch step := step.(type) {
		case File:
			secrets = append(secrets, string(step.Secret))
		case Config:
			for _, f := range step.Files {
				secrets = append(secrets, string(f.Secret))
			}
		case Command:
			secrets = append(secrets, string(step.Stdin))
		}
	}
	return newRedactor(secrets)
}

func newRedactor(secrets []string) redactor {
	var words []string
	for _, s := range secrets {
		words = append(words, secretWords(s)...)
	}
	slices.SortFunc(words, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	words = slices.Compact(words)
	pairs := make([]string, 0, 2*len(words))
	for _, w := range words {
		pairs = append(pairs, w, redacted)
	}
	return redactor{strings.NewReplacer(pairs...)}
}

// secretWords returns the parts by which a secret could show in a checker's complaint: its lines, and the words and
// values in them.
func secretWords(secret string) []string {
	var words []string
	add := func(w string) {
		if len(w) >= minSecret {
			words = append(words, w)
		}
	}
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		add(line)
		for _, word := range strings.Fields(line) {
			add(word)
			for _, part := range strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune(`"'=:;,@/`, r) }) {
				add(part)
			}
		}
	}
	return words
}

func (r redactor) line(s string) string { return r.replacer.Replace(s) }

// A line of a secret file whose keys may be shown: KEY=value or "key": value; and one that has no value.
var (
	keyLine  = regexp.MustCompile(`^[-+ ][\t ]*("[A-Za-z_][\w.-]*"[\t ]*:|[A-Za-z_][\w.-]*[\t ]*=)`)
	bareLine = regexp.MustCompile(`^(---|\+\+\+|@@) |^[-+ ][\t ]*[{}\[\]]?,?$|^\\ `)
)

// withoutValues takes the values out of the diff of a secret file.
func withoutValues(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		switch key := keyLine.FindString(line); {
		case key != "":
			line = key + redacted
		case !bareLine.MatchString(line):
			line = line[:1] + redacted
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
