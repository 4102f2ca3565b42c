package s3backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// sieve reads what a dump program writes as Restore will read it, and lets it pass. A view, trigger, routine or event that
// Restore would refuse is left out: whoever may make one does not make every later backup useless. Where such a one ends
// cannot be read in the script, so its server is asked for its text.
type sieve struct {
	script  *script
	w       io.Writer
	texts   func(database string) ([]definition, error)
	in      *io.PipeWriter
	done    chan error
	current string // database
	left    []Left
	refused error // what Restore would refuse, and is not left out
}

// definition is a view, trigger, routine or event as its server states it.
type definition struct {
	kind, name string
	create     string
	tail       string // of create: what follows the definer, which the dump programs leave as it is
}

// rowBound is how much of a line of rows is kept to be looked at. Longer ones pass unread: Restore reads them.
const rowBound = 32 << 20

func newSieve(server Origin, w io.Writer, texts func(string) ([]definition, error)) *sieve {
	read, write := io.Pipe()
	v := &sieve{script: newScript(read, server), w: w, texts: texts, in: write, done: make(chan error, 1)}
	v.script.bound = rowBound
	v.script.pass = func(text []byte) error {
		_, err := w.Write(text)
		return err
	}
	go func() {
		err := v.run()
		_ = read.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		v.done <- err
	}()
	return v
}

func (v *sieve) Write(p []byte) (int, error) { return v.in.Write(p) }

// finish waits until all has passed. What a cut-off output is worth, others say.
func (v *sieve) finish() error {
	_ = v.in.Close()
	return <-v.done
}

func (v *sieve) run() error {
	for {
		text, err := v.script.split()
		if err != nil {
			ended, err := v.stuck(err)
			if ended || err != nil {
				return err
			}
			continue
		}
		if err := v.judge(text); err != nil {
			if err := v.judged(err); err != nil {
				return err
			}
		}
	}
}

// stuck goes on after a statement of which the script does not tell where it ends.
func (v *sieve) stuck(cause error) (ended bool, err error) {
	switch {
	case errors.Is(cause, io.EOF):
		return true, nil
	case !errors.Is(cause, ErrScript) && !errors.Is(cause, ErrTruncated):
		return true, cause
	}
	left, err := v.leaveOut(cause)
	if left || err != nil {
		return false, err
	}
	if errors.Is(cause, ErrScript) {
		v.refuse(cause)
	}
	return true, v.passRest()
}

// judged goes on after a statement that Restore would refuse.
func (v *sieve) judged(cause error) error {
	end := len(v.script.text)
	left, err := v.leaveOut(cause)
	if left || err != nil {
		return err
	}
	v.refuse(cause)
	err = v.script.pass(v.script.text[:end])
	v.script.unread(end)
	return err
}

func (v *sieve) refuse(cause error) {
	if v.refused == nil { // the first is enough
		v.refused = cause
	}
}

func (v *sieve) judge(text []byte) error {
	v.script.done = false
	if len(text) == 0 {
		return nil
	}
	st, err := v.script.judge(text)
	if err != nil {
		return fmt.Errorf("%w: at %q", err, excerpt(text))
	}
	if st.kind == use {
		v.current = st.name
	}
	return nil
}

func (v *sieve) passRest() error {
	if err := v.script.hand(); err != nil {
		return err
	}
	_, err := io.Copy(v.w, v.script.r)
	return err
}

// definerText is how the dump programs begin what has a definer, up to the text that they leave as it is.
var definerText = regexp.MustCompile("^(?:CREATE DEFINER=" + accountShape + " |" + oldShape + `CREATE\*/ ` + oldShape + "DEFINER=" + accountShape + `\*/ ` + oldShape +
	"|" + oldShape + `CREATE ALGORITHM=\w+ \*/\n` + oldShape + "DEFINER=" + accountShape + ` SQL SECURITY \w+ \*/\n` + oldShape + ")")

