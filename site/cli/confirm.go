package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// confirm lets the person at a terminal type the site's name before something is destroyed. A script has spelt it out
// by the flag.
func (c *command) confirm(loss string) error {
	if !c.ask() {
		return nil
	}
	fmt.Fprintf(c.stderr, "%s\nType the site's name to go on: ", loss)
	if c.readLine() != c.site.Name {
		return errors.New("that is not its name; nothing was changed")
	}
	return nil
}

// readLine reads no more than a line: what follows it is the command's.
func (c *command) readLine() string {
	var text []byte
	b := make([]byte, 1)
	for len(text) < 1<<10 {
		n, err := c.stdin.Read(b)
		if n == 1 && b[0] != '\n' {
			text = append(text, b[0])
		} else if n == 1 || err != nil {
			break
		}
	}
	return strings.TrimSpace(string(text))
}

// terminal tells whether stdin is a terminal; where stty is missing, every character device is taken for one.
func (c *command) terminal() bool {
	f, ok := c.stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	_, err = c.stty("-g")
	var none *exec.ExitError
	return !errors.As(err, &none)
}
