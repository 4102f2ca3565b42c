package codedeploy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
)

// block is a header as it lies in the archive, with what follows it.
type block struct {
	kind       byte
	name, link string
	size       string // octal digits as they are; empty counts content
	magic      string // empty is that of POSIX
	prefix     string
	content    string
}

func (b block) bytes() []byte {
	head := make([]byte, 512)
	size, magic := b.size, b.magic
	if size == "" {
		size = fmt.Sprintf("%011o", len(b.content))
	}
	if magic == "" {
		magic = "ustar\x0000"
	}
	for at, text := range map[int]string{0: b.name, 100: "0000755", 108: "0000000", 116: "0000000", 124: size, 136: "00000000000",
		148: "        ", 156: string(b.kind), 157: b.link, 257: magic, 329: "0000000", 337: "0000000", 345: b.prefix} {
		copy(head[at:], text)
	}
	sum := 0
	for _, c := range head {
		sum += int(c)
	}
	copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
	padded := len(b.content) + (512-len(b.content)%512)%512
	return append(append(head, b.content...), make([]byte, padded-len(b.content))...)
}

// pax are records of an extended header, for the next entry ('x') or for all ('g').
func pax(kind byte, keysAndValues ...string) block {
	var all strings.Builder
	for i := 0; i < len(keysAndValues); i += 2 {
		rest := " " + keysAndValues[i] + "=" + keysAndValues[i+1] + "\n"
		n := len(rest)
		for n != len(rest)+len(fmt.Sprint(n)) {
			n = len(rest) + len(fmt.Sprint(n))
		}
		fmt.Fprint(&all, n, rest)
	}
	return block{kind: kind, name: "PaxHeaders/x", content: all.String()}
}

func archive(t *testing.T, blocks ...block) []byte {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	require.NoError(t, err)
	for _, b := range blocks {
		_, err := zip.Write(b.bytes())
		require.NoError(t, err)
	}
	_, err = zip.Write(make([]byte, 1024))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	return out.Bytes()
}

// unpacked is what GNU tar makes of an archive, by path: links with where they lead to, "dir" and files' content. Beside is
// what it made outside.
func unpacked(t *testing.T, archive []byte) (within map[string]string, beside []string) {
	base := t.TempDir()
	release := filepath.Join(base, "an/other/release")
	require.NoError(t, os.MkdirAll(release, 0o700))
	cmd := exec.Command("tar", "--extract", "--gzip", "--no-same-owner", "--no-same-permissions", "--file", "-")
	cmd.Dir, cmd.Stdin = release, bytes.NewReader(archive)
	_ = cmd.Run() // what it wrote before it failed counts
	within = map[string]string{}
	require.NoError(t, filepath.WalkDir(base, func(name string, d fs.DirEntry, err error) error {
		inside, ok := strings.CutPrefix(name, release+"/")
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(release, name):
			return nil
		case !ok:
			beside = append(beside, name)
		}
		switch d.Type() {
		case fs.ModeDir:
			within[inside] = "dir"
		case fs.ModeSymlink:
			within[inside], err = os.Readlink(name)
		default:
			var content []byte
			content, err = os.ReadFile(name)
			within[inside] = "file " + string(content)
		}
		return err
	}))
	return within, beside
}

func leadsOut(within map[string]string) bool {
	for name, to := range within {
		if strings.HasPrefix(to, "../") && strings.Count(to, "../") > strings.Count(name, "/") || strings.HasPrefix(to, "/") {
			return true
		}
	}
	return false
}

// gnuTar skips a test where tar is another one than on the servers.
func gnuTar(t *testing.T) {
	out, err := exec.Command("tar", "--version").Output()
	if err != nil || !strings.Contains(string(out), "GNU tar") {
		t.Skip("there is no GNU tar here")
	}
}

