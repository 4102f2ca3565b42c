package s3backup

import (
	"bytes"
	"fmt"
)

// reading is what decides how a server cuts a text into words.
type reading struct {
	mariaDB     bool
	noBackslash bool // sql_mode NO_BACKSLASH_ESCAPES
	ansiQuotes  bool // sql_mode ANSI_QUOTES: "…" is a name, not a string
	twoByte     bool // character_set_client has characters that end in a backslash or a backquote
	noHints     bool // "/*+" begins a comment like any other, as in MariaDB before 12
}

// lexer goes over a text line by line as the server's own lexical analysis does, as far as that decides what is code and
// what is within quotes or a comment. Where that depends on what is not known here, it is an error.
// Source: sql/sql_lex.cc of MariaDB 11.8 and MySQL 9.
type lexer struct {
	reading
	skips  bool // takes conditional comments of versions that not every server has for comments, not for code
	unsure bool // one of those was there
	state  byte // inCode, or what the text is within: the quote itself, '#' to the line's end, '*' a comment, '+' a hint, '!' a skipped conditional comment
	depth  int  // of comments within a skipped conditional comment
	opened bool // within a conditional comment that is code
}

const inCode = 0

// find returns where the delimiter is in the line's code, from the index on, or -1.
func (l *lexer) find(line, delimiter []byte, from int) (int, error) {
	for i := from; i < len(line); {
		if l.state == inCode && bytes.HasPrefix(line[i:], delimiter) {
			return i, nil
		}
		n, err := l.step(line[i:])
		if err != nil {
			return -1, err
		}
		i += n
	}
	return -1, nil
}

// step takes the next few bytes of a line and returns how many.
func (l *lexer) step(rest []byte) (int, error) {
	if l.twoByte && rest[0] >= 0x80 && len(rest) > 1 && (rest[1] == '\\' || rest[1] == '`') {
		return 0, fmt.Errorf("%w: a character of two bytes may end in %q", ErrScript, rest[1])
	}
	switch l.state {
	case inCode:
		return l.code(rest)
	case '\'', '"', '`':
		return l.quoted(rest), nil
	case '#':
		l.state = inCode
		return len(rest), nil // the line's end ends it
	case '+':
		if bytes.IndexByte([]byte("'\"`\\"), rest[0]) >= 0 {
			return 0, fmt.Errorf("%w: quotes within an optimizer hint", ErrScript)
		}
	case '!':
		if bytes.HasPrefix(rest, []byte("/*")) && l.depth == 0 {
			l.depth++
			return 2, nil
		}
	}
	if !bytes.HasPrefix(rest, []byte("*/")) {
		return 1, nil
	}
	if l.depth > 0 {
		l.depth--
	} else {
		l.state = inCode
	}
	return 2, nil
}

// code takes what begins outside of quotes and comments.
func (l *lexer) code(rest []byte) (int, error) {
	switch c := rest[0]; {
	case c == '\'' || c == '"' || c == '`' || c == '#':
		l.state = c
		return 1, nil
	case bytes.HasPrefix(rest, []byte("--")):
		return l.dashes(rest)
	case bytes.HasPrefix(rest, []byte("/*")):
		return l.comment(rest), nil
	case l.opened && bytes.HasPrefix(rest, []byte("*/")):
		l.opened = false
		return 2, nil
	case c == '$' && !l.mariaDB:
		return 0, fmt.Errorf("%w: a dollar sign outside of quotes, which may quote what follows", ErrScript)
	case c == '\\' && !bytes.HasPrefix(rest, []byte(`\N`)):
		return 0, fmt.Errorf("%w: a backslash outside of quotes, which is a command to the client", ErrScript)
	case c == '\\':
		return 2, nil
	}
	return 1, nil
}

