package s3backup

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
)

// script reads a dump program's output statement by statement, as the mysql client would.
type script struct {
	r         *bufio.Reader
	delimiter []byte
	text      []byte // of the statement being read; reused
	done      bool   // the trailer was seen
}

func newScript(r io.Reader) *script {
	return &script{r: bufio.NewReaderSize(r, 1<<20), delimiter: []byte(";")}
}

// statement is one statement without its delimiter, valid until the next.
type statement struct {
	text []byte
	body bool // it stood under another delimiter: a trigger, a routine, an event
}

// next gives the next statement, or io.EOF once the trailer was read. Without it the error is ErrTruncated.
func (s *script) next() (statement, error) {
	s.text = s.text[:0]
	for {
		begin := len(s.text)
		err := s.line()
		if err != nil && err != io.EOF {
			return statement{}, err
		}
		line := s.text[begin:]
		switch {
		case err == io.EOF && len(bytes.TrimSpace(s.text)) > 0 && !bytes.HasPrefix(line, []byte("--")):
			return statement{}, fmt.Errorf("%w: it ends within a statement", ErrTruncated)
		case err == io.EOF && !s.done && !bytes.HasPrefix(line, []byte(trailer)):
			return statement{}, fmt.Errorf("%w: its last line is not %q", ErrTruncated, trailer)
		case err == io.EOF:
			return statement{}, io.EOF
		case begin == 0 && s.skip(line):
			s.text = s.text[:0]
		case s.comment():
			s.text = s.text[:0]
		case s.ends():
			body := !bytes.Equal(s.delimiter, []byte(";"))
			text := bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimRight(s.text, " \r\n"), s.delimiter))
			if len(text) > 0 {
				return statement{text: text, body: body}, nil
			}
			s.text = s.text[:0]
		}
	}
}

// line appends one line with its line feed to the text.
func (s *script) line() error {
	for {
		part, err := s.r.ReadSlice('\n')
		s.text = append(s.text, part...)
		if err != bufio.ErrBufferFull {
			return err
		}
	}
}

// skip handles what is the client's business, not the server's.
func (s *script) skip(line []byte) bool {
	trimmed := bytes.TrimSpace(line)
	switch {
	case len(trimmed) == 0:
		return true
	case bytes.HasPrefix(trimmed, []byte("--")):
		s.done = bytes.HasPrefix(trimmed, []byte(trailer))
		return true
	case bytes.HasPrefix(trimmed, []byte(`/*M!999999\-`)): // MariaDB's sandbox line, which only its own client knows
		return true
	case bytes.HasPrefix(trimmed, []byte("DELIMITER ")):
		s.delimiter = bytes.Clone(bytes.TrimSpace(trimmed[len("DELIMITER "):]))
		return true
	}
	return false
}

// comment reports whether the text is one whole comment and no more, as mysqldump writes the transactions that it has.
func (s *script) comment() bool {
	text := bytes.TrimSpace(s.text)
	return bytes.HasPrefix(text, []byte("/*")) && !code(text) && bytes.Index(text, []byte("*/")) == len(text)-2
}

// code reports whether a comment is code to the server.
func code(text []byte) bool {
	return bytes.HasPrefix(text, []byte("/*!")) || bytes.HasPrefix(text, []byte("/*M!"))
}

// ends reports whether the text is a whole statement. The dump programs write no line feed within a value of a row,
// so the end of a line of rows is never within quotes; other statements are looked at.
func (s *script) ends() bool {
	text := bytes.TrimRight(s.text, " \r\n")
	if !bytes.HasSuffix(text, s.delimiter) {
		return false
	}
	if bytes.HasPrefix(text, []byte("INSERT ")) || len(s.delimiter) > 1 {
		return true
	}
	return !withinQuotes(text)
}

// withinQuotes reports whether text ends inside of a string, a quoted name or a comment. What is in a comment that
// begins with an exclamation mark is code.
func withinQuotes(text []byte) bool {
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch {
		case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`':
			n := quoted(rest)
			if n < 0 {
				return true
			}
			i += n
		case bytes.HasPrefix(rest, []byte("-- ")) || rest[0] == '#':
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				return true
			}
			i += n
		case bytes.HasPrefix(rest, []byte("/*")) && !code(rest):
			n := bytes.Index(rest, []byte("*/"))
			if n < 0 {
				return true
			}
			i += n + 1
		}
	}
	return false
}

// quoted gives the index of the quote that closes the one at the beginning, or -1.
func quoted(text []byte) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

// kind is what a statement of a dump is for.
type kind int

const (
	data    kind = iota // tables and rows
	setting             // of the session
	use                 // the database that what follows is about
	create              // of a database
	object              // a view, trigger, routine, event, or the dropping of one
)

var (
	useText     = regexp.MustCompile("^USE `((?:[^`]|``)+)`$")
	createText  = regexp.MustCompile("^(CREATE DATABASE (?:/\\*!32312 IF NOT EXISTS\\*/ )?)`((?:[^`]|``)+)`")
	settingText = regexp.MustCompile(`^(?:/\*M?!\d+ )?SET `)
	objectText  = regexp.MustCompile(`^(?:/\*!\d+ )?(?:DROP (?:VIEW|PROCEDURE|FUNCTION|EVENT|TRIGGER|PACKAGE)|CREATE VIEW|CREATE ALGORITHM|ALTER DATABASE)`)
)

func (s statement) kind() kind {
	head := s.text[:min(len(s.text), 400)]
	switch {
	case s.body:
		return object
	case settingText.Match(head):
		return setting
	case useText.Match(head):
		return use
	case createText.Match(head):
		return create
	case objectText.Match(head):
		return object
	}
	return data
}
