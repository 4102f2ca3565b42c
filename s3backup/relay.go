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

// start relays one connection, and asks in its session once the program has said goodbye.
func (r *relay) start(ctx context.Context, ask func(context.Context, asker) error) {
	go func() { r.done <- r.serve(ctx, ask) }()
}

func (r *relay) serve(ctx context.Context, ask func(context.Context, asker) error) error {
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

	answers := make(chan error, 1)
	go func() {
		_, err := io.Copy(client, server)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			_ = client.Close() // the server is gone, which the program learns in no other way
		}
		answers <- err
	}()
	capabilities, err := forward(server, client)
	if err != nil {
		_ = server.Close()
		<-answers
		return err
	}
	// Stop relaying answers: the program has all of its own, the next ones are ours.
	if err := server.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	if err := <-answers; !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the server ended the dump's session: %w", err)
	}
	if err := server.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if capabilities&(capabilityTLS|capabilityCompress) != 0 {
		return fmt.Errorf("the dump program encrypts or compresses its session")
	}
	session := &wire{
		conn: server, deprecateEOF: capabilities&capabilityDeprecateEOF != 0, queryAttributes: capabilities&capabilityQueryAttributes != 0,
	}
	if err := ask(ctx, session); err != nil {
		return err
	}
	return writePacket(server, 0, []byte{commandQuit})
}

// forward relays commands until the program says goodbye, which it keeps to itself. It returns what the two agreed on.
func forward(server, client net.Conn) (capabilities uint32, err error) {
	for first := true; ; first = false {
		sequence, payload, err := readPacket(client)
		if err != nil {
			return capabilities, fmt.Errorf("the dump program ended its session early: %w", err)
		}
		if first && len(payload) >= 4 {
			capabilities = binary.LittleEndian.Uint32(payload)
		}
		if sequence == 0 && len(payload) == 1 && payload[0] == commandQuit {
			return capabilities, nil
		}
		if err := writePacket(server, sequence, payload); err != nil {
			return capabilities, err
		}
	}
}
