package codedeploy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
)

func write(t *testing.T, dir, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), mode))
}

func application(t *testing.T) string {
	dir := t.TempDir()
	write(t, dir, "bin/rails", "#!/bin/sh\n", 0o700)
	write(t, dir, "app/log/note", "kept: only the log at the top goes", 0o600)
	write(t, dir, "public/cache/about.html", "old", 0o600)
	write(t, dir, "log/production.log", "much", 0o600)
	write(t, dir, "config/secret.key", "secret", 0o600)
	require.NoError(t, os.Symlink("../bin/rails", filepath.Join(dir, "app/start")))
	return dir
}

func entries(t *testing.T, tarball []byte) map[string]int64 {
	found := map[string]int64{}
	walk(t, tarball, func(h *tar.Header, _ []byte) { found[h.Name] = h.Mode })
	return found
}

// walk shows every entry of a tarball.
func walk(t *testing.T, tarball []byte, see func(*tar.Header, []byte)) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(tarball))
	require.NoError(t, err)
	r := tar.NewReader(zip)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		see(h, content)
	}
}

func TestPackIsTheSameFromEqualContents(t *testing.T) {
	one, two := application(t), application(t)
	require.NoError(t, os.Chtimes(filepath.Join(two, "bin/rails"), time.Unix(1, 0), time.Unix(1, 0)))
	var a, b bytes.Buffer
	src := codedeploy.Source{Dir: one, Exclude: []string{"config/*.key"}}
	packed, err := codedeploy.Pack(t.Context(), &a, src)
	require.NoError(t, err)
	src.Dir = two
	again, err := codedeploy.Pack(t.Context(), &b, src)
	require.NoError(t, err)
	require.Equal(t, packed, again)
	require.Equal(t, a.Bytes(), b.Bytes())
	require.Equal(t, int64(a.Len()), packed.Size)
	require.Equal(t, map[string]int64{
		"app/": 0o755, "app/log/": 0o755, "app/log/note": 0o644, "app/start": 0o755, "bin/": 0o755, "bin/rails": 0o755, "config/": 0o755, "public/": 0o755,
	}, entries(t, a.Bytes()))
	require.NoError(t, codedeploy.Check(&a))
}

func TestPackRefusesLinksThatLeadOut(t *testing.T) {
	for _, to := range []string{"/etc/passwd", "../../outside", "../app/../../x"} {
		dir := application(t)
		require.NoError(t, os.Symlink(to, filepath.Join(dir, "app/bad")))
		_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir})
		require.ErrorContains(t, err, "leads out", to)
	}
}

func TestPackNamesWhatCannotBePacked(t *testing.T) {
	for what, make := range map[string]func(string) error{
		`"app/pipe" is a device, named pipe or socket`: func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "app/pipe"), 0o600) },
		`"app/sock" is a device, named pipe or socket`: func(dir string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			t.Chdir(dir) // the path of a socket is short
			return syscall.Bind(fd, &syscall.SockaddrUnix{Name: "app/sock"})
		},
		`"app/a\nb" has a control character`: func(dir string) error { return os.WriteFile(filepath.Join(dir, "app/a\nb"), nil, 0o600) },
		`"app/\xfc" is not a name in UTF-8`:  func(dir string) error { return os.WriteFile(filepath.Join(dir, "app/\xfc"), nil, 0o600) },
		`"app/d\xfc" is not a name in UTF-8`: func(dir string) error { return os.Mkdir(filepath.Join(dir, "app/d\xfc"), 0o700) },
	} {
		dir := application(t)
		require.NoError(t, make(dir))
		_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir})
		require.ErrorContains(t, err, what)
		_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir, Exclude: []string{"app/[^l]*"}})
		require.NoError(t, err, "what is excluded is not looked at")
	}
	_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: t.TempDir()})
	require.ErrorContains(t, err, "it is empty")
	_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{})
	require.ErrorContains(t, err, "no folder is named")
	_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: filepath.Join(t.TempDir(), "missing")})
	require.ErrorIs(t, err, os.ErrNotExist)
	if os.Geteuid() != 0 { // root reads all
		dir := application(t)
		write(t, dir, "app/closed", "x", 0)
		_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir})
		require.ErrorContains(t, err, "app/closed")
	}
}

// A folder's own bits of setgid, which files made in it inherit, do not get into a release.
func TestPackTakesFoldersOfAGroup(t *testing.T) {
	dir := application(t)
	require.NoError(t, os.Chmod(filepath.Join(dir, "app"), 0o2775|os.ModeSetgid))
	var out bytes.Buffer
	_, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: dir})
	require.NoError(t, err)
	require.EqualValues(t, 0o755, entries(t, out.Bytes())["app/"])
}

func TestPackRefusesWhatOnlyStandsForContent(t *testing.T) {
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("0", 64) + "\nsize 5\n"
	for content, what := range map[string]string{
		pointer: "pointer of Git LFS without the file: git lfs pull",
		"version https://git-lfs.github.com/spec/v1\next-0-x sha256:00\noid sha256:00\nsize 5\n": "pointer of Git LFS",
		"\x00GITCRYPT\x00\x01\x02": "encrypted by git-crypt",
	} {
		dir := application(t)
		write(t, dir, "public/logo.png", content, 0o600)
		_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir})
		require.ErrorContains(t, err, `"public/logo.png": `+what)
		_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir, Exclude: []string{"public/logo.png"}})
		require.NoError(t, err)
	}
	dir := application(t)
	write(t, dir, "doc/lfs.md", "A pointer looks so:\n"+pointer, 0o600)
	write(t, dir, "doc/long", pointer+strings.Repeat("x", 1024), 0o600)
	_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir})
	require.NoError(t, err)
}
