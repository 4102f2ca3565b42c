package s3backup

import (
	"slices"
	"strings"
)

// requalify gives other names to the databases that a definition names before a dot, as in REFERENCES `a`.`t` or
// nextval(`a`.`s`). What stands in a string, such as a comment, stays. The text is the server's own, from SHOW CREATE
// TABLE.
func requalify(text string, names map[string]string) string {
	var out strings.Builder
	for text != "" {
		at := strings.IndexAny(text, "'`")
		if at < 0 {
			break
		}
		out.WriteString(text[:at])
		text = text[at:]
		end := quotedLength(text, text[0] == '\'')
		if end == 0 {
			break
		}
		name := text[:end]
		if name[0] == '`' && strings.HasPrefix(text[end:], ".`") {
			if other, known := names[strings.ReplaceAll(name[1:end-1], "``", "`")]; known {
				name = quoteName(other)
			}
			after := quotedLength(text[end+1:], false) // what comes after the dot is never a database
			name += text[end : end+1+after]
			end += 1 + after
		}
		out.WriteString(name)
		text = text[end:]
	}
	return out.String() + text
}

// inverse turns a map of names round.
func inverse(names map[string]string) map[string]string {
	back := map[string]string{}
	for from, to := range names {
		back[to] = from
	}
	return back
}

// quoteList is what stands between the parentheses of IN.
func quoteList(names []string) string {
	all := slices.Clone(names)
	for i := range all {
		all[i] = quoteText(all[i])
	}
	return strings.Join(all, ", ")
}