// leaveOut takes away the statement that the script is at, if it makes something that the server has with that very text.
func (v *sieve) leaveOut(cause error) (bool, error) {
	head := len(definerText.Find(v.script.text))
	if head == 0 || v.current == "" {
		return false, nil
	}
	all, err := v.texts(v.current)
	if err != nil {
		return false, err
	}
	for _, d := range all {
		end, err := v.script.endsAfter(head, d.tail)
		if err != nil {
			return false, err
		}
		if end > 0 {
			v.script.unread(end)
			v.left = append(v.left, Left{
				Kind: strings.ToLower(d.kind), Database: v.current, Name: d.name, Create: d.create, Why: "a restore would refuse it: " + cause.Error(),
			})
			return true, nil
		}
	}
	return false, nil
}

// state adds to the facts what was left out, and what a restore would refuse.
func (v *sieve) state(facts *Facts) {
	facts.Left = append(slices.Clip(facts.Left), v.left...)
	for _, l := range v.left {
		for i := range facts.Objects {
			o := &facts.Objects[i]
			if o.Database != l.Database {
				continue
			}
			switch l.Kind {
			case "view":
				o.Views--
			case "trigger":
				o.Triggers--
			case "event":
				o.Events--
			default:
				o.Routines--
			}
		}
	}
	if v.refused != nil {
		facts.Warnings = append(facts.Warnings, "a restore refuses this backup: "+v.refused.Error())
	}
}

// endsAfter gives the end of a statement that has the text after its head, or 0 where it has another. It reads on as far as
// that takes.
func (s *script) endsAfter(head int, text string) (int, error) {
	if !strings.HasPrefix(text, string(s.text[head:min(len(s.text), head+len(text))])) {
		return 0, nil
	}
	for len(s.text) < head+len(text) {
		if err := s.line(); errors.Is(err, io.EOF) {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
	}
	if !bytes.HasPrefix(s.text[min(head, len(s.text)):], []byte(text)) {
		return 0, nil
	}
	ending := regexp.MustCompile(`^\s*(?:\*/)?\s*` + regexp.QuoteMeta(string(s.delimiter)) + `[ \t\r]*\n`)
	for range 4 {
		if found := ending.FindIndex(s.text[head+len(text):]); found != nil {
			return head + len(text) + found[1], nil
		}
		if err := s.line(); errors.Is(err, io.EOF) {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// unread drops the text up to end and lets what follows it be read again.
func (s *script) unread(end int) {
	buffered, _ := s.r.Peek(s.r.Buffered())
	again := slices.Concat(s.text[end:], buffered)
	s.text = s.text[:0]
	if len(again) == len(buffered) {
		return
	}
	if s.again.r == nil {
		s.again.r = s.source
	}
	s.again.text = append(again, s.again.text...)
	s.r.Reset(&s.again)
}

// againReader gives a text and then what another reader gives.
type againReader struct {
	text []byte
	r    io.Reader
}

func (a *againReader) Read(p []byte) (int, error) {
	if len(a.text) == 0 {
		return a.r.Read(p)
	}
	n := copy(p, a.text)
	a.text = a.text[n:]
	return n, nil
}

// definitions reads the texts of a database's views, triggers, routines and events in the bytes in which the dump programs
// write them.
func (d Dump) definitions(ctx context.Context, database string) ([]definition, error) {
	s, err := d.Server.session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for _, text := range []string{"USE " + quoteName(database), "SET SESSION character_set_results = binary"} {
		if err := s.exec(ctx, text); err != nil {
			return nil, fmt.Errorf("s3backup: dump: %w", err)
		}
	}
	var all []definition
	for _, k := range append(slices.Clone(objectKinds), packageKinds...) {
		rows, err := s.query(ctx, k.list+quoteText(database)+" ORDER BY 1")
		if err != nil {
			return nil, fmt.Errorf("s3backup: list objects of %q: %w", database, err)
		}
		for _, row := range rows {
			create, err := one(ctx, s, "SHOW CREATE "+k.kind+" "+quoteName(row[0]), k.column)
			if err != nil {
				continue // dropped meanwhile, or a view that is broken
			}
			if head := shownText.FindString(create); head != "" {
				all = append(all, definition{k.kind, row[0], create, create[len(head):]})
			}
		}
	}
	return all, nil
}

// shownText is how SHOW CREATE begins, up to the text that the dump programs leave as it is.
var shownText = regexp.MustCompile("^CREATE (?:OR REPLACE )?(?:ALGORITHM=\\w+ )?DEFINER=" + accountShape + ` (?:SQL SECURITY \w+ )?`)
