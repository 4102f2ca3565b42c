package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// shell is an interactive shell on a server. A terminal is put into raw mode meanwhile.
func (c *command) shell(ctx context.Context, h *sshx.Client) error {
	t := sshx.Terminal{In: c.stdin, Out: c.stdout, Err: c.stderr}
	if before, err := c.stty("-g"); err == nil {
		t.Type = os.Getenv("TERM")
		if size, err := c.stty("size"); err == nil {
			_, _ = fmt.Sscan(size, &t.Size.Rows, &t.Size.Columns) // zero is 80 by 24
		}
		if _, err := c.stty("raw", "-echo"); err != nil {
			return err
		}
		defer func() { _, _ = c.stty(before) }()
	}
	return h.Shell(ctx, "", t)
}

// columns is the width of a terminal; 80 where it does not say.
func columns(f *os.File) int {
	c := command{stdin: f}
	var rows, columns int
	if size, err := c.stty("size"); err == nil {
		_, _ = fmt.Sscan(size, &rows, &columns)
	}
	if columns < 20 {
		return 80
	}
	return columns
}

// stty asks or sets the terminal that is the command's input; an error where it is none.
func (c *command) stty(words ...string) (string, error) {
	cmd := exec.Command("stty", words...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = c.stdin, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("stty %s: %w", strings.Join(words, " "), err)
	}
	return strings.TrimSpace(out.String()), nil
}
