package codedeploy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
)

func file(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }

func link(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}

func tarball(t *testing.T, headers []tar.Header) *bytes.Buffer {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	require.NoError(t, err)
	w := tar.NewWriter(zip)
	for _, h := range headers {
		require.NoError(t, w.WriteHeader(&h))
	}
	require.NoError(t, w.Close())
	require.NoError(t, zip.Close())
	return &out
}

func TestCheckRefusesWhatCouldWriteOutside(t *testing.T) {
	bad := map[string][]tar.Header{
		"absolute":               {file("/etc/passwd")},
		"upwards":                {file("a/../../x")},
		"newline":                {file("a\nb")},
		"control character":      {file("a\x1b[2J")},
		"not UTF-8":              {file("a\xff")},
		"device":                 {{Typeflag: tar.TypeChar, Name: "null"}},
		"fifo":                   {{Typeflag: tar.TypeFifo, Name: "pipe"}},
		"hard link out":          {{Typeflag: tar.TypeLink, Name: "x", Linkname: "/etc/shadow"}},
		"hard link within":       {file("y"), {Typeflag: tar.TypeLink, Name: "x", Linkname: "y"}},
		"setuid":                 {{Typeflag: tar.TypeReg, Name: "x", Mode: 0o4755}},
		"setgid folder":          {{Typeflag: tar.TypeDir, Name: "x/", Mode: 0o2755}},
		"sticky":                 {{Typeflag: tar.TypeDir, Name: "x/", Mode: 0o1777}},
		"beneath a link":         {link("a", "b"), file("a/x")},
		"link above what was":    {file("a/x"), link("a", "b")},
		"replaces a link":        {link("a", "b"), file("a")},
		"a link twice":           {link("a", "b"), link("a", "c")},
		"folder becomes link":    {{Typeflag: tar.TypeDir, Name: "a/"}, link("a", "b")},
		"beneath a file":         {file("a"), file("a/x")},
		"global linkpath":        {{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"linkpath": "/etc"}}, link("a", "b")},
		"link to nothing":        {link("x", "")},
		"link with a new line":   {link("x", "a\nb")},
		"link to the root":       {link("x", "/")},
		"link out":               {link("x", "..")},
		"link out from below":    {file("a/b"), link("a/x", "../a/../..")},
		"by way of another":      {file("deep/er/top2/f"), link("top", "deep/er/top2"), link("out", "top/../../../..")},
		"as in a bug report":     {file("d"), link("deep/er/top", "../.."), link("out", "deep/er/top/../..")},
		"chain":                  {link("a/1", ".."), link("a/2", "1/.."), link("a/3", "2")},
		"chain in reverse order": {link("c", "b/../.."), link("b", "a/.."), link("a", "d/e"), file("d/e/f")},
		"dangling and out":       {link("x", "missing/../..")},
		"out and in again":       {link("x", "../shop/a"), file("a")},
		"circle":                 {link("a", "b"), link("b", "a")},
		"to itself":              {link("a", "a")},
		"circle below":           {link("a", "b/x"), link("b", "a/y")},
	}
	for what, headers := range bad {
		require.Error(t, codedeploy.Check(tarball(t, headers)), what)
	}
	long := []tar.Header{file("end")}
	for i := range 41 {
		long = append(long, link(fmt.Sprintf("l%d", i), fmt.Sprintf("l%d", i+1)))
	}
	long = append(long, link("l41", "end"))
	require.ErrorContains(t, codedeploy.Check(tarball(t, long)), "more than 40")
	require.NoError(t, codedeploy.Check(tarball(t, long[3:])), "39 links")
}

func TestCheckTakesWhatStaysWithin(t *testing.T) {
	good := []tar.Header{
		{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "0123"}},
		{Typeflag: tar.TypeDir, Name: "./"}, file("./x/..y"), {Typeflag: tar.TypeDir, Name: "x/"}, {Typeflag: tar.TypeDir, Name: "x/"},
		link("a", "b"), link("deep/er/top", "../.."), link("in", "deep/er/top/x/../x"), link("dot", "."), link("x/up", "./../x//up2"),
		file("Übung/ein Name mit \\ und 'Zeichen'"), file(strings.Repeat("long/", 60) + "name"),
	}
	require.NoError(t, codedeploy.Check(tarball(t, good)))
	cut := tarball(t, good).Bytes()
	require.Error(t, codedeploy.Check(bytes.NewReader(cut[:len(cut)-4])), "cut off")
}

