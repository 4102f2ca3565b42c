package haproxycfg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// Errors of Runtime that a caller can tell apart.
var (
	ErrNoServer  = errors.New("there is no such server")
	ErrNoBackend = errors.New("there is no such backend")
	ErrExists    = errors.New("there is a server of that name already")
	ErrBusy      = errors.New("the server has connections")

	// ErrCut means that the connection ended before the reply did: what was asked may have been done or not.
	ErrCut = errors.New("the reply was cut off")
)

// CommandError is a command that HAProxy did not accept. It unwraps to ErrNoServer, ErrNoBackend, ErrExists or ErrBusy
// where HAProxy's words mean that.
type CommandError struct {
	Command string
	Reply   string // HAProxy's words
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%q: HAProxy answers %q", e.Command, e.Reply)
}

func (e *CommandError) Unwrap() error {
	for _, known := range []struct {
		words string
		err   error
	}{
		{"No such server", ErrNoServer}, {"No such backend", ErrNoBackend}, {"Can't find backend", ErrNoBackend},
		{"Already exists a server", ErrExists}, {"connections attached to it", ErrBusy}, {"active sessions", ErrBusy},
	} {
		if strings.Contains(e.Reply, known.words) {
			return known.err
		}
	}
	return nil
}

// session is one connection to the runtime socket, in interactive mode: only there every reply has an end that can be
// told from a connection that broke.
type session struct {
	conn    net.Conn
	r       *bufio.Reader
	timeout time.Duration
	version Version
	release func() bool

	onePrompt bool // it comes after a line of commands, not after each of them
}

const (
	prompt   = "\n> "
	maxReply = 64 << 20
)

// open talks over a connection, which it closes with the session.
func open(ctx context.Context, conn net.Conn, timeout time.Duration) (*session, error) {
	s := &session{conn: conn, r: bufio.NewReader(conn), timeout: timeout}
	s.release = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	if err := s.greet(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// greet switches to interactive mode, and asks who answers, in a way that shows whether there is a prompt after each
// command (to 3.0) or one for the line (3.2).
func (s *session) greet(ctx context.Context) error {
	if _, err := s.ask(ctx, "prompt"); err != nil {
		return err
	}
	const twice = "show version; show version"
	if _, err := io.WriteString(s.conn, twice+"\n"); err != nil {
		return s.broken(ctx, twice, err)
	}
	text, err := s.reply()
	words := strings.Fields(text)
	if s.onePrompt = len(words) > 1; err == nil && !s.onePrompt {
		_, err = s.reply()
	}
	if err != nil {
		return s.broken(ctx, twice, err)
	}
	if len(words) == 0 {
		return fmt.Errorf("%q: HAProxy does not tell its version", twice)
	}
	s.version, err = ParseVersion(words[0])
	return err
}

func (s *session) close() {
	s.release()
	s.conn.Close()
}

// ask sends commands in one line, which HAProxy runs without anything in between, and returns a reply for each.
func (s *session) ask(ctx context.Context, commands ...string) ([]string, error) {
	for _, c := range commands {
		if strings.ContainsAny(c, ";\\<\"'") || control(c) != "" {
			return nil, fmt.Errorf("%q is not one command", c)
		}
	}
	if err := s.conn.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // it may have ended before the deadline was set
		return nil, context.Cause(ctx)
	}
	line := strings.Join(commands, "; ")
	if _, err := io.WriteString(s.conn, line+"\n"); err != nil {
		return nil, s.broken(ctx, line, err)
	}
	replies, err := s.replies(len(commands))
	if err != nil {
		return nil, s.broken(ctx, line, err)
	}
	return replies, nil
}

// replies reads so many.
func (s *session) replies(n int) ([]string, error) {
	if s.onePrompt {
		all, err := s.reply()
		if err != nil {
			return nil, err
		}
		return split(all, n)
	}
	var list []string
	for range n {
		reply, err := s.reply()
		if err != nil {
			return nil, err
		}
		list = append(list, reply)
	}
	return list, nil
}

// reply reads up to the prompt. (An empty line stands before it, except where 2.6 forgot the end of the line.)
func (s *session) reply() (string, error) {
	var b strings.Builder
	for {
		part, err := s.r.ReadString(' ')
		b.WriteString(part)
		if err != nil {
			return "", err
		}
		if text, ok := strings.CutSuffix(b.String(), prompt); ok {
			return text, nil
		}
		if b.Len() > maxReply {
			return "", fmt.Errorf("the reply is longer than %d bytes", maxReply)
		}
	}
}

// split divides the replies to n commands of one line, each of which ends with an empty line.
func split(all string, n int) ([]string, error) {
	if n == 1 {
		return []string{all}, nil
	}
	list := []string{""}
	for line := range strings.Lines(all + "\n") {
		if last := len(list) - 1; line != "\n" {
			list[last] += line
		} else {
			list = append(list, "")
		}
	}
	if list = list[:len(list)-1]; len(list) != n {
		return nil, fmt.Errorf("%d replies came to %d commands", len(list), n)
	}
	return list, nil
}

// broken says why a reply is not there.
func (s *session) broken(ctx context.Context, line string, err error) error {
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("no reply within %v: %w", s.timeout, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		err = ErrCut
	}
	return fmt.Errorf("%q: %w", line, err)
}

// command is one command with the reply that means that it was done.
type command struct{ text, done string }

// do runs commands in one line and wants each done.
func (s *session) do(ctx context.Context, commands ...command) error {
	var texts []string
	for _, c := range commands {
		texts = append(texts, c.text)
	}
	replies, err := s.ask(ctx, texts...)
	if err != nil {
		return err
	}
	for i, c := range commands {
		if reply := strings.TrimSpace(replies[i]); reply != c.done {
			return &CommandError{Command: c.text, Reply: reply}
		}
	}
	return nil
}
