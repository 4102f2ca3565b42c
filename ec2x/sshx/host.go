// Package sshx reaches a host: it dials with a checked host key, runs scripts, uploads, streams and tunnels.
package sshx

import (
	"context"
	"io"
	"net"
	"strings"
)

// Host is what a block needs of a host that it acts on: to run a script there and to reach a socket from there.
// Client reaches one over SSH; Local is the machine that the program runs on.
type Host interface {
	// Run runs a script with /bin/sh on the host and waits for it. When ctx ends, the script and what it
	// started are ended too. A script that exits other than 0 gives an *ExitError.
	Run(ctx context.Context, s Script) error

	// Dial connects to a "tcp" or "unix" address as the host sees it.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Script is one program for the host's /bin/sh.
type Script struct {
	// Text is POSIX shell. Values go into it through Quote only. It never appears in the host's process list.
	Text string

	// Root runs it as root (sudo -n, where the login user is another). Zero runs it as the login user.
	Root bool

	// Stdin is what the script reads; nil is empty. Stdout and Stderr receive its output; nil drops it
	// (the last lines of Stderr are kept for ExitError all the same). Where both are the same writer, one write at
	// a time reaches it.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// Quote returns s as one word of a POSIX shell line. It is the only way by which a value enters a script.
func Quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+-,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
