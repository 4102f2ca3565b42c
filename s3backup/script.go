package s3backup

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
)

// script reads a dump program's output statement by statement. Where a statement ends, the server's own reading
// decides, under the sql_mode and character set that the script has set by then: the delimiter counts only outside of
// quotes and comments. What a dump program does not write is refused by name, so that a text which somebody could put
// into a table's comment or a routine's body cannot become a statement of its own.
type script struct {
	r         *bufio.Reader
	server    reading // what of it never changes
	delimiter []byte
	text      []byte // of the statement being read; reused
	first     bool   // no line was read yet
	done      bool   // the trailer was seen
	vars      variables

	// What follows is for the sieve, which lets pass what was read.
	pass   func([]byte) error // takes what was read; nil drops it
	bound  int                // of the bytes of a statement that are kept; 0: all
	poured bool               // of the rows being read one was longer than that, and passed unread
	source io.Reader
	again  againReader // gives what is to be read again, and then the source
}

// newScript reads a script as a server does.
func newScript(r io.Reader, server Origin) *script {
	return &script{
		r: bufio.NewReaderSize(r, 1<<20), source: r, server: readingOf(server), delimiter: []byte(";"), first: true, vars: variables{},
	}
}

func readingOf(server Origin) reading {
	r := reading{mariaDB: server.Flavor != "mysql"}
	var version int
	_, err := fmt.Sscanf(server.Version, "%d.", &version)
	r.noHints = r.mariaDB && err == nil && version < 12
	return r
}

// statement is one statement without its delimiter, valid until the next.
type statement struct {
	text []byte
	kind kind
	made object // what it makes: of kinds body and view
	name string // of the database: of kinds use, create and alter
}

// next gives the next statement, or io.EOF once the trailer was read. Without it the error is ErrTruncated.
func (s *script) next() (statement, error) {
	for {
		text, err := s.split()
		if err != nil {
			return statement{}, err
		}
		s.done = false
		if len(text) == 0 {
			continue
		}
		st, err := s.judge(text)
		if err != nil {
			return st, fmt.Errorf("%w: at %q", err, excerpt(text))
		}
		return st, nil
	}
}

// split gives the text of the next statement, whatever it is.
func (s *script) split() ([]byte, error) {
	for {
		if err := s.hand(); err != nil {
			return nil, err
		}
		if err := s.line(); err != nil {
			return nil, s.ending(err)
		}
		line, first := bytes.TrimSpace(s.text), s.first
		s.first = false
		switch {
		case s.poured:
			return s.pouredRows()
		case len(line) == 0 || first && string(line) == sandboxLine:
		case bytes.HasPrefix(line, []byte("--")):
			if len(line) > 2 && line[2] != ' ' && line[2] != '\t' {
				return nil, fmt.Errorf("%w: a line begins with two dashes and is no comment to the server: at %q", ErrScript, excerpt(line))
			}
			s.done = bytes.HasPrefix(s.text, []byte(trailer))
		case bytes.HasPrefix(s.text, []byte("/* ")):
			if err := s.comment(); err != nil {
				return nil, err
			}
		case len(line) >= 9 && bytes.EqualFold(line[:9], []byte("DELIMITER")):
			if err := s.setDelimiter(s.text); err != nil {
				return nil, err
			}
		case bytes.HasPrefix(s.text, []byte("INSERT INTO `")) && string(s.delimiter) == ";":
			return s.rows()
		default:
			return s.rest()
		}
	}
}

// hand lets pass what was read, and forgets it.
func (s *script) hand() error {
	text := s.text
	s.text = s.text[:0]
	if s.pass == nil || len(text) == 0 {
		return nil
	}
	return s.pass(text)
}

func (s *script) ending(err error) error {
	switch {
	case err != io.EOF:
		return err
	case len(bytes.TrimSpace(s.text)) > 0:
		return fmt.Errorf("%w: it ends within a statement", ErrTruncated)
	case !s.done:
		return fmt.Errorf("%w: its last line is not %q", ErrTruncated, trailer)
	}
	return io.EOF
}

