package sshx

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
)

// Local is the machine that the program runs on, as a Host. The zero value is ready for use.
// Root scripts need the program to be root, or sudo without a password.
type Local struct{}

var _ Host = Local{}

// Run implements Host.
func (Local) Run(ctx context.Context, s Script) error {
	return hostError("localhost", runLocal(ctx, s))
}

func runLocal(ctx context.Context, s Script) error {
	sudo := s.Root && os.Geteuid() != 0
	l, err := startLifeline(ctx, startLocal, sudo)
	if err != nil {
		return err
	}
	defer l.close()
	return runScript(ctx, startLocal, l, sudo, s)
}

// Dial implements Host.
func (Local) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// startLocal implements starter.
func startLocal(_ context.Context, command string, stdout, stderr io.Writer) (*process, error) {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = outputTimeout
	ownGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var once sync.Once
	p := &process{stdin: stdin, done: make(chan struct{})}
	p.abort = func() { once.Do(func() { _ = cmd.Process.Kill() }) }
	go func() {
		p.err = localExit(cmd.Wait())
		close(p.done)
	}()
	return p, nil
}

func localExit(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case !errors.As(err, &exit):
		return err
	}
	if name := signalName(exit.ProcessState); name != "" {
		return &ExitError{Status: 255, Signal: name}
	}
	return &ExitError{Status: exit.ExitCode()}
}
