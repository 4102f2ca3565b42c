package sshx

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// Size is a terminal's size in characters.
type Size struct{ Columns, Rows int }

// Terminal is the person's side of Shell.
type Terminal struct {
	In  io.Reader // keystrokes; the caller puts its terminal into raw mode
	Out io.Writer
	Err io.Writer // used without Type only, as a terminal has one output

	// Type is the terminal's type, such as "xterm-256color" ($TERM). Zero runs without a terminal on the host.
	Type string
	Size Size // zero is 80 columns by 24 rows

	// Resize tells the host of a changed size; may be nil.
	Resize <-chan Size
}

// Shell runs a command line by the user's login shell with the terminal attached; an empty command is the login
// shell itself. The command line is visible in the host's process list. The end of ctx hangs it up.
// A command that exits other than 0 gives an *ExitError.
func (c *Client) Shell(ctx context.Context, command string, t Terminal) error {
	if err := c.shell(ctx, command, t); err != nil {
		return hostError(c.target.Name, err)
	}
	return nil
}

func (c *Client) shell(ctx context.Context, command string, t Terminal) error {
	return c.with(ctx, anyUser, func(cn *conn) error { return cn.shell(ctx, command, t) })
}

func (cn *conn) shell(ctx context.Context, command string, t Terminal) error {
	ch, reqs, err := cn.open(ctx)
	if err != nil {
		return err
	}
	defer ch.Close()
	stop := context.AfterFunc(ctx, func() { _ = ch.Close() })
	defer stop()
	s := newSession(ch, reqs)
	if err := begin(ch, command, t); err != nil {
		return err
	}
	go t.feed(ch)
	go t.follow(ch, s.exited)
	err = s.wait(writer(t.Out), writer(t.Err))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// begin asks for the terminal and starts the command.
func begin(ch ssh.Channel, command string, t Terminal) error {
	if t.Type != "" {
		size := t.Size
		if size.Columns <= 0 || size.Rows <= 0 {
			size = Size{80, 24}
		}
		pty := struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}{t.Type, uint32(size.Columns), uint32(size.Rows), 0, 0, "\x00"}
		if ok, err := ch.SendRequest("pty-req", true, ssh.Marshal(pty)); err != nil || !ok {
			return fmt.Errorf("ask for a terminal: refused (%v)", err)
		}
	}
	request, payload := "shell", []byte(nil)
	if command != "" {
		request, payload = "exec", ssh.Marshal(struct{ Command string }{command})
	}
	if ok, err := ch.SendRequest(request, true, payload); err != nil || !ok {
		return fmt.Errorf("start %s: refused (%v)", request, err)
	}
	return nil
}

func (t Terminal) feed(ch ssh.Channel) {
	if t.In != nil {
		_, _ = io.Copy(struct{ io.Writer }{ch}, t.In)
	}
	_ = ch.CloseWrite()
}

func (t Terminal) follow(ch ssh.Channel, exited <-chan struct{}) {
	for {
		select {
		case size, ok := <-t.Resize:
			if !ok {
				return
			}
			change := struct{ Columns, Rows, Width, Height uint32 }{uint32(size.Columns), uint32(size.Rows), 0, 0}
			_, _ = ch.SendRequest("window-change", false, ssh.Marshal(change))
		case <-exited:
			return
		}
	}
}

func writer(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
