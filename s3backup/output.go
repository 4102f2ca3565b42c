package s3backup

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

const trailer = "-- Dump completed"

// sqlOutput keeps the beginning and the end of what passes, where the dump programs write down what they did.
type sqlOutput struct {
	w          io.Writer
	head, tail []byte
	line, most int64  // bytes of the line that is being written, and of the longest
	begin      []byte // of that line
	huge       []string
}

func (o *sqlOutput) Write(p []byte) (int, error) {
	const headSize, tailSize = 16 << 10, 8 << 10
	if room := headSize - len(o.head); room > 0 {
		o.head = append(o.head, p[:min(room, len(p))]...)
	}
	last := p[max(0, len(p)-tailSize):]
	o.tail = append(o.tail, last...)
	if len(o.tail) > 2*tailSize {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-tailSize:]...)
	}
	o.measure(p)
	return o.w.Write(p)
}

// measure looks for the longest line, which is the longest statement, and for those that no server takes.
func (o *sqlOutput) measure(p []byte) {
	const beginSize = 100
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		part := p
		if n > 0 {
			part = p[:n]
		}
		o.begin = append(o.begin, part[:min(len(part), beginSize-len(o.begin))]...)
		o.line += int64(len(part))
		o.most = max(o.most, o.line)
		p = p[len(part):]
		if n == 0 {
			return
		}
		if table := insertText.FindSubmatch(o.begin); o.line > mostPacket-1<<10 && table != nil {
			o.huge = append(o.huge, string(table[1]))
		}
		o.line, o.begin = 0, o.begin[:0]
	}
}

var insertText = regexp.MustCompile("^INSERT INTO (`(?:[^`]|``)+`)")

// longest states the longest line, and names what is too long for any server.
func (o *sqlOutput) longest(facts *Facts) {
	facts.Longest = o.most
	for _, table := range o.huge {
		facts.Warnings = append(facts.Warnings, fmt.Sprintf("table %s has a row that takes a statement of more than %s, the most that a server takes: this backup cannot be restored", table, Size(mostPacket)))
	}
}

// complete reports whether the very last line is the trailer.
func (o *sqlOutput) complete() bool {
	text := bytes.TrimRight(o.tail, "\n")
	return bytes.HasPrefix(text[bytes.LastIndexByte(text, '\n')+1:], []byte(trailer))
}

var (
	positionLine = regexp.MustCompile(`(?m)^-- CHANGE (?:MASTER|REPLICATION SOURCE) TO (?:MASTER|SOURCE)_LOG_FILE='([^'\n]+)', (?:MASTER|SOURCE)_LOG_POS=(\d+);`)
	mariaDBGTID  = regexp.MustCompile(`(?m)^-- SET GLOBAL gtid_slave_pos='([^'\n]*)';`)
	mysqlGTID    = regexp.MustCompile(`(?s)SET @@GLOBAL\.GTID_PURGED=(?:/\*!80000 '\+'\*/ )?'([^']*)';`)
)

func (o *sqlOutput) position(facts *Facts) {
	line := positionLine.FindSubmatch(o.head)
	if line == nil {
		facts.Warnings = append(facts.Warnings, "the dump does not state its position in the binary log")
		return
	}
	offset, err := strconv.ParseUint(string(line[2]), 10, 64)
	if err != nil {
		facts.Warnings = append(facts.Warnings, "the dump states an unreadable position: "+string(line[0]))
		return
	}
	p := Position{File: string(line[1]), Offset: offset}
	for _, pattern := range []*regexp.Regexp{mariaDBGTID, mysqlGTID} {
		for _, text := range [][]byte{o.head, o.tail} {
			if gtid := pattern.FindSubmatch(text); gtid != nil {
				p.GTID = strings.TrimPrefix(strings.ReplaceAll(string(gtid[1]), "\n", ""), "+")
			}
		}
	}
	facts.Position = &p
}
