package sshx_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

func TestLocalRunsScriptWithItsInput(t *testing.T) {
	var out, errs bytes.Buffer
	err := sshx.Local{}.Run(t.Context(), sshx.Script{
		Text:   "read -r line\necho \"first: $line\"\ncat | tr a-z A-Z\necho warn >&2\n",
		Stdin:  strings.NewReader("one\ntwo\nthree\n"),
		Stdout: &out, Stderr: &errs,
	})
	require.NoError(t, err)
	require.Equal(t, "first: one\nTWO\nTHREE\n", out.String())
	require.Equal(t, "warn\n", errs.String())
}

func TestLocalScriptIsNotInTheProcessList(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sshx.Local{}.Run(t.Context(), sshx.Script{
		Text:   "secret=correct-horse-battery\ncat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '\n",
		Stdout: &out,
	}))
	require.Contains(t, out.String(), "/bin/sh")
	require.NotContains(t, out.String(), "correct-horse-battery")
}

func TestLocalExitError(t *testing.T) {
	err := sshx.Local{}.Run(t.Context(), sshx.Script{Text: "echo boom >&2; exit 3"})
	var exit *sshx.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, &sshx.ExitError{Host: "localhost", Status: 3, Stderr: "boom\n"}, exit)
	require.EqualError(t, err, `sshx: run on "localhost": exit status 3: boom`)

	err = sshx.Local{}.Run(t.Context(), sshx.Script{Text: "kill -9 $$"})
	require.ErrorAs(t, err, &exit)
	require.Equal(t, "KILL", exit.Signal)
}

func TestLocalEndOfContextEndsTheChildren(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	done := make(chan error, 1)
	go func() {
		done <- sshx.Local{}.Run(ctx, sshx.Script{
			Text:   "trap '' TERM\nsleep 1000 & echo $! >" + sshx.Quote(filepath.Join(dir, "pid")) + "\necho started\nwhile :; do sleep 1; done\n",
			Stdout: w,
		})
	}()
	started := make([]byte, 8)
	_, err = r.Read(started)
	require.NoError(t, err)
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoDirExists(t, "/proc/"+strings.TrimSpace(string(pid)))
}

func TestUploadIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's a file")
	up := func(mode os.FileMode, data string) error {
		return sshx.Upload(t.Context(), sshx.Local{}, sshx.File{Path: path, Mode: mode}, strings.NewReader(data))
	}
	require.NoError(t, up(0o640, "first"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())

	broken := errors.New("disk on fire")
	err = sshx.Upload(t.Context(), sshx.Local{}, sshx.File{Path: path}, &brokenReader{data: "second", err: broken})
	require.ErrorIs(t, err, broken)
	require.NoError(t, up(0, ""))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, data)
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing is left behind")
}

type brokenReader struct {
	data string
	err  error
}

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.data == "" {
		return 0, b.err
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

func TestForwardToUnixSocketKeepsHalfClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serveUpper(t, "unix", path)
	tunnel, err := sshx.Forward(t.Context(), sshx.Local{}, "unix", path)
	require.NoError(t, err)
	require.Equal(t, "HELLO", askUpper(t, tunnel.Addr(), "hello"))
	require.NoError(t, tunnel.Close())
}

func TestQuote(t *testing.T) {
	for _, word := range []string{"", "plain", "two words", "it's", "a\nb", `$(reboot)`, "`x`", "-n", "*", "~", "é", "\\"} {
		var out bytes.Buffer
		require.NoError(t, sshx.Local{}.Run(t.Context(), sshx.Script{Text: "printf %s " + sshx.Quote(word), Stdout: &out}))
		require.Equal(t, word, out.String())
	}
}

func TestLocalBackgroundChildDoesNotHoldUp(t *testing.T) {
	start := time.Now()
	require.NoError(t, sshx.Local{}.Run(t.Context(), sshx.Script{Text: "sleep 30 &"}))
	require.Less(t, time.Since(start), 10*time.Second)
}
