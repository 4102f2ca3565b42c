package sshx

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// ErrLost says that the connection ended before the host answered, as it does when the host is rebooted.
// Whether the script finished is not known; what was still running has been ended.
// It is also in the error of a call that found every connection lost and could not make another one.
var ErrLost = errors.New("connection lost")

// errUnopened is an ErrLost of a connection on which nothing was begun: another one may be used instead.
var errUnopened = fmt.Errorf("%w before anything was begun", ErrLost)

// errFull says that the host opens no further session on a connection. Nothing was begun on it.
var errFull = errors.New("the host refuses another session on the connection")

// ExitError says that a script ran and did not exit with 0.
type ExitError struct {
	Host   string // the host's name as in Target.Name; "localhost" for Local
	Status int    // exit status; 128 + n where the script's shell reports that signal n ended a program
	Signal string // name of the signal that ended the script itself, such as "KILL"; else empty
	Stderr string // the last lines that the script wrote to standard error, at most 4 KiB
}

func (e *ExitError) Error() string {
	what := fmt.Sprintf("exit status %d", e.Status)
	if e.Signal != "" {
		what = "ended by signal " + e.Signal
	}
	msg := fmt.Sprintf("sshx: run on %q: %s", e.Host, what)
	if tail := strings.TrimSpace(e.Stderr); tail != "" {
		msg += ": " + tail
	}
	return msg
}

// HostKeyError says that the machine that answered is not the one that was expected: its host key is another
// one. It is never retried. Either the server was replaced behind the site's back, or somebody listens.
type HostKeyError struct {
	Host string // the host's name as in Target.Name
	Addr string // the address that was dialled
	Want string // SHA-256 fingerprint of the expected key
	Got  string // fingerprint of the key that was shown; empty where the host has no key of the expected type
}

func (e *HostKeyError) Error() string {
	got := e.Got
	if got == "" {
		got = "no key of that type"
	}
	return fmt.Sprintf("sshx: dial %q at %s: host key changed: expected %s, the host shows %s; "+
		"if the server was replaced on purpose, correct the key in its tag", e.Host, e.Addr, e.Want, got)
}

// AuthError says that the host refused the user or the key.
type AuthError struct {
	Host string
	User string
	Err  error
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("sshx: dial %q: user %q refused: %v; check the key in the server's authorized_keys", e.Host, e.User, e.Err)
}

func (e *AuthError) Unwrap() error { return e.Err }

// tail keeps the last bytes written to it and passes everything on.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
		if nl := bytes.IndexByte(t.buf, '\n'); nl >= 0 && nl < len(t.buf)-1 {
			t.buf = append(t.buf[:0], t.buf[nl+1:]...)
		}
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
