package s3backup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// relay stands between a dump program and its server. When the program says goodbye the relay keeps the server's
// side open: that session still has the snapshot which the dump was read from, so what is asked in it now is about
// exactly the same data. No lock, no second transaction, no moment at which two snapshots must agree.
type relay struct {
	listener net.Listener
	server   Server
	dir      string // holds the socket; only its owner may enter, for the server trusts whoever is behind it
	done     chan error
}

func newRelay(server Server) (*relay, error) {
	r := &relay{server: server, done: make(chan error, 1)}
	var err error
	// A client is the stricter about a password the less it trusts the way, so the relay offers the same kind.
	if network, _ := server.network(); network == "tcp" {
		r.listener, err = net.Listen("tcp", "127.0.0.1:0")
		return r, err
	}
	if r.dir, err = os.MkdirTemp("", "s3backup-"); err != nil {
		return nil, err
	}
	r.listener, err = net.Listen("unix", filepath.Join(r.dir, "s"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.dir))
	}
	return r, nil
}

// address is what the dump program is told instead of its server's.
func (r *relay) address() net.Addr { return r.listener.Addr() }

func (r *relay) close() error {
	err := r.listener.Close()
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}

// start relays one connection, and asks in its session before the program's first command and once it has said goodbye.
func (r *relay) start(ctx context.Context, before, after func(context.Context, asker) error) {
	go func() { r.done <- r.serve(ctx, before, after) }()
}

func (r *relay) serve(ctx context.Context, before, after func(context.Context, asker) error) error {
	stop := context.AfterFunc(ctx, func() { _ = r.listener.Close() })
	defer stop()
	client, err := r.listener.Accept()
	if err != nil {
		return fmt.Errorf("the dump program never connected: %w", err)
	}
	defer client.Close()
	server, err := r.server.dial(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	stopBoth := context.AfterFunc(ctx, func() { _ = client.Close(); _ = server.Close() })
	defer stopBoth()

	talk := &talk{client: client, server: server}
	talk.resume()
	err = talk.forward(func(session *wire) error { return before(ctx, session) })
	if err != nil {
		_ = server.Close()
		<-talk.answers
		return err
	}
	if err := talk.pause(); err != nil {
		return err
	}
	if err := after(ctx, talk.session()); err != nil {
		return err
	}
	return writePacket(server, 0, []byte{commandQuit})
}

// talk is what a dump program and its server say.
type talk struct {
	client, server net.Conn
	capabilities   uint32     // what the two agreed on
	answers        chan error // has one when answers are not relayed any more
}

// resume relays answers.
func (t *talk) resume() {
	t.answers = make(chan error, 1)
	go func() {
		_, err := io.Copy(t.client, t.server)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			_ = t.client.Close() // the server is gone, which the program learns in no other way
		}
		t.answers <- err
	}()
}

// pause stops relaying answers: the program has all of its own, the next ones are ours.
func (t *talk) pause() error {
	if err := t.server.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	if err := <-t.answers; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.answers <- err
		return fmt.Errorf("the server ended the dump's session: %w", err)
	}
	return t.server.SetReadDeadline(time.Time{})
}

func (t *talk) session() *wire {
	return &wire{
		conn: t.server, deprecateEOF: t.capabilities&capabilityDeprecateEOF != 0, queryAttributes: t.capabilities&capabilityQueryAttributes != 0,
	}
}

// forward relays commands until the program says goodbye, which it keeps to itself. ask is called before the first of
// them. An error means that answers may still be relayed.
func (t *talk) forward(ask func(*wire) error) error {
	greeted, asked := false, false
	for {
		sequence, payload, err := readPacket(t.client)
		if err != nil {
			return fmt.Errorf("the dump program ended its session early: %w", err)
		}
		if !greeted && len(payload) >= 4 {
			t.capabilities = binary.LittleEndian.Uint32(payload)
		}
		greeted = true
		if sequence == 0 && len(payload) == 1 && payload[0] == commandQuit {
			return nil
		}
		if sequence == 0 && !asked {
			asked = true
			if err := t.interrupt(ask); err != nil {
				return err
			}
		}
		if err := writePacket(t.server, sequence, payload); err != nil {
			return err
		}
	}
}

// interrupt asks in the program's session between two of its commands.
func (t *talk) interrupt(ask func(*wire) error) error {
	if t.capabilities&(capabilityTLS|capabilityCompress) != 0 {
		return fmt.Errorf("the dump program encrypts or compresses its session")
	}
	if err := t.pause(); err != nil {
		return err
	}
	err := ask(t.session())
	t.resume()
	return err
}
