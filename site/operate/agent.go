package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// do has the agent of a server do something that has no answer.
func (o Operator) do(ctx context.Context, h sshx.Host, r agent.Request) error {
	_, err := ask[struct{}](ctx, o, h, r)
	return err
}

// ask has the agent of a server do something, hands its events on, and returns its answer.
func ask[A any](ctx context.Context, o Operator, h sshx.Host, r agent.Request) (answer A, err error) {
	r.Version = agent.Version
	request, err := json.Marshal(r)
	if err != nil {
		return answer, err
	}
	out := &agentReader{events: o.emit, answer: &answer}
	err = h.Run(ctx, sshx.Script{
		Text: "exec " + layout.Agent + " agent request", Root: true,
		Stdin: bytes.NewReader(request), Stdout: &lineWriter{line: out.line},
	})
	if err == nil {
		err = out.err
	}
	return answer, err
}

// agentReader takes an agent's output apart: a message a line.
type agentReader struct {
	events func(site.Event)
	answer any
	err    error
}

func (r *agentReader) line(line []byte) error {
	var m agent.Message
	err := json.Unmarshal(line, &m)
	switch {
	case err != nil:
		r.err = fmt.Errorf("site: agent said %q: %w", line, err)
	case m.Event != nil:
		r.events(*m.Event)
	case m.Answer != nil:
		r.err = json.Unmarshal(m.Answer, r.answer)
	}
	return nil
}