// Tar itself shows that those marked are worth it.
func TestCheckRefusesWhatOnlyGNUTarObeys(t *testing.T) {
	gnuTar(t)
	inner := block{kind: '2', name: "d/e/f/g", link: "../../../x"}
	hidden := string(block{kind: '2', name: "g", link: "../out"}.bytes())
	between := string(slices.Concat(pax('x', "linkpath", "../out").bytes(), pax('g', "comment", "x").bytes(), block{kind: '2', name: "g", link: "d"}.bytes()))
	for what, tt := range map[string]struct {
		obeyed bool // by GNU tar 1.34 and 1.35: a link leads out of the release
		blocks []block
	}{
		"sparse name of a link":           {true, []block{pax('x', "GNU.sparse.name", "g"), inner}},
		"sparse name, unknown version":    {false, []block{pax('x', "GNU.sparse.major", "7", "GNU.sparse.minor", "0", "GNU.sparse.name", "g"), inner}},
		"sparse name with escape":         {false, []block{pax('x', "GNU.sparse.name", "sub\x1b/.env"), {kind: '0', name: "a"}}},
		"sparse map":                      {false, []block{pax('x', "GNU.sparse.map", "0,1", "GNU.sparse.size", "1"), {kind: '0', name: "a", content: "x"}}},
		"sparse 1.0":                      {false, []block{pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "b", "GNU.sparse.realsize", "1"), {kind: '0', name: "a", content: "1\n0\n1\n" + strings.Repeat("\x00", 506) + "x"}}},
		"old sparse file":                 {false, []block{{kind: 'S', name: "a", magic: "ustar  \x00"}}},
		"global sparse name":              {true, []block{pax('g', "GNU.sparse.name", "g"), inner}},
		"global path":                     {true, []block{pax('g', "path", "g"), inner}},
		"global path beside a bad time":   {true, []block{pax('g', "mtime", "x", "path", "g"), inner}},
		"global comment in between":       {true, []block{pax('x', "linkpath", "../out"), pax('g', "comment", "x"), {kind: '2', name: "g", link: "d"}}},
		"comment, then in between":        {true, []block{pax('g', "comment", "x"), pax('x', "linkpath", "../out"), pax('g', "comment", "x"), {kind: '2', name: "g", link: "d"}}},
		"long link, global in between":    {true, []block{{kind: 'K', name: "././@LongLink", magic: "ustar  \x00", content: "../out\x00"}, pax('g', "comment", "x"), {kind: '2', name: "g", link: "d"}}},
		"empty path":                      {false, []block{pax('x', "path", ""), {kind: '0', name: "a"}}},
		"empty linkpath":                  {false, []block{pax('x', "linkpath", ""), {kind: '2', name: "a", link: "b"}}},
		"content of the folder itself":    {true, []block{{kind: '5', name: "./", content: between}}},
		"two names of the folder itself":  {false, []block{{kind: 'L', name: "././@LongLink", magic: "ustar  \x00", content: "./\x00"}, pax('x', "path", "a"), {kind: '5', name: "b/"}}},
		"link with a content":             {true, []block{{kind: '2', name: "a", link: "b", content: hidden}}},
		"folder with a content":           {true, []block{{kind: '5', name: "a/", content: hidden}}},
		"link with a size of a record":    {false, []block{pax('x', "size", "512"), {kind: '2', name: "a", link: "b"}}},
		"size that is two zero bytes off": {true, []block{{kind: '0', name: "a", size: "\x00\x000001000", content: hidden}}},
		"dumpdir":                         {false, []block{{kind: 'D', name: "a/", content: "Yb\x00\x00"}}},
		"dumpdir of a record":             {false, []block{pax('x', "GNU.dumpdir", "Yb"), {kind: '5', name: "a/"}}},
		"multi-volume":                    {false, []block{{kind: 'M', name: "a", content: "x"}}},
		"volume of a record":              {false, []block{pax('x', "GNU.volume.filename", "b", "GNU.volume.size", "1", "GNU.volume.offset", "0"), {kind: '0', name: "a"}}},
		"volume label":                    {false, []block{{kind: 'V', name: "a"}}},
		"old names":                       {false, []block{{kind: 'N', name: "a", content: "Symlink ../out to g\n"}}},
		"header of Solaris":               {true, []block{{kind: 'X', name: "a", content: pax('x', "linkpath", "../out").content}, {kind: '2', name: "g", link: "d"}}},
		"contiguous file":                 {false, []block{{kind: '7', name: "a", content: "x"}}},
		"star's prefix":                   {false, []block{{kind: '0', name: "a", prefix: strings.Repeat("a", 131) + "00000000000 00000000000 \x00\x00\x00\x00\x00\x00\x00\x00tar\x00"}}},
		"character set":                   {false, []block{pax('x', "hdrcharset", "BINARY", "path", "a"), {kind: '0', name: "b"}}},
		"libarchive's attributes":         {false, []block{pax('x', "LIBARCHIVE.xattr.user.x", "YQ"), {kind: '0', name: "b"}}},
		"libarchive's kind of link":       {false, []block{pax('x', "LIBARCHIVE.symlinktype", "dir"), {kind: '2', name: "a", link: "b"}}},
		"extended attributes":             {false, []block{pax('x', "SCHILY.xattr.security.capability", "x"), {kind: '0', name: "b"}}},
		"star's flags":                    {false, []block{pax('x', "SCHILY.fflags", "sappnd"), {kind: '0', name: "b"}}},
		"star's access list":              {false, []block{pax('x', "SCHILY.acl.access", "user::rwx"), {kind: '0', name: "b"}}},
		"star's device and inode":         {false, []block{pax('x', "SCHILY.dev", "1", "SCHILY.ino", "2"), {kind: '0', name: "b"}}},
		"star's real size":                {false, []block{pax('x', "SCHILY.realsize", "9"), {kind: '0', name: "b"}}},
		"SELinux":                         {false, []block{pax('x', "RHT.security.selinux", "x"), {kind: '0', name: "b"}}},
		"blank before the name":           {false, []block{pax('x', " path", "a"), {kind: '0', name: "b"}}},
	} {
		evil := archive(t, tt.blocks...)
		require.Error(t, codedeploy.Check(bytes.NewReader(evil)), what)
		if !tt.obeyed {
			continue
		}
		within, beside := unpacked(t, evil)
		require.True(t, leadsOut(within) || len(beside) > 0, "%s: GNU tar made %v %v", what, within, beside)
	}
}

