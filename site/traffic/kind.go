package traffic

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Kind is how a request failed.
type Kind string

const (
	Refused     Kind = "connection refused"
	DialTimeout Kind = "dial timed out"
	NoDial      Kind = "no connection" // another reason not to get one, such as a TLS handshake
	Closed      Kind = "closed before the answer"
	Reset       Kind = "reset"
	Cut         Kind = "cut within the answer"
	TimedOut    Kind = "timed out"
	Garbage     Kind = "not HTTP"
	Unasked     Kind = "an answer that nobody asked for"
	BadStatus   Kind = "status"
	WrongBody   Kind = "wrong body"
)

func dialKind(err error) Kind {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case timeout(err):
		return DialTimeout
	}
	return NoDial
}

// firstKind classifies an error before the first byte of an answer.
func firstKind(err error) Kind {
	if kind := broken(err); kind != "" {
		return kind
	}
	return Closed
}

// readKind classifies an error after it.
func readKind(err error) Kind {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Cut
	}
	if kind := broken(err); kind != "" {
		return kind
	}
	return Garbage
}

func broken(err error) Kind {
	switch {
	case timeout(err):
		return TimedOut
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return Reset
	}
	return ""
}

func timeout(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}
