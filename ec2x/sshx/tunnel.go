package sshx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
)

// Tunnel is a local listener whose connections are continued from a host.
type Tunnel struct {
	// Log receives connections that could not be continued; nil is silent.
	Log *slog.Logger

	host             Host
	network, address string

	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	conns    sync.WaitGroup
}

// Forward listens on a loopback port of this machine and continues every connection to a "tcp" or "unix"
// address as the host sees it. It ends with ctx or Close.
func Forward(ctx context.Context, h Host, network, address string) (*Tunnel, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("sshx: forward %q: %w", address, err)
	}
	t := &Tunnel{host: h, network: network, address: address, listener: l}
	t.ctx, t.cancel = context.WithCancel(ctx)
	context.AfterFunc(t.ctx, func() { _ = l.Close() })
	t.conns.Go(t.accept)
	return t, nil
}

// Addr is where the tunnel listens, such as "127.0.0.1:40123".
func (t *Tunnel) Addr() string { return t.listener.Addr().String() }

// Close ends the tunnel and its connections.
func (t *Tunnel) Close() error {
	t.cancel()
	t.conns.Wait()
	return nil
}

func (t *Tunnel) accept() {
	for {
		c, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.conns.Go(func() { t.serve(c) })
	}
}

func (t *Tunnel) serve(local net.Conn) {
	defer local.Close()
	remote, err := t.host.Dial(t.ctx, t.network, t.address)
	if err != nil {
		if t.Log != nil {
			t.Log.Warn("tunnel", "address", t.address, "error", err)
		}
		return
	}
	defer remote.Close()
	stop := context.AfterFunc(t.ctx, func() { _ = local.Close(); _ = remote.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { relay(remote, local) })
	both.Go(func() { relay(local, remote) })
	both.Wait()
}

// relay copies one direction and passes its end on, so that half-closed protocols work.
func relay(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	if c, ok := dst.(interface{ CloseWrite() error }); ok && err == nil {
		_ = c.CloseWrite()
		return
	}
	_ = dst.Close()
}
