package codedeploy_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
)

// git runs Git without the settings of whoever runs the tests.
func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

func repository(t *testing.T, dir string) {
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "one")
}

func contents(t *testing.T, tarball []byte) map[string]string {
	found := map[string]string{}
	walk(t, tarball, func(h *tar.Header, content []byte) {
		if h.Typeflag != tar.TypeDir {
			found[h.Name] = string(content) + h.Linkname
		}
	})
	return found
}

func TestPackRevisionTakesWhatIsCommitted(t *testing.T) {
	dir := application(t)
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "add", "bin")
	git(t, dir, "commit", "-qm", "one")
	write(t, dir, "bin/rails", "changed", 0o700)
	var out bytes.Buffer
	packed, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: dir, Revision: "main"})
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{40}$", packed.Revision)
	require.Equal(t, map[string]int64{"bin/": 0o755, "bin/rails": 0o755}, entries(t, out.Bytes()))
	for _, revision := range []string{"nowhere", "--output=/tmp/x", "main:bin", "0123456789012345678901234567890123456789"} {
		_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir, Revision: revision})
		require.ErrorContains(t, err, `revision "`+revision+`": there is no such branch, tag or commit`)
	}
	_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: t.TempDir(), Revision: "main"})
	require.ErrorContains(t, err, "not a git repository")
	_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: filepath.Join(dir, "app"), Revision: "main"})
	require.ErrorContains(t, err, `revision "main"`, "the folder is not in it")
}

// A folder of a repository and a bare one are sources too, and all that Git can hold arrives as it was committed.
func TestPackRevisionOfFoldersAndBareRepositories(t *testing.T) {
	dir := application(t)
	write(t, dir, "app/Übung '\"\\ x", "", 0o600)
	write(t, dir, "app/binary", "\x00\n\r\n\x00", 0o600)
	repository(t, dir)
	bare := filepath.Join(t.TempDir(), "bare.git")
	git(t, dir, "clone", "-q", "--bare", ".", bare)
	for _, from := range []string{dir, bare} {
		var out bytes.Buffer
		_, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: from, Revision: "main", Exclude: []string{"config"}})
		require.NoError(t, err)
		require.Equal(t, map[string]string{
			"app/log/note": "kept: only the log at the top goes", "app/start": "../bin/rails", "app/Übung '\"\\ x": "", "app/binary": "\x00\n\r\n\x00", "bin/rails": "#!/bin/sh\n",
		}, contents(t, out.Bytes()))
	}
	var out bytes.Buffer
	_, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: filepath.Join(dir, "bin"), Revision: "main"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"rails": "#!/bin/sh\n"}, contents(t, out.Bytes()))
}

// Within a hook the environment names another repository; settings and attributes of the machine would change the bytes.
func TestPackRevisionIsTheSameWhateverGitIsToldElsewhere(t *testing.T) {
	dir := application(t)
	write(t, dir, ".gitattributes", "*.txt text eol=crlf\nid export-subst\nspec export-ignore\n", 0o600)
	write(t, dir, "unix.txt", "a\nb\n", 0o600)
	write(t, dir, "id", "$Format:%H$\n", 0o600)
	write(t, dir, "spec/x", "x", 0o600)
	repository(t, dir)
	pack := func() []byte {
		var out bytes.Buffer
		_, err := codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: dir, Revision: "main"})
		require.NoError(t, err)
		return out.Bytes()
	}
	plain := pack()
	found := contents(t, plain)
	require.Equal(t, "a\nb\n", found["unix.txt"])
	require.Equal(t, "$Format:%H$\n", found["id"])
	require.Equal(t, "x", found["spec/x"])
	require.Equal(t, "../bin/rails", found["app/start"])

	other := application(t)
	repository(t, other)
	for k, v := range map[string]string{
		"GIT_DIR": other + "/.git", "GIT_WORK_TREE": other, "GIT_INDEX_FILE": other + "/.git/index", "GIT_OBJECT_DIRECTORY": other + "/.git/objects",
		"GIT_NAMESPACE": "x", "GIT_CEILING_DIRECTORIES": filepath.Dir(dir), "GIT_CONFIG_GLOBAL": filepath.Join(other, "settings"),
	} {
		t.Setenv(k, v)
	}
	write(t, other, "attributes", "* export-ignore\nid export-subst\n", 0o600)
	write(t, other, "settings", "[core]\nautocrlf = true\nattributesFile = "+other+"/attributes\n[tar]\numask = 077\n[log]\nshowSignature = true\n[color]\nui = always\n", 0o600)
	write(t, dir, ".git/info/attributes", "* export-ignore\nid export-subst\n", 0o600)
	require.Equal(t, plain, pack())
}

func TestPackRefusesSubmodulesWithoutContent(t *testing.T) {
	library, dir := t.TempDir(), application(t)
	write(t, library, "lib.rb", "1", 0o600)
	repository(t, library)
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "submodule", "--quiet", "add", library, "vendor/lib")
	repository(t, dir)
	_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir, Revision: "main"})
	require.ErrorContains(t, err, `"vendor/lib": Git submodule without its content`)
	require.ErrorContains(t, err, "git submodule update --init")
	_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir, Revision: "main", Exclude: []string{"vendor/lib"}})
	require.NoError(t, err)

	var out bytes.Buffer
	_, err = codedeploy.Pack(t.Context(), &out, codedeploy.Source{Dir: dir})
	require.NoError(t, err, "the folder has it")
	require.Equal(t, "1", contents(t, out.Bytes())["vendor/lib/lib.rb"])
	copied := filepath.Join(t.TempDir(), "clone")
	git(t, dir, "clone", "-q", ".", copied)
	_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: copied})
	require.ErrorContains(t, err, `"vendor/lib": Git submodule without its content`)
	_, err = codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: copied, Exclude: []string{"vendor"}})
	require.NoError(t, err)
}

func TestPackRevisionRefusesPointers(t *testing.T) {
	dir := application(t)
	write(t, dir, "a.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("0", 64)+"\nsize 5\n", 0o600)
	repository(t, dir)
	_, err := codedeploy.Pack(t.Context(), io.Discard, codedeploy.Source{Dir: dir, Revision: "main"})
	require.ErrorContains(t, err, `"a.bin": pointer of Git LFS without the file: git lfs pull`)
}
