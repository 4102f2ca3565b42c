package mysqlrepl

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Server is one of the two servers of a pair.
type Server struct {
	Name    string  // as the epoch's record and every message name it: [a-z0-9][a-z0-9.-]{0,62}
	Dial    Dial    // how Address is reached from here; nil is this machine's
	Address Address // where the server answers
	Login   Login   // an administrator: root on a Unix socket, or an account with all privileges

	// Host and Port are where the other server reaches this one. Host is a name or an address which the server's
	// certificate names. Port zero is 3306.
	Host string
	Port uint16

	// Process kills and starts the server; nil means that nobody can from here.
	Process Process
}

var serverName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

func (s Server) validate() (errs []error) {
	if !serverName.MatchString(s.Name) {
		errs = append(errs, fmt.Errorf("mysqlrepl: server %q: name is not [a-z0-9][a-z0-9.-]{0,62}", s.Name))
	}
	if !accountHost.MatchString(s.Host) {
		errs = append(errs, fmt.Errorf("mysqlrepl: server %q: host %q is not a name or an address", s.Name, s.Host))
	}
	return errs
}

func (s Server) port() uint16 { return cmp.Or(s.Port, 3306) }

// session is one connection to a server, on which statements follow each other.
type session struct {
	name    string
	db      *sql.DB
	conn    *sql.Conn
	d       dialect
	version Version
}

// connect opens a fresh connection. A server that is hung holds it up until ctx ends.
func connect(ctx context.Context, server Server) (*session, error) {
	db, err := Open(ctx, server.Dial, server.Address, server.Login)
	if err != nil {
		return nil, err
	}
	s := &session{name: server.Name, db: db}
	if s.conn, err = db.Conn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("mysqlrepl: connect to %q: %w", server.Name, err), db.Close())
	}
	if s.version, err = Detect(ctx, db); err == nil {
		s.d, err = dialectOf(s.version.Flavor)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mysqlrepl: connect to %q: %w", server.Name, err), s.close())
	}
	return s, nil
}

func (s *session) close() error { return errors.Join(s.conn.Close(), s.db.Close()) }

// do runs statements one after the other. Errors do not repeat the statement.
func (s *session) do(ctx context.Context, what string, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("mysqlrepl: %s on %q: %w", what, s.name, err)
		}
	}
	return nil
}

// redacted takes a password out of an error: a server may repeat the part of a statement that it does not understand.
func redacted(err error, secret Secret) error {
	if err == nil || secret == "" || !strings.Contains(err.Error(), string(secret)) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), string(secret), secret.String()))
}

// row reads the first row of an answer by column; nil where there is none.
func (s *session) row(ctx context.Context, query string, args ...any) (fieldsOf, error) {
	var first fieldsOf
	err := s.each(ctx, query, func(f fieldsOf) error {
		if first == nil {
			first = f
		}
		return nil
	}, args...)
	return first, err
}

// each reads an answer row by row.
func (s *session) each(ctx context.Context, query string, use func(fieldsOf) error, args ...any) error {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("mysqlrepl: ask %q: %w", s.name, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("mysqlrepl: ask %q: %w", s.name, err)
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("mysqlrepl: ask %q: %w", s.name, err)
		}
		f := fieldsOf{}
		for i, column := range columns {
			f[column] = values[i]
		}
		if err := use(f); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("mysqlrepl: ask %q: %w", s.name, err)
	}
	return nil
}

// named reads an answer of names and values, such as SHOW STATUS gives.
func (s *session) named(ctx context.Context, query string) (fieldsOf, error) {
	all := fieldsOf{}
	err := s.each(ctx, query, func(f fieldsOf) error {
		all[f.text("Variable_name")] = f["Value"]
		return nil
	})
	return all, err
}

// fieldsOf is one row by column, or values by name.
type fieldsOf map[string]sql.NullString

func (f fieldsOf) text(name string) string { return f[name].String }

// number is 0 where the field is missing or no number.
func (f fieldsOf) number(name string) uint64 {
	n, _ := strconv.ParseUint(f[name].String, 10, 64)
	return n
}

func (f fieldsOf) on(name string) bool {
	v := f[name].String
	return v == "ON" || v == "1" || v == "Yes" || v == "YES"
}

// isServerError reports whether the server answered with one of these error numbers.
func isServerError(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	for _, n := range numbers {
		if e.Number == n {
			return true
		}
	}
	return false
}
