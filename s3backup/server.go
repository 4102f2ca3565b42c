package s3backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Secret is a password. It prints as REDACTED.
type Secret string

func (Secret) String() string               { return "REDACTED" }
func (Secret) GoString() string             { return "REDACTED" }
func (Secret) LogValue() slog.Value         { return slog.StringValue("REDACTED") }
func (Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// Server is a MySQL or MariaDB server as this machine reaches it. The zero value is root on Debian's socket, where
// the server asks the kernel who is calling.
type Server struct {
	Socket   string         // zero, with a zero TCP: /run/mysqld/mysqld.sock
	TCP      netip.AddrPort // instead of a socket; not encrypted, so for loopback and tunnels
	User     string         // zero is "root"
	Password Secret
}

func (s Server) network() (network, address string) {
	switch {
	case s.TCP.IsValid():
		return "tcp", s.TCP.String()
	case s.Socket != "":
		return "unix", s.Socket
	}
	return "unix", "/run/mysqld/mysqld.sock"
}

func (s Server) user() string {
	if s.User == "" {
		return "root"
	}
	return s.User
}

func (s Server) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	network, address := s.network()
	return d.DialContext(ctx, network, address)
}

// session opens one connection and learns whose server it is.
func (s Server) session(ctx context.Context) (*session, error) {
	c := mysql.NewConfig()
	c.Net, c.Addr = s.network()
	c.User, c.Passwd = s.user(), string(s.Password)
	c.MaxAllowedPacket = 0 // ask the server
	c.Logger = silent{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("s3backup: connect to %s: %w", c.Addr, err)
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) {
			err = fmt.Errorf("%w: %w", ErrServerDown, err)
		}
		return nil, errors.Join(fmt.Errorf("s3backup: connect to %s as %q: %w", c.Addr, c.User, err), db.Close())
	}
	open := &session{db: db, conn: conn, server: s, address: c.Addr}
	err = open.identify(ctx)
	if err == nil {
		_, err = open.query(ctx, "SET NAMES utf8mb4") // a server may be told not to take the client's word for it
	}
	if err == nil {
		err = settle(ctx, open)
	}
	if err != nil {
		return nil, errors.Join(err, open.Close())
	}
	return open, nil
}

// restoreWait is how long a restore waits for one before it: for the last statement of one that was killed.
const restoreWait = time.Minute

// restoring opens the one session of this server that may exchange databases. The server frees its lock when it ends the
// session, so that the last statement of a restore that was killed has come to its end, too, and does not change what
// this one sees.
func (s Server) restoring(ctx context.Context) (*session, error) {
	connect, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	open, err := s.session(connect)
	if err != nil {
		return nil, err
	}
	got, err := one(ctx, open, fmt.Sprintf("SELECT GET_LOCK('s3backup restore', %.0f)", restoreWait.Seconds()), 0)
	if err == nil && got == "1" {
		got, err = open.awaitLoad(ctx)
	}
	if err == nil && got != "1" {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("s3backup: restore: wait for the end of another restore on %s: %w", open.address, err), open.Close())
	}
	return open, nil
}

// loading opens a session that works for the one that may exchange databases. Its lock tells the next restore when its
// last statement has come to its end.
func (s Server) loading(ctx context.Context) (*session, error) {
	open, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	got, err := one(ctx, open, fmt.Sprintf("SELECT GET_LOCK(%s, 10)", loadLock), 0)
	if err == nil && got != "1" {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("s3backup: load: %w", err), open.Close())
	}
	return open, nil
}

const loadLock = "'s3backup load'"

// silent keeps the driver from writing to the program's standard error.
type silent struct{}

func (silent) Print(...any) {}

// session is one connection, for what must happen in one place: a snapshot, a database in use.
type session struct {
	db      *sql.DB
	conn    *sql.Conn
	server  Server
	address string
	origin  Origin
	binlog  bool
	packet  int // bytes that it takes in one
}

func (s *session) Close() error { return errors.Join(s.conn.Close(), s.db.Close()) }

func (s *session) identify(ctx context.Context) error {
	var comment string
	err := s.conn.QueryRowContext(ctx, "SELECT VERSION(), @@version_comment, @@hostname, @@server_id, @@log_bin, @@max_allowed_packet").
		Scan(&s.origin.Version, &comment, &s.origin.Host, &s.origin.ID, &s.binlog, &s.packet)
	if err != nil {
		return fmt.Errorf("s3backup: ask %s for its version: %w", s.address, err)
	}
	s.origin.Flavor = "mysql"
	if strings.Contains(strings.ToLower(s.origin.Version+comment), "mariadb") {
		s.origin.Flavor = "mariadb"
	}
	return nil
}

// query runs one statement and gives all of its answer as text; NULL is "".
func (s *session) query(ctx context.Context, statement string) ([][]string, error) {
	rows, err := s.conn.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		row := make([]string, len(columns))
		for i := range values {
			row[i] = values[i].String
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func (s *session) exec(ctx context.Context, statement string) error {
	_, err := s.conn.ExecContext(ctx, statement)
	var refused *mysql.MySQLError
	// 1114: table is full; 3 and 1021: the file system is; 28 is ENOSPC in the text of others.
	if errors.As(err, &refused) && (refused.Number == 1114 || refused.Number == 1021 || refused.Number == 3 ||
		strings.Contains(refused.Message, "No space left") || strings.Contains(refused.Message, "rrcode: 28")) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// databases lists what is not the server's own, nor left of a restore, sorted.
func (s *session) databases(ctx context.Context) ([]string, error) {
	rows, err := s.query(ctx, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ("+quoteList(systemDatabases)+") ORDER BY SCHEMA_NAME")
	if err != nil {
		return nil, fmt.Errorf("s3backup: list databases of %s: %w", s.address, err)
	}
	var names []string
	for _, row := range rows {
		if !leftover.MatchString(row[0]) {
			names = append(names, row[0])
		}
	}
	return names, nil
}

// quoteName is the only way by which a name enters a statement.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// quoteText is a literal under every sql_mode: as hexadecimal digits.
func quoteText(text string) string {
	if text == "" {
		return "''"
	}
	return fmt.Sprintf("CONVERT(0x%x USING utf8mb4)", text)
}

const connectTimeout = 10 * time.Second
