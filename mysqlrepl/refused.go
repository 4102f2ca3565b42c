package mysqlrepl

import (
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// refused reports whether a host answered that nobody listens. An SSH tunnel says so in words; a port that Docker or
// a proxy publishes accepts and closes at once.
func refused(err error) bool {
	for _, closed := range []error{io.EOF, syscall.ECONNRESET, driver.ErrBadConn, mysql.ErrInvalidConn} {
		if errors.Is(err, closed) {
			return true
		}
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) ||
		strings.Contains(strings.ToLower(err.Error()), "connection refused")
}
