package s3backup

import (
	"bytes"
	"fmt"
	"regexp"
)

var insertHead = regexp.MustCompile("^INSERT INTO `(?:[^`]|``)+` (?:\\((?:(?:`(?:[^`]|``)+`|\\w+)(?:, )?)+\\) )?VALUES[ \r\n]")

// rows reads the rows of one INSERT. They are literals and nothing else, and no line ends within one: the dump programs
// write line feeds in a value as \n.
func (s *script) rows() ([]byte, error) {
	for bytes.Count(s.text, []byte("`"))%2 == 1 && insertHead.FindIndex(s.text) == nil { // a name has a line feed
		if err := s.line(); err != nil {
			return nil, s.ending(err)
		}
	}
	head := insertHead.FindIndex(s.text)
	if head == nil {
		return nil, fmt.Errorf("%w: an INSERT of another shape: at %q", ErrScript, excerpt(s.text))
	}
	if s.vars.reading(s.server).noBackslash {
		return nil, fmt.Errorf("%w: rows under a sql_mode in which a backslash is no escape", ErrScript)
	}
	for at := head[1]; ; {
		n, done := rowsOf(s.text[at:])
		switch {
		case n < 0:
			return nil, fmt.Errorf("%w: a row holds something else than literals: at %q", ErrScript, excerpt(s.text[at:]))
		case done:
			return s.cut(at + n)
		}
		at = len(s.text)
		if err := s.line(); err != nil {
			return nil, s.ending(err)
		}
		if s.poured {
			return s.pouredRows()
		}
	}
}

// pouredRows goes to the end of an INSERT of which a row was not kept: no line ends within a row.
func (s *script) pouredRows() ([]byte, error) {
	for !bytes.HasSuffix(s.text, []byte(");\n")) {
		if err := s.line(); err != nil {
			return nil, s.ending(err)
		}
	}
	s.poured = false
	return nil, nil
}

// rowsOf goes over the rows in a line. It returns where the semicolon after the last of them is, or that there is none
// yet, or less than 0 where the line is something else.
func rowsOf(line []byte) (n int, done bool) {
	i := 0
	for i < len(line) && isBlank(line[i]) {
		i++
	}
	for i < len(line) {
		if line[i] != '(' {
			return -1, false
		}
		for first := true; first || line[i] == ','; first = false {
			n := literal(line[i+1:])
			if i += 1 + n; n <= 0 || i >= len(line) {
				return -1, false
			}
		}
		if line[i] != ')' || i+1 >= len(line) {
			return -1, false
		}
		switch i++; line[i] {
		case ';':
			return i, true
		case ',':
			i++
		default:
			return -1, false
		}
		for i < len(line) && isBlank(line[i]) {
			i++
		}
	}
	return i, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' }

// literal returns how long the literal at the beginning is, or 0 where there is none.
func literal(text []byte) int {
	begin := 0
	switch {
	case bytes.HasPrefix(text, []byte("NULL")):
		return len("NULL")
	case bytes.HasPrefix(text, []byte("0x")):
		return 2 + span(text[2:], &hexDigits)
	case bytes.HasPrefix(text, []byte("_binary '")):
		begin = len("_binary ")
	case len(text) > 0 && text[0] != '\'':
		return span(text, &numberBytes)
	}
	if n := quotedLength(text[begin:], true); n > 0 {
		return begin + n
	}
	return 0
}

// byteSet tells of each byte whether it is in. All rows of a backup go by it, when it is made and when it is restored.
type byteSet [256]bool

var hexDigits, numberBytes = setOf("0123456789abcdefABCDEF"), setOf("0123456789.eE+-")

func setOf(text string) (set byteSet) {
	for _, c := range []byte(text) {
		set[c] = true
	}
	return set
}

// span counts the bytes at the beginning that are in set.
func span(text []byte, set *byteSet) int {
	n := 0
	for n < len(text) && set[text[n]] {
		n++
	}
	return n
}
