package mysqlrepl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// LogDir is where the slow log lies, owned by mysql. MariaDB of Debian 13 has no such directory: whoever lays the
// configuration down makes it, else nothing is logged.
const LogDir = "/var/log/mysql"

// Config is a server's my.cnf. Its zero value is a server for one machine: it listens on loopback and the socket,
// loses nothing that it acknowledged, and keeps binary logs in the form that replication and restoring to a point in
// time need, so that neither asks for a restart later.
type Config struct {
	Version Version // server that reads the file; zero is MariaDB 10.11, whose words later ones understand too

	// ServerID tells servers of one replication apart, 1 to 4294967295. Zero is 1.
	ServerID uint32

	// Replicated says that the server is one of a pair that Pair looks after. It then starts read-only and follows
	// nobody until it is told its role, so that a source which crashed comes back harmless. What waits for whom
	// (semi-synchronous replication) goes with the role, and is not in the file. Of MySQL 8.0 it needs 8.0.26 or later.
	Replicated bool
	// TLS names the certificate that the server shows. Zero leaves TLS as the distribution has it.
	TLS ServerTLS

	// Listen is the one address, besides the Unix socket, on which the server answers. Zero is 127.0.0.1.
	Listen netip.Addr
	// Port is for TCP. Zero is 3306.
	Port uint16
	// SocketOnly closes TCP altogether.
	SocketOnly bool

	// Memory is the machine's memory in bytes. Zero is 1 GiB.
	Memory int64
	// Dedicated says that the database has the machine to itself: the buffer pool takes 70 % of Memory, not 25 %.
	Dedicated bool
	// BufferPool sets the InnoDB buffer pool in bytes by hand, at least 16 MiB. Zero derives it from Memory.
	BufferPool int64

	// MaxConnections is 10 to 100000. Zero is 151, the servers' own default.
	MaxConnections int
	// BinlogRetention is how long binary logs stay, an hour to 99 days. Zero is 7 days.
	BinlogRetention time.Duration
	// SlowQuery is from when on a query is logged as slow, in whole milliseconds. Zero is 1 s, negative logs none.
	SlowQuery time.Duration
}

const mebibyte = 1 << 20

// Validate reports every mistake at once.
func (c Config) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("mysqlrepl: config: "+format, args...))
	}
	if v := c.Version.orDefault(); v.Flavor != MariaDB && v.Flavor != MySQL {
		refuse("flavor %q is neither mariadb nor mysql", v.Flavor)
	} else if err := v.Supported(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.TLS.validate()...)
	if c.Replicated && c.SocketOnly {
		refuse("replicated, and yet socket only: the other server reaches it over TCP")
	}
	if c.Replicated && c.ServerID == 0 {
		refuse("replicated, and yet without a server ID: the two servers must differ")
	}
	if c.Listen.Zone() != "" {
		refuse("listen address %q has a zone", c.Listen)
	}
	if c.SocketOnly && (c.Listen.IsValid() || c.Port != 0) {
		refuse("socket only, and yet an address or a port is given")
	}
	if c.Memory != 0 && c.Memory < 256*mebibyte {
		refuse("memory %d is less than 256 MiB", c.Memory)
	}
	if c.BufferPool != 0 && c.BufferPool < 16*mebibyte {
		refuse("buffer pool %d is less than 16 MiB", c.BufferPool)
	}
	if c.BufferPool != 0 && c.BufferPool > c.memory() {
		refuse("buffer pool %d is more than the memory %d", c.BufferPool, c.memory())
	}
	if c.MaxConnections != 0 && (c.MaxConnections < 10 || c.MaxConnections > 100000) {
		refuse("max connections %d is not within 10 and 100000", c.MaxConnections)
	}
	if r := c.BinlogRetention; r != 0 && (r < time.Hour || r > 99*24*time.Hour) {
		refuse("binlog retention %s is not within 1h and 2376h", r)
	}
	if c.SlowQuery > 0 && c.SlowQuery < time.Millisecond || c.SlowQuery > time.Hour {
		refuse("slow query %s is not within 1ms and 1h", c.SlowQuery)
	}
	return errors.Join(errs...)
}

// Render gives the file's text. Equal values give equal bytes.
func (c Config) Render() (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	f := file{}
	f.line("# Written by siteblocks for %s. The next run overwrites what is changed here.", c.Version.orDefault())
	f.line("[mysqld]")
	c.network(&f)
	c.storage(&f)
	c.binlog(&f)
	c.replication(&f)
	c.encryption(&f)
	c.diagnosis(&f)
	return f.String(), nil
}

type file struct{ strings.Builder }

func (f *file) line(format string, args ...any) { fmt.Fprintf(f, format+"\n", args...) }

func (f *file) why(text string) { f.line("\n# %s", text) }

