package localtest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Root runs a shell script as root, which must end well, and returns what it printed.
func (m *Machine) Root(t testing.TB, script string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Text: "set -e\n" + script, Root: true, Stdout: &out, Stderr: &out}), &out)
	return out.String()
}

// Put writes a file as root.
func (m *Machine) Put(t testing.TB, path string, mode fs.FileMode, content []byte) {
	t.Helper()
	require.NoError(t, sshx.Upload(t.Context(), m.Host, sshx.File{Path: path, Mode: mode, Root: true}, bytes.NewReader(content)))
}

// Build runs a Go command such as "build", "./testdata/app" or "test", "-c", "." and returns the program that it makes for a server: of Linux, without C.
func Build(t testing.TB, command ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	arguments := append([]string{command[0], "-o", path}, command[1:]...)
	build := exec.CommandContext(t.Context(), "go", arguments...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	return program
}
