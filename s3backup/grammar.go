package s3backup

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// kind is what a statement of a dump is for.
type kind int

const (
	data    kind = iota // tables and rows
	setting             // of the session
	logging             // keeps what mysqldump's script does out of the binary log
	use                 // the database that what follows is about
	create              // of a database
	alter               // of a database, around a routine that was made under another collation
	drop                // of a view, trigger, routine or event
	place               // a view that only has columns, for others to be made upon
	body                // a view, trigger, routine or event
)

// object is what a statement makes of the kinds that run with the rights of their definer.
type object struct {
	kind    string // "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "PACKAGE", "PACKAGE BODY", "EVENT"
	name    string // "" where the script states it in a way that is not understood
	definer string // "user@host"
}

// The shapes of all that mariadb-dump and mysqldump write, as the dumps of MariaDB 10.11 and 11.8 and of MySQL 9 show them.
const (
	nameShape    = "`(?:[^`]|``)+`"
	accountShape = "((?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")(?:@(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"))?)"
	anyNameShape = "(?:`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|[\\w$\u0080-\U0010ffff]+)"
	oldShape     = `/\*!(?:[34]\d{4}|50[0-6]\d\d) ` // begins a conditional comment that every server takes for code
)

var shapes = []struct {
	kind  kind
	shape *regexp.Regexp
}{
	{use, regexp.MustCompile("^USE (" + nameShape + ")$")},
	{create, regexp.MustCompile("^CREATE DATABASE (?:/\\*!32312 IF NOT EXISTS\\*/ |IF NOT EXISTS )?(" + nameShape + `)(?: /\*!40100 DEFAULT CHARACTER SET \w+(?: COLLATE \w+)? ?\*/)?` +
		`(?: COMMENT '(?:[^'\\]|''|\\.)*')?(?: /\*!80016 DEFAULT ENCRYPTION='[YN]' \*/)?$`)},
	{alter, regexp.MustCompile("^ALTER DATABASE (" + nameShape + `) CHARACTER SET \w+ COLLATE \w+$`)},
	{data, regexp.MustCompile("^DROP (?:TABLE|SEQUENCE) IF EXISTS " + nameShape + "$")},
	{drop, regexp.MustCompile("^" + oldShape + "DROP (?:VIEW|TRIGGER|EVENT|PROCEDURE|FUNCTION|PACKAGE|PACKAGE BODY) IF EXISTS " + nameShape + ` ?\*/$`)},
	{data, regexp.MustCompile("^LOCK TABLES " + nameShape + " WRITE$")},
	{data, regexp.MustCompile("^(?:UNLOCK TABLES|COMMIT|commit|set autocommit=[01])$")},
	{data, regexp.MustCompile("^" + oldShape + "ALTER TABLE " + nameShape + ` (?:DISABLE|ENABLE) KEYS \*/$`)},
	{data, regexp.MustCompile("^CREATE SEQUENCE " + nameShape + ` (?:[a-z]+ |-?\d+ )+ENGINE=\w+$`)},
	{data, regexp.MustCompile(`^(?:DO|SELECT) SETVAL\(` + nameShape + `, -?\d+, [01](?:, \d+)?\)$`)},
	{place, regexp.MustCompile("^" + oldShape + "CREATE VIEW " + nameShape + ` AS SELECT ?\s+(?:(?:NULL|1) AS ` + nameShape + `(?:,\s+)?)+ ?\*/$`)},
}

var (
	insertShape  = "INSERT INTO `"
	tableShape   = regexp.MustCompile("^CREATE TABLE " + nameShape + ` \(\r?\n`)
	settingShape = regexp.MustCompile(`^(?:/\*M?!\d{5,6} )?SET [^;]*$`)
	bodyShapes   = []*regexp.Regexp{
		regexp.MustCompile("^CREATE DEFINER=" + accountShape + ` (?:AGGREGATE )?(PROCEDURE|FUNCTION|PACKAGE BODY|PACKAGE) (` + anyNameShape + `)`),
		regexp.MustCompile(`(?s)^` + oldShape + `CREATE\*/ ` + oldShape + "DEFINER=" + accountShape + `\*/ ` + oldShape + `(TRIGGER|EVENT) (?:(?:IF NOT EXISTS )?(?:` + anyNameShape + `\.)?(` + anyNameShape + `)[\s].*)?\*/$`),
		regexp.MustCompile(`(?s)^` + oldShape + `CREATE ALGORITHM=\w+ \*/\n` + oldShape + "DEFINER=" + accountShape + ` SQL SECURITY \w+ \*/\n` + oldShape + `(VIEW) (` + nameShape + `)(?: \(.*\))? AS .*\*/$`),
	}
	engineWord = regexp.MustCompile(`(?i)\bENGINE ?= ?(\w+)`)
	tableWord  = regexp.MustCompile(`(?i)\b(SELECT|DIRECTORY)\b`)
)

// engines are those whose tables hold their rows themselves, and nothing of another server or file.
var engines = []string{"innodb", "myisam", "aria", "memory", "archive", "csv", "blackhole", "rocksdb", "mrg_myisam", "sequence"}

// judge says what a statement is for, and refuses what no dump program writes.
func (s *script) judge(text []byte) (statement, error) {
	st := statement{text: text}
	if strings.HasPrefix(string(text[:min(len(text), len(insertShape))]), insertShape) {
		return st, nil // rows have looked at it
	}
	whole := string(text)
	for _, known := range shapes {
		if found := known.shape.FindStringSubmatch(whole); found != nil {
			st.kind = known.kind
			if len(found) > 1 {
				st.name = unquoted(found[1])
			}
			return st, nil
		}
	}
	if settingShape.MatchString(whole) {
		return s.judgeSetting(st, whole)
	}
	if tableShape.MatchString(whole) {
		return st, s.judgeTable(text)
	}
	for _, shape := range bodyShapes {
		if found := shape.FindStringSubmatch(whole); found != nil {
			st.kind = body
			st.made = object{kind: found[2], name: unquoted(found[3]), definer: accountOf(found[1])}
			return st, nil
		}
	}
	return st, fmt.Errorf("%w: no dump program writes such a statement", ErrScript)
}

func (s *script) judgeSetting(st statement, text string) (statement, error) {
	st.kind = setting
	probe := lexer{reading: s.server}
	version, length, conditional := probe.conditional([]byte(text))
	switch {
	case conditional:
		text = strings.TrimSuffix(text[length:], "*/")
	case strings.HasPrefix(text, "/*"):
		return st, fmt.Errorf("%w: a comment of another server's", ErrScript)
	}
	if strings.Contains(text, "*/") || strings.Contains(text, "/*") {
		return st, fmt.Errorf("%w: a comment within a SET", ErrScript)
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "SET ")
	if strings.HasPrefix(text, "@MYSQLDUMP_TEMP_LOG_BIN") || strings.HasPrefix(text, "@@SESSION.SQL_LOG_BIN") {
		st.kind = logging
	}
	return st, s.vars.set(text, !conditional || version == anyVersion)
}

// judgeTable looks at the code of a CREATE TABLE: all but its strings, names and comments.
func (s *script) judgeTable(text []byte) error {
	code, err := codeOf(text, s.vars.reading(s.server))
	if err != nil {
		return err
	}
	if found := tableWord.FindString(code); found != "" {
		return fmt.Errorf("%w: a table with %q", ErrScript, strings.ToUpper(found))
	}
	for _, found := range engineWord.FindAllStringSubmatch(code, -1) {
		if !slices.Contains(engines, strings.ToLower(found[1])) {
			return fmt.Errorf("%w: a table of the engine %q, which may lead out of the database", ErrScript, found[1])
		}
	}
	return nil
}

// codeOf gives what of a text is neither within quotes nor in a comment. A quoted part is two quotes.
func codeOf(text []byte, r reading) (string, error) {
	l := lexer{reading: r}
	var code []byte
	for i := 0; i < len(text); {
		before := l.state
		n, err := l.step(text[i:])
		if err != nil {
			return "", err
		}
		if before == '#' {
			// A comment ends with its line; step is used to lines.
			if end := strings.IndexByte(string(text[i:]), '\n'); end >= 0 {
				n = end + 1
			}
		}
		if before == inCode && (l.state == inCode || l.state != '*' && l.state != '!' && l.state != '#' && l.state != '+') {
			code = append(code, text[i:i+n]...)
		}
		i += n
	}
	return string(code), nil
}

// unquoted is a name without its quotes.
func unquoted(name string) string {
	if name == "" || name[0] != '`' && name[0] != '"' {
		return name
	}
	quote := name[:1]
	return strings.ReplaceAll(name[1:len(name)-1], quote+quote, quote)
}

// accountOf gives the account in a DEFINER clause as "user@host", as the server's own tables state it.
func accountOf(text string) string {
	switch user := quotedLength(text, false); user {
	case 0:
		return text
	case len(text):
		return unquoted(text)
	default:
		return unquoted(text[:user]) + "@" + unquoted(text[user+1:])
	}
}
