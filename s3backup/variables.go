package s3backup

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// variables are what a script has set in its session, by name in lower case; "@…" is a variable of its own. What it did
// not set is "".
type variables map[string]string

// settable are the variables that the dump programs set, and that change nothing but how the script is read and loaded.
var settable = []string{
	"autocommit", "character_set_client", "character_set_results", "collation_connection", "foreign_key_checks", "names", "note_verbosity",
	"sql_mode", "sql_notes", "system_versioning_insert_history", "time_zone", "unique_checks", "sql_log_bin",
}

var (
	assignment = regexp.MustCompile(`^(?:(?i:@@(?:SESSION\.)?|SESSION )?([A-Za-z_]+)|(@[A-Za-z_]+)) *= *(?:(@[A-Za-z_]+)|@@(?i:SESSION\.)?([A-Za-z_]+)|'([\w+:/., -]*)'|(\w+))$`)
	namesText  = regexp.MustCompile(`^NAMES (\w+)$`)
)

// set takes the assignments of a SET. surely says that every server runs it, and not only those of some versions.
func (v variables) set(text string, surely bool) error {
	for _, part := range split(text) {
		if found := namesText.FindStringSubmatch(part); found != nil {
			v["character_set_client"], v["names"] = found[1], found[1]
			continue
		}
		found := assignment.FindStringSubmatch(part)
		if found == nil {
			return fmt.Errorf("%w: a SET of another shape: %q", ErrScript, excerpt([]byte(part)))
		}
		name, own := strings.ToLower(found[1]), found[2]
		if own == "" && !slices.Contains(settable, name) {
			return fmt.Errorf("%w: it sets %q", ErrScript, name)
		}
		if found[4] != "" && !slices.Contains(settable, strings.ToLower(found[4])) {
			return fmt.Errorf("%w: it reads %q", ErrScript, found[4])
		}
		reads := name == "sql_mode" || name == "character_set_client"
		if reads && found[6] != "" && (found[6][0] <= '9' || strings.EqualFold(found[6], "default")) {
			return fmt.Errorf("%w: it sets %q to %s", ErrScript, name, found[6])
		}
		if reads && !surely {
			return fmt.Errorf("%w: it sets %q on some servers only", ErrScript, name)
		}
		value := found[5] + found[6]
		switch {
		case found[3] != "":
			value = v[found[3]]
		case found[4] != "":
			value = v[strings.ToLower(found[4])]
		}
		v[own+name] = value
	}
	return nil
}

// split cuts at the commas outside of quotes.
func split(text string) []string {
	var parts []string
	begin, quoted := 0, false
	for i := range len(text) {
		switch {
		case text[i] == '\'':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			parts = append(parts, strings.TrimSpace(text[begin:i]))
			begin = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[begin:]))
}

// ansiModes are the sql_modes in which "…" is a name. Those of other products hold ANSI_QUOTES.
var ansiModes = []string{"ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"}

// twoByteCharsets have characters whose second byte may be a backslash or a backquote.
var twoByteCharsets = []string{"big5", "cp932", "gb18030", "gbk", "sjis"}

// reading is how a server, of which r is what never changes, reads what comes next.
func (v variables) reading(r reading) reading {
	r.twoByte = slices.Contains(twoByteCharsets, strings.ToLower(v["character_set_client"]))
	for mode := range bytes.SplitSeq(bytes.ToUpper([]byte(v["sql_mode"])), []byte(",")) {
		r.noBackslash = r.noBackslash || string(mode) == "NO_BACKSLASH_ESCAPES"
		r.ansiQuotes = r.ansiQuotes || slices.Contains(ansiModes, string(mode))
	}
	return r
}
