package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindMirror(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  mirror
	}{
		{"nothing", nil, mirror{}},
		{"one line", map[string]string{"sources.list": "# deb http://old.example/debian trixie main\n" +
			"deb-src http://src.example/debian trixie main\n" +
			"deb [arch=amd64 signed-by=/k] http://ftp.example/debian/ bookworm main contrib # near\n" +
			"deb http://sec.example/debian-security bookworm-security main\n"},
			mirror{"http://ftp.example/debian", "http://sec.example/debian-security"}},
		{"deb822", map[string]string{"sources.list.d/debian.sources": "Types: deb deb-src\n# a note\nURIs: https://ftp.example/debian/\n" +
			"Suites: trixie\n trixie-updates\nComponents: main\nSigned-By: /k\n\nTypes: deb\nURIs: http://sec.example/debian-security\n" +
			"Suites: trixie-security\nComponents: main\n"},
			mirror{"https://ftp.example/debian", "http://sec.example/debian-security"}},
		{"disabled", map[string]string{"sources.list.d/debian.sources": "Enabled: no\nTypes: deb\nURIs: http://ftp.example/debian\nSuites: trixie\nComponents: main\n"},
			mirror{}},
		{"others' archives", map[string]string{
			"sources.list.d/a.list": "deb https://packages.example/apt trixie main\ndeb http://archive.example/ubuntu noble main\n",
			"sources.list.d/b.list": "deb https://download.example/linux/debian bookworm stable\ndeb cdrom:[Debian]/ trixie main\n"},
			mirror{}},
		{"tabs, options and no security", map[string]string{"sources.list": "deb\t[ arch=amd64  trusted=yes ]\thttp://ftp.example/debian/\ttrixie\tmain\n"},
			mirror{"http://ftp.example/debian", "http://ftp.example/debian-security"}},
		{"only security", map[string]string{"sources.list": "deb http://sec.example/debian-security trixie-security main\n"}, mirror{}},
		{"a list, as in the clouds' images", map[string]string{
			"mirrors/debian.list":           "# near\n\nhttp://cloud.example/debian\tpriority:1\n",
			"sources.list.d/debian.sources": "Types: deb\nURIs: mirror+file://DIR/mirrors/debian.list\nSuites: trixie\nComponents: main\n"},
			mirror{"http://cloud.example/debian", "http://cloud.example/debian-security"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600))
			}
			got, err := findMirror(dir)
			require.Equal(t, tt.want, got)
			if tt.want == (mirror{}) {
				require.ErrorIs(t, err, errNoMirror)
			} else {
				require.NoError(t, err)
			}
		})
	}
}