// line appends one line with its line feed to the text. The last one may lack it.
func (s *script) line() error {
	begin := len(s.text)
	for {
		part, err := s.r.ReadSlice('\n')
		s.text = append(s.text, part...)
		if s.bound > 0 && len(s.text) > s.bound {
			if err := s.pour(); err != nil {
				return err
			}
			begin = 0
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(s.text) > begin:
			err = nil
		}
		if err == nil && bytes.IndexByte(s.text[begin:], 0) >= 0 {
			return fmt.Errorf("%w: a byte of zero: at %q", ErrScript, excerpt(s.text[begin:]))
		}
		return err
	}
}

// pour lets rows pass that are too long to be kept, but for their end.
func (s *script) pour() error {
	const end = 16
	if !s.poured && !bytes.HasPrefix(s.text, []byte(insertShape)) {
		return fmt.Errorf("%w: a statement of more than %s", ErrScript, Size(s.bound))
	}
	s.poured = true
	cut := len(s.text) - end
	if err := s.pass(s.text[:cut]); err != nil {
		return err
	}
	s.text = append(s.text[:0], s.text[cut:]...)
	return nil
}

// sandboxLine is MariaDB's first line, which only its own client knows.
const sandboxLine = `/*M!999999\- enable the sandbox mode */`

var delimiterLine = regexp.MustCompile("^DELIMITER ([^\\s'\"`\\\\#*]+)\r?\n?$")

func (s *script) setDelimiter(line []byte) error {
	found := delimiterLine.FindSubmatch(line)
	if found == nil || bytes.Contains(found[1], []byte("--")) {
		return fmt.Errorf("%w: a delimiter that no dump program sets: at %q", ErrScript, excerpt(line))
	}
	s.delimiter = bytes.Clone(found[1])
	return nil
}

// rest reads on until the delimiter. Two readings must agree on where it is: that of a server which takes all
// conditional comments for code, and that of one which takes those of versions that it may not have for comments.
func (s *script) rest() ([]byte, error) {
	whole := lexer{reading: s.vars.reading(s.server)}
	skips := whole
	skips.skips = true
	for begin := 0; ; {
		line := s.text[begin:]
		if begin > 0 && whole.state == inCode && len(line) >= 9 && bytes.EqualFold(line[:9], []byte("DELIMITER")) {
			return nil, fmt.Errorf("%w: a comment at the end of a body hides the end: at %q", ErrScript, excerpt(s.text))
		}
		end, err := whole.find(line, s.delimiter, 0)
		if err == nil && (whole.unsure || skips.unsure) {
			err = agree(&whole, &skips, line, s.delimiter, end)
		} else {
			skips = whole
			skips.skips = true
		}
		if err == nil && end >= 0 && whole.opened {
			err = fmt.Errorf("%w: its delimiter stands within a conditional comment", ErrScript)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: at %q", err, excerpt(s.text))
		}
		if end >= 0 {
			return s.cut(begin + end)
		}
		begin = len(s.text)
		if err := s.line(); err != nil {
			return nil, s.ending(err)
		}
	}
}

// agree goes over the line with the second reading, too.
func agree(whole, skips *lexer, line, delimiter []byte, end int) error {
	other, err := skips.find(line, delimiter, 0)
	if err == nil && (other != end || end >= 0 && skips.opened) {
		err = fmt.Errorf("%w: servers of different versions find the end of it in different places", ErrScript)
	}
	return err
}

// cut ends the statement at the delimiter, after which a dump program writes nothing more into the line.
func (s *script) cut(end int) ([]byte, error) {
	after := s.text[end+len(s.delimiter):]
	if len(bytes.TrimSpace(after)) > 0 {
		return nil, fmt.Errorf("%w: something follows a statement in its line: %q: at %q", ErrScript, excerpt(bytes.TrimSpace(after)), excerpt(s.text[:end]))
	}
	return bytes.TrimSpace(s.text[:end]), nil
}

// comment reads one that stands by itself, as mysqldump writes the transactions that it has: with no delimiter after it.
func (s *script) comment() error {
	for {
		if end := bytes.Index(s.text, []byte("*/")); end >= 0 {
			if after := bytes.TrimSpace(s.text[end+2:]); len(after) > 0 {
				return fmt.Errorf("%w: something follows a comment in its line: at %q", ErrScript, excerpt(after))
			}
			return nil
		}
		if err := s.line(); err != nil {
			return s.ending(err)
		}
	}
}

func excerpt(text []byte) string {
	const limit = 80
	if len(text) <= limit {
		return string(text)
	}
	return string(text[:limit]) + "…"
}
