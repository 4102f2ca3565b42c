package codedeploy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	zip, err := gzip.NewReader(bytes.NewReader(tarball))
	require.NoError(t, err)
	found, r := map[string]int64{}, tar.NewReader(zip)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return found
		}
		require.NoError(t, err)
		found[h.Name] = h.Mode
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

func TestPackRevisionTakesWhatIsCommitted(t *testing.T) {
	dir := application(t)
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	git("init", "-q", "-b", "main")
	git("add", "bin")
	git("commit", "-qm", "one")
	write(t, dir, "bin/rails", "changed", 0o700)
	var out bytes.Buffer
	packed, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: dir, Revision: "main"})
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{40}$", packed.Revision)
	require.Equal(t, map[string]int64{"bin/": 0o755, "bin/rails": 0o755}, entries(t, out.Bytes()))
	for _, revision := range []string{"nowhere", "--output=/tmp/x"} {
		_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir, Revision: revision})
		require.ErrorContains(t, err, "revision")
	}
}

func TestPackRefusesLinksThatLeadOut(t *testing.T) {
	for _, to := range []string{"/etc/passwd", "../../outside", "../app/../../x"} {
		dir := application(t)
		require.NoError(t, os.Symlink(to, filepath.Join(dir, "app/bad")))
		_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir})
		require.ErrorContains(t, err, "leads out", to)
	}
}