// dashes tells a comment from two minus signs: the server asks for a blank or a control character after them.
func (l *lexer) dashes(rest []byte) (int, error) {
	switch {
	case len(rest) == 2 || rest[2] <= ' ' || rest[2] == 0x7f:
		l.state = '#'
		return 2, nil
	case rest[2] >= 0x80:
		return 0, fmt.Errorf("%w: two dashes before a byte that is a blank in some character sets", ErrScript)
	}
	return 1, nil
}

// comment takes the beginning of a comment.
func (l *lexer) comment(rest []byte) int {
	l.state = '*'
	version, length, conditional := l.conditional(rest)
	switch {
	case len(rest) > 2 && rest[2] == '+' && !l.noHints:
		return l.hint(rest)
	case !conditional:
	case version == anyVersion:
		l.state, l.opened = inCode, true
	case version == noVersion:
		l.state = '!'
	default:
		l.unsure = true
		if l.state = '!'; !l.skips {
			l.state, l.opened = inCode, true
		}
	}
	return length
}

// hint takes an optimizer hint. A server may look for quotes in it, or may not. Where both find its end in the same place,
// that is where it ends; otherwise step goes on, and refuses the quotes.
func (l *lexer) hint(rest []byte) int {
	const begin = 3
	end := bytes.Index(rest[begin:], []byte("*/"))
	if end >= 0 && balanced(rest[begin:begin+end]) {
		l.state = inCode
		return begin + end + 2
	}
	l.state = '+'
	return begin
}

// balanced reports a text in which each quote is closed, and none is within others.
func balanced(text []byte) bool {
	const quotes = "'\"`"
	if bytes.IndexByte(text, '\\') >= 0 {
		return false
	}
	for {
		at := bytes.IndexAny(text, quotes)
		if at < 0 {
			return true
		}
		end := bytes.IndexAny(text[at+1:], quotes)
		if end < 0 || text[at+1+end] != text[at] {
			return false
		}
		text = text[at+1+end+1:]
	}
}

// Which servers take a conditional comment for code.
const (
	anyVersion   = iota // all that are known here
	someVersions        // it depends
	noVersion           // none
)

// conditional tells whether a comment is one that is code to some servers, and how long its beginning is. MariaDB does
// not take for code what is meant for MySQL 5.7 and later.
func (l *lexer) conditional(rest []byte) (version, length int, conditional bool) {
	begin := 3
	switch {
	case bytes.HasPrefix(rest, []byte("/*!")):
	case bytes.HasPrefix(rest, []byte("/*M!")) && l.mariaDB:
		begin = 4
	default:
		return 0, 2, false
	}
	digits := 0
	number := 0
	for digits < 6 && begin+digits < len(rest) && rest[begin+digits] >= '0' && rest[begin+digits] <= '9' {
		number = 10*number + int(rest[begin+digits]-'0')
		digits++
	}
	switch {
	case digits < 5:
		return anyVersion, begin, true
	case number < 50700:
		return anyVersion, begin + digits, true
	case l.mariaDB && begin == 3 && number <= 99999:
		return noVersion, begin + digits, true
	}
	return someVersions, begin + digits, true
}

// quotedLength is how long the string or quoted name is that a text begins with, quotes included; 0 where it has no end.
// The lexer is for texts that come line by line, this for one that is whole.
func quotedLength[T ~string | ~[]byte](text T, escapes bool) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && escapes:
			i++
		case text[i] == text[0] && i+1 < len(text) && text[i+1] == text[0]:
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return 0
}

// quoted takes the next bytes of a string or of a name.
func (l *lexer) quoted(rest []byte) int {
	quote := l.state
	escapes := quote != '`' && !l.noBackslash && !(quote == '"' && l.ansiQuotes)
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case l.twoByte && i > 0 && c >= 0x80:
			return i // for step to look at
		case c == '\\' && escapes:
			i++
		case c == quote && i+1 < len(rest) && rest[i+1] == quote:
			i++
		case c == quote:
			l.state = inCode
			return i + 1
		}
	}
	return len(rest)
}
