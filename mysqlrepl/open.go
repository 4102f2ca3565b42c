package mysqlrepl

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Dial connects to a "tcp" or "unix" address: net.Dialer's DialContext, or that of a host reached through a tunnel.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Address is where a server answers: a Unix socket or a TCP address, not both.
type Address struct {
	Socket string
	TCP    netip.AddrPort
	TLS    *tls.Config // for TCP; nil does not encrypt, which is right on loopback and in a tunnel
}

// Login is as whom. Root on a Unix socket needs no password: the server asks the kernel who is calling.
type Login struct {
	User     string
	Password Secret
	Database string // zero selects none
}

// Open connects to a server and asks it for a sign of life. A nil dial is this machine's. Times are read in UTC.
// Nothing is registered globally; closing the handle frees everything.
func Open(ctx context.Context, dial Dial, address Address, login Login) (*sql.DB, error) {
	db, err := handle(dial, address, login)
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("mysqlrepl: open %s as %q: %w", address, login.User, err), db.Close())
	}
	return db, nil
}

// Wait is Open for a server that is still starting: it tries again until ctx ends, and then says what it last saw.
func Wait(ctx context.Context, dial Dial, address Address, login Login) (*sql.DB, error) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		db, err := Open(ctx, dial, address, login)
		if err == nil {
			return db, nil
		}
		// A server that answers and refuses the account will not change its mind by waiting.
		var refused *mysql.MySQLError
		if errors.As(err, &refused) && (refused.Number == 1045 || refused.Number == 1698) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("mysqlrepl: wait for %s: %w: last answer: %w", address, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// String gives the address as it is dialled.
func (a Address) String() string {
	if a.Socket != "" {
		return a.Socket
	}
	return a.TCP.String()
}

func handle(dial Dial, address Address, login Login) (*sql.DB, error) {
	if (address.Socket != "") == address.TCP.IsValid() {
		return nil, fmt.Errorf("mysqlrepl: open: give either a socket or a TCP address")
	}
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", address.TCP.String()
	if address.Socket != "" {
		c.Net, c.Addr = "unix", address.Socket
	}
	c.User, c.Passwd, c.DBName = login.User, string(login.Password), login.Database
	c.TLS = address.TLS
	c.DialFunc = dial
	c.ParseTime = true
	c.MaxAllowedPacket = 0 // ask the server
	c.Logger = silent{}
	// A tunnel's connection has no file descriptor to look at.
	c.CheckConnLiveness = false
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("mysqlrepl: open %s: %w", address, err)
	}
	db := sql.OpenDB(connector)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// silent keeps the driver from writing to the program's standard error.
type silent struct{}

func (silent) Print(...any) {}
