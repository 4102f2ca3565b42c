package operate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// agent runs a verb of the agent on a server and hands its events on; answer, if not nil, is its last line's value.
func (o Operator) agent(ctx context.Context, h sshx.Host, answer any, words ...string) error {
	out := &eventReader{o: o, answer: answer}
	command := "exec " + layout.Agent + " agent"
	for _, w := range words {
		command += " " + sshx.Quote(w)
	}
	err := h.Run(ctx, sshx.Script{Text: command, Root: true, Stdout: &lineWriter{line: out.line}})
	if err == nil {
		err = out.err
	}
	return err
}

// eventReader takes the agent's output apart: a JSON value a line, an Event or {"answer": …}.
type eventReader struct {
	o      Operator
	answer any
	err    error
}

func (r *eventReader) line(line []byte) error {
	var v struct {
		site.Event
		Answer json.RawMessage `json:"answer"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		r.err = fmt.Errorf("site: agent said %q: %w", line, err)
		return nil
	}
	if v.Answer == nil {
		r.o.emit(v.Event)
	} else if r.answer != nil {
		r.err = json.Unmarshal(v.Answer, r.answer)
	}
	return nil
}
