package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindMirror(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  mirror
	}{
		{"nothing", nil, mirror{defaultMain, defaultSecurity}},
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
			mirror{defaultMain, defaultSecurity}},
		{"others' archives", map[string]string{
			"sources.list.d/a.list": "deb https://packages.example/apt trixie main\ndeb http://archive.example/ubuntu noble main\n",
			"sources.list.d/b.list": "deb https://download.example/linux/debian bookworm stable\ndeb cdrom:[Debian]/ trixie main\n"},
			mirror{defaultMain, defaultSecurity}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			require.Equal(t, tt.want, findMirror(dir, "trixie"))
		})
	}
}