func (f *file) set(name string, value any) { f.line("%-31s = %v", name, value) }

func (c Config) network(f *file) {
	if c.SocketOnly {
		f.why("Nothing but the Unix socket: no port to attack.")
		f.line("skip-networking")
	} else {
		f.why("Who may reach the port is decided here first; 127.0.0.1 is this machine alone.")
		listen, port := c.Listen, c.Port
		if !listen.IsValid() {
			listen = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		if port == 0 {
			port = 3306
		}
		f.set("bind-address", listen)
		f.set("port", port)
	}
	if c.mysql() {
		f.why("The X protocol would open a second port that nobody uses.")
		f.set("mysqlx", "OFF")
	}
	f.why("A client's server must not be able to ask that client for its files.")
	f.set("local_infile", "OFF")
	connections := c.MaxConnections
	if connections == 0 {
		connections = 151
	}
	f.why("Each connection costs memory; more than the processes' pools together is waste.")
	f.set("max_connections", connections)
	f.why("Rows with large values, and the dump's long INSERTs, must fit into one packet.")
	f.set("max_allowed_packet", "64M")
}

func (c Config) storage(f *file) {
	f.why("All of Unicode, with the newest collation that both MariaDB and MySQL know, so that a dump moves between them.")
	f.set("character_set_server", "utf8mb4")
	f.set("collation_server", "utf8mb4_unicode_ci")

	pool := c.bufferPool()
	f.why("Data and indexes in memory: a quarter of the machine beside an application, 70 % where the database is alone.")
	f.set("innodb_buffer_pool_size", fmt.Sprintf("%dM", pool/mebibyte))
	redo := min(max(pool/4, 64*mebibyte), 1024*mebibyte)
	f.why("A redo log of a quarter of the pool keeps page writes rare and recovery short.")
	if c.mysql() {
		f.set("innodb_redo_log_capacity", fmt.Sprintf("%dM", redo/mebibyte))
	} else {
		f.set("innodb_log_file_size", fmt.Sprintf("%dM", redo/mebibyte))
	}
	f.why("What was acknowledged survives a power cut, in the data and in the binary log.")
	f.set("innodb_flush_log_at_trx_commit", 1)
	f.set("sync_binlog", 1)
}

func (c Config) binlog(f *file) {
	id := c.ServerID
	if id == 0 {
		id = 1
	}
	retention := c.BinlogRetention
	if retention == 0 {
		retention = 7 * 24 * time.Hour
	}
	f.why("The binary log is what replicas read and what a restore to a point in time replays. Names do not hold the host's.")
	f.set("server_id", id)
	f.set("log_bin", "binlog")
	f.set("relay_log", "relaylog")
	if !c.mysql() || !c.Version.AtLeast(8, 4) {
		f.why("Rows, not statements: replaying them cannot give another result.")
		f.set("binlog_format", "ROW")
	}
	if !c.mysql() { // MySQL calls the setting deprecated since 8.0.34, and warns of it at every start
		f.why("With rows a function cannot make replicas differ, so whoever may create functions and triggers needs no SUPER.")
		f.set("log_bin_trust_function_creators", "ON")
	}
	f.why("Whole rows before and after, so that a mistaken statement can be found and taken back.")
	f.set("binlog_row_image", "FULL")
	f.set("max_binlog_size", "128M")
	f.set("binlog_expire_logs_seconds", int64(retention/time.Second))
	f.why("Global transaction IDs: a replica finds its place by itself, whichever server it is pointed at.")
	if c.mysql() {
		f.set("gtid_mode", "ON")
		f.set("enforce_gtid_consistency", "ON")
		f.set("log_replica_updates", "ON")
		return
	}
	f.set("gtid_strict_mode", "ON")
	f.set("log_slave_updates", "ON")
}

func (c Config) diagnosis(f *file) {
	if c.SlowQuery < 0 {
		f.why("Slow queries are not logged.")
		f.set("slow_query_log", "OFF")
		return
	}
	slow := c.SlowQuery
	if slow == 0 {
		slow = time.Second
	}
	f.why("Queries from this many seconds on are written down; the distribution rotates the file.")
	f.set("slow_query_log", "ON")
	f.set("long_query_time", slow.Seconds())
	f.set("slow_query_log_file", LogDir+"/slow.log")
}

func (c Config) mysql() bool { return c.Version.Flavor == MySQL }

func (c Config) memory() int64 {
	if c.Memory == 0 {
		return 1 << 30
	}
	return c.Memory
}

func (c Config) bufferPool() int64 {
	pool := c.BufferPool
	if pool == 0 && c.Dedicated {
		pool = c.memory() / 10 * 7
	} else if pool == 0 {
		pool = c.memory() / 4
	}
	return pool / mebibyte * mebibyte
}