// The tools that people pack with leave nothing that is refused.
func TestCheckTakesWhatToolsMake(t *testing.T) {
	gnuTar(t)
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "release.tar.gz")
	write(t, dir, "bin/rails", "x", 0o755)
	write(t, dir, "public/"+strings.Repeat("long/", 25)+strings.Repeat("name", 20), "x", 0o644)
	require.NoError(t, os.Symlink("../bin/rails", filepath.Join(dir, "public/link")))
	repository(t, dir)
	takes := func(what string) {
		file, err := os.ReadFile(out)
		require.NoError(t, err)
		require.NoError(t, codedeploy.Check(bytes.NewReader(file)), what)
	}
	git(t, dir, "archive", "--format=tar.gz", "-o", out, "main")
	takes("git archive")
	for _, format := range []string{"gnu", "posix", "ustar"} {
		packed, err := exec.Command("tar", "-C", dir, "--exclude=.git", "--format="+format, "-czf", out, ".").CombinedOutput()
		require.NoError(t, err, string(packed))
		takes(format)
	}
}

// TestCheckReadsAsGNUTarDoes makes archives of odd headers in odd orders: what Check takes, GNU tar lays out as package tar reads it.
func TestCheckReadsAsGNUTarDoes(t *testing.T) {
	gnuTar(t)
	r := rand.New(rand.NewPCG(3, 4))
	taken := 0
	for range 1500 {
		blocks := oddBlocks(r)
		odd := archive(t, blocks...)
		if codedeploy.Check(bytes.NewReader(odd)) != nil {
			continue
		}
		taken++
		within, beside := unpacked(t, odd)
		require.Empty(t, beside, "%q", blocks)
		require.Equal(t, asRead(t, odd), within, "%q", blocks)
	}
	t.Logf("%d were taken", taken)
	require.Greater(t, taken, 50)
}

// asRead is what package tar reads, as unpacked has it.
func asRead(t *testing.T, archive []byte) map[string]string {
	list := map[string]string{}
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if err != nil {
			return list
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name := path.Clean(h.Name)
		for above := path.Dir(name); above != "."; above = path.Dir(above) {
			list[above] = "dir"
		}
		switch h.Typeflag {
		case tar.TypeReg:
			var content bytes.Buffer
			_, err := content.ReadFrom(in)
			require.NoError(t, err)
			list[name] = "file " + content.String()
		case tar.TypeDir:
			list[name] = "dir"
		case tar.TypeSymlink:
			list[name] = h.Linkname
		}
		delete(list, ".")
	}
}

func oddBlocks(r *rand.Rand) (list []block) {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	name := func() string { return pick("a", "b", "c/d", "c/e", "./f", "c/g/", "h/", "./") }
	for range 1 + r.IntN(5) {
		content := pick("", "x", string(block{kind: '0', name: "hidden"}.bytes()))
		magic := pick("", "", "", "ustar  \x00", "\x00")
		switch r.IntN(8) {
		case 0, 1:
			keys := []string{pick("path", "linkpath", "size", "mtime", "comment", "uname", "uid"), pick(name(), "", "512", "1")}
			if r.IntN(2) == 0 {
				keys = slices.Concat(keys, []string{pick("path", "linkpath", "GNU.sparse.name"), name()})
			}
			list = append(list, pax(pick("x", "x", "x", "g")[0], keys...))
		case 2:
			list = append(list, block{kind: pick("L", "K")[0], name: "././@LongLink", magic: "ustar  \x00", content: name() + pick("", "\x00", "\x00x")})
		default:
			list = append(list, block{kind: pick("0", "0", "\x00", "5", "2")[0], name: name(), link: pick("", name()), magic: magic,
				prefix: pick("", "", "p", "p/"), size: pick("", "", "", "1", "\x001", " 1000", "\x00\x001000", "0 1", "1000 "), content: content})
		}
	}
	return list
}
