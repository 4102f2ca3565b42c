package sshx

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// File says where an upload goes.
type File struct {
	Path string      // absolute path on the host; its directory exists
	Mode fs.FileMode // permission bits; zero is 0600
	Root bool        // write it as root; zero writes it as the login user

	// Owner is "user", "user:group" or ":group" as chown takes it; zero leaves the file with who writes it.
	Owner string
}

const upload = `set -eu
t=$(mktemp %[1]s.XXXXXXXXXX)
trap 'rm -f "$t"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$t"
[ "$(tail -c %[3]d "$t")" = %[2]s ] || { echo 'upload was cut off' >&2; exit 1; }
truncate -s -%[3]d "$t"
%[4]schmod %04[5]o "$t"
mv -fT "$t" %[1]s
trap - EXIT
`

// Upload writes r to a file of the host. The file appears under its name complete or not at all: where the
// reader fails, ctx ends or the connection is lost, what was there before stays.
func Upload(ctx context.Context, h Host, f File, r io.Reader) error {
	mode := f.Mode.Perm()
	if mode == 0 {
		mode = 0o600
	}
	chown := ""
	if f.Owner != "" {
		chown = "chown -- " + Quote(f.Owner) + ` "$t"` + "\n"
	}
	mark := rand.Text() // by its last bytes a complete input is told from one that was cut off
	err := h.Run(ctx, Script{
		Text:  fmt.Sprintf(upload, Quote(f.Path), mark, len(mark), chown, mode),
		Root:  f.Root,
		Stdin: io.MultiReader(r, strings.NewReader(mark)),
	})
	if err != nil {
		return fmt.Errorf("sshx: upload %q: %w", f.Path, err)
	}
	return nil
}