// A header of GNU's for the name and one of POSIX's: of which package tar takes the one, and GNU tar the other.
func TestCheckRefusesTwoNamesForOneEntry(t *testing.T) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	gnu, pax := &bytes.Buffer{}, &bytes.Buffer{}
	long := strings.Repeat("a", 150)
	require.NoError(t, tar.NewWriter(gnu).WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: long, Format: tar.FormatGNU}))
	require.NoError(t, tar.NewWriter(pax).WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc/" + long, Format: tar.FormatPAX}))
	_, err := zip.Write(append(gnu.Bytes()[:1024], pax.Bytes()...))
	require.NoError(t, err)
	_, err = zip.Write(make([]byte, 1024))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	require.ErrorContains(t, codedeploy.Check(&out), "two formats")
}

func TestCheckKnowsTheLinkedPaths(t *testing.T) {
	linked := []string{"public/system", "config/master.key"}
	for to, good := range map[string]bool{
		"public/system": true, "public/system/a/..": true, "public/system/a/../b": true, "config/master.key": true,
		"public/system/..": false, "public/system/a/../..": false, "public/system/../system": false, "config/master.key/..": false,
		"way/x": true, "way/..": false, "way/../system": false,
	} {
		err := codedeploy.Check(tarball(t, []tar.Header{link("x", to), link("way", "public/system"), file("public/system/f")}), linked...)
		if good {
			require.NoError(t, err, to)
		} else {
			require.ErrorContains(t, err, "leads out", to)
		}
	}
	for what, headers := range map[string][]tar.Header{
		`"public/system" lies beneath "public", which is a link`:     {link("public", "www"), file("www/system/x")},
		`"config/master.key" lies beneath "config", which is a file`: {file("config")},
	} {
		require.ErrorContains(t, codedeploy.Check(tarball(t, headers), linked...), what)
	}
	require.NoError(t, codedeploy.Check(tarball(t, []tar.Header{link("public/system", "../log"), file("config/master.key/x")}), linked...), "what lies there is replaced")
}

// Random links are laid out on the disk, in a release with a linked folder in its place, and every one is followed.
func TestCheckFollowsLinksAsTheFileSystemDoes(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	release, shared := filepath.Join(base, "out/er/release"), filepath.Join(base, "shared/store")
	folders := []string{"a", "b", "a/a", "a/b", "b/a", "b/b", "a/a/b", "a/b/a", "b/b/a"}
	var entries []tar.Header
	for _, d := range folders {
		entries = append(entries, tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755})
		for _, dir := range []string{release, shared, filepath.Join(base, "out/er"), filepath.Join(base, "out")} { // so that few links dangle
			require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
		}
	}
	require.NoError(t, os.Symlink(shared, filepath.Join(release, "linked")))
	r := rand.New(rand.NewPCG(1, 2))
	within, out, circles := 0, 0, 0
	for range 1000 {
		links := randomLinks(r, append([]string{"", ""}, folders...))
		for _, l := range links {
			require.NoError(t, os.Symlink(l.Linkname, filepath.Join(release, l.Name)))
		}
		good, bad := true, ""
		for _, l := range links {
			real, err := filepath.EvalSymlinks(filepath.Join(release, l.Name))
			switch {
			case err != nil && strings.Contains(err.Error(), "too many"):
				bad, circles = l.Name+" goes round", circles+1
			case err != nil: // it dangles: no claim
				good = false
			case !below(real, release) && !below(real, shared):
				bad, out = l.Name+" is "+real, out+1
			}
		}
		err := codedeploy.Check(tarball(t, slices.Concat(entries, links)), "linked")
		if bad != "" {
			require.Error(t, err, "%s: %v", bad, links)
		} else if good {
			within++
			require.NoError(t, err, "%v", links)
		}
		for _, l := range links {
			require.NoError(t, os.Remove(filepath.Join(release, l.Name)))
		}
	}
	t.Logf("sets that stay within: %d; links that lead out: %d, that go round: %d", within, out, circles)
	require.True(t, within > 50 && out > 50 && circles > 10)
}

func below(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

func randomLinks(r *rand.Rand, folders []string) (links []tar.Header) {
	words := []string{"a", "b", "a", "b", "..", "..", "..", ".", "l0", "l1", "linked"}
	for i := range 2 {
		to := make([]string, 1+r.IntN(4))
		for i := range to {
			to[i] = words[r.IntN(len(words))]
		}
		links = append(links, link(path.Join(folders[r.IntN(len(folders))], fmt.Sprint("l", i)), strings.Join(to, "/")))
	}
	return links
}
