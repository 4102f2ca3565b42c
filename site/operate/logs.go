package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/internal/layout"
	"github.com/siteblocks/siteblocks/site/internal/terminal"
)

// LogOptions say what Logs shows besides the newest lines.
type LogOptions struct {
	Follow bool // go on until ctx ends
	All    bool // the health checks too, several lines a second
}

const (
	shownLines   = 100
	scannedLines = 10000 // of which most are of health checks
)

// Logs writes the newest lines of one server: visitors' requests as Apache had them, and what the application, Apache,
// the database and the boot said.
func (o Operator) Logs(ctx context.Context, server string, opts LogOptions, w io.Writer) error {
	h, err := o.Host(ctx, server)
	if err != nil {
		return err
	}
	defer h.Close()
	units := "-u 'app@*' -u apache2 -u " + o.Site.DatabaseSoftware().Service + " -u " + layout.BootUnit + " -u " + layout.BackupUnit + " -u " + layout.VerifyUnit
	journal := "journalctl -q --no-pager -o json --output-fields=MESSAGE,_SYSTEMD_UNIT,UNIT,_PID " + units
	access := sshx.Quote("/var/log/apache2/" + o.Site.Name + "-access.log")
	r := &logReader{health: newHealthLines(o.Site.WithDefaults().App.Health), all: opts.All}
	script := fmt.Sprintf("%s -n %d || exit; tail -n %d %s 2>/dev/null || true", journal, scannedLines, scannedLines, access)
	if err := h.Run(ctx, sshx.Script{Text: script, Root: true, Stdout: &lineWriter{line: r.line}}); err != nil {
		return err
	}
	slices.SortStableFunc(r.lines, func(a, b logLine) int { return a.at.Compare(b.at) })
	for _, l := range r.lines[max(0, len(r.lines)-shownLines):] {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	if !opts.Follow {
		return nil
	}
	r.lines, r.to = nil, w
	script = fmt.Sprintf("tail -q -n 0 -F %s 2>/dev/null &\nexec %s -n 0 -f", access, journal)
	return h.Run(ctx, sshx.Script{Text: script, Root: true, Stdout: &lineWriter{line: r.line}})
}

// logLine is one line of a server's log.
type logLine struct {
	at     time.Time
	source string // "app@8001", or "visitor" for a line of Apache's access log
	text   string
}

func (l logLine) String() string {
	return terminal.Line(l.at.UTC().Format("2006-01-02T15:04:05Z") + " " + l.source + " " + l.text)
}

// logReader takes the output of journalctl and the access log apart. It keeps the lines, or writes them to to.
type logReader struct {
	health *healthLines
	all    bool
	to     io.Writer
	lines  []logLine
}

func (r *logReader) line(line []byte) error {
	l, pid := parseLog(line)
	if l.text == "" || !r.all && r.health.has(l, pid) {
		return nil
	}
	if r.to == nil {
		r.lines = append(r.lines, l)
		return nil
	}
	_, err := fmt.Fprintln(r.to, l)
	return err
}

// accessTime is where Apache's access log has the time, behind the client's address and name.
var accessTime = regexp.MustCompile(`^(\S+) \S+ \S+ \[([^]]+)\] (.*)$`)

func parseLog(line []byte) (l logLine, pid string) {
	if found := accessTime.FindSubmatch(line); found != nil {
		at, _ := time.Parse("02/Jan/2006:15:04:05 -0700", string(found[2]))
		return logLine{at, "visitor", string(found[1]) + " " + string(found[3])}, ""
	}
	var e struct {
		Message any    `json:"MESSAGE"`
		Of      string `json:"_SYSTEMD_UNIT"`
		About   string `json:"UNIT"` // of what systemd itself says
		PID     string `json:"_PID"`
		At      string `json:"__REALTIME_TIMESTAMP"`
	}
	if json.Unmarshal(line, &e) != nil {
		return l, ""
	}
	at, _ := strconv.ParseInt(e.At, 10, 64)
	return logLine{time.UnixMicro(at), strings.TrimSuffix(cmp.Or(e.About, e.Of), ".service"), journalText(e.Message)}, e.PID
}

// journalText is a message, which is a list of bytes where it is no plain text.
func journalText(message any) string {
	if text, ok := message.(string); ok {
		return text
	}
	list, _ := message.([]any)
	text := make([]byte, 0, len(list))
	for _, v := range list {
		if n, ok := v.(float64); ok {
			text = append(text, byte(n))
		}
	}
	return strings.ToValidUTF8(string(text), "�")
}

// healthLines knows the lines that health checks leave. What an application writes is its own: a line that has the
// request in it, as most have it, and then Rails' further lines of the request.
type healthLines struct {
	request *regexp.Regexp
	open    map[string][]string // by the application's process: what Rails' next lines about a health check begin with
	tags    map[string]bool     // of Rails' health checks, where config.log_tags has the request's id
}

func newHealthLines(path string) *healthLines {
	return &healthLines{
		request: regexp.MustCompile(`\b(?:GET|HEAD) "?` + regexp.QuoteMeta(path) + `(?:["?\s]|$)`),
		open:    map[string][]string{}, tags: map[string]bool{},
	}
}

// ownRequest is one of this program: of status, by its name, or of the agent to Apache's balancer.
var ownRequest = regexp.MustCompile(`"` + userAgent + `" |^127\.0\.0\.1 "(?:GET|POST) /balancer-manager[? ]`)

var (
	logTags = regexp.MustCompile(`^(?:\[[^\]]*\] )+`)
	logID   = regexp.MustCompile(`\[[0-9a-f-]{36}\]`)                       // of a request, among the tags
	started = regexp.MustCompile(`^(?:\S+, \[[^]]*\] +\S+ -- : )?Started `) // with Ruby's prefix, or without
)

func (h *healthLines) has(l logLine, pid string) bool {
	if l.source == "visitor" {
		return h.request.MatchString(l.text) || ownRequest.MatchString(l.text)
	}
	if !strings.HasPrefix(l.source, "app@") {
		return false
	}
	tags := logTags.FindString(l.text)
	tag, text := logID.FindString(tags), strings.TrimPrefix(l.text, tags)
	if h.request.MatchString(text) {
		switch {
		case tag != "":
			h.tags[tag] = true
		case started.MatchString(text):
			h.open[pid] = append(h.open[pid], "Processing by ", "Completed ")
		}
		return true
	}
	if tag != "" {
		known := h.tags[tag]
		if strings.HasPrefix(text, "Completed ") {
			delete(h.tags, tag)
		}
		return known
	}
	for i, next := range h.open[pid] {
		if strings.Contains(text, next) {
			h.open[pid] = slices.Delete(h.open[pid], i, i+1)
			return true
		}
	}
	return false
}
