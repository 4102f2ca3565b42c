package s3backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Dump is a Source: mariadb-dump or mysqldump on this machine, in one snapshot and without locking tables.
type Dump struct {
	Server Server

	// Databases are what to dump. Zero is all but the server's own; accounts are not in a backup.
	Databases []string
	// Program is the dump program's path. Zero looks for mariadb-dump or mysqldump, by whose server it is.
	Program string
	// Unmeasured leaves out the checksums in the manifest: the tables are then read once, not twice, and Verify can
	// compare only what there is.
	Unmeasured bool
}

var _ Source = Dump{}

// Copy implements Source.
func (d Dump) Copy(ctx context.Context, w io.Writer) (Facts, error) {
	facts := Facts{Kind: "sql"}
	plan, err := d.prepare(ctx, &facts)
	if err != nil {
		return facts, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	relay, err := newRelay(d.Server)
	if err != nil {
		return facts, fmt.Errorf("s3backup: dump: %w", err)
	}
	defer relay.close()
	relay.start(ctx, func(ctx context.Context, a asker) error { return d.inSession(ctx, a, &facts) })

	output := &sqlOutput{w: w}
	if err := d.run(ctx, plan, relay.address(), output); err != nil {
		cancel()
		<-relay.done
		return facts, err
	}
	_ = relay.listener.Close() // a program that never came is not waited for
	err = <-relay.done
	if !output.complete() {
		return facts, fmt.Errorf("s3backup: dump: %w: %s ended well, but without %q", ErrTruncated, plan.program, trailer)
	}
	if err != nil {
		return facts, fmt.Errorf("s3backup: dump: measure its snapshot: %w", err)
	}
	if plan.binlog {
		output.position(&facts)
	}
	return facts, nil
}

type dumpPlan struct {
	program string
	mariaDB bool
	binlog  bool
	names   []string
}

func (d Dump) prepare(ctx context.Context, facts *Facts) (dumpPlan, error) {
	var plan dumpPlan
	connect, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	s, err := d.Server.session(connect)
	if err != nil {
		return plan, err
	}
	defer s.Close()
	facts.Server = s.origin
	plan.mariaDB, plan.binlog = s.origin.Flavor == "mariadb", s.binlog
	there, err := s.databases(ctx)
	if err != nil {
		return plan, err
	}
	plan.names = d.Databases
	if len(plan.names) == 0 {
		plan.names = there
	}
	for _, name := range plan.names {
		if !slices.Contains(there, name) {
			return plan, fmt.Errorf("s3backup: dump: the server has no database %q", name)
		}
	}
	if len(plan.names) == 0 {
		return plan, fmt.Errorf("s3backup: dump: the server has no database but its own")
	}
	facts.Databases = plan.names
	unfinished, err := s.unfinished(ctx, plan.names)
	if err != nil {
		return plan, err
	}
	if unfinished != "" {
		return plan, fmt.Errorf("s3backup: dump: a restore of database %q did not end; run it again", unfinished)
	}
	if facts.Definers, err = s.definers(ctx, plan.names); err != nil {
		return plan, err
	}
	if facts.Warnings, err = s.unsafeTables(ctx, plan.names); err != nil {
		return plan, err
	}
	plan.program = d.Program
	if plan.program == "" {
		plan.program = "mysqldump"
		if plan.mariaDB {
			plan.program = "mariadb-dump"
		}
	}
	version, err := exec.CommandContext(ctx, plan.program, "--version").Output()
	if err != nil {
		return plan, fmt.Errorf("s3backup: dump: %s --version: %w", plan.program, err)
	}
	facts.Tool = strings.TrimSpace(string(version))
	return plan, nil
}

// unsafeTables warns of tables that no transaction covers.
func (s *session) unsafeTables(ctx context.Context, databases []string) ([]string, error) {
	var warnings []string
	for _, database := range databases {
		rows, err := s.query(ctx, "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+quoteText(database)+
			" AND TABLE_TYPE = 'BASE TABLE' AND ENGINE NOT IN ('InnoDB', 'ROCKSDB', 'SEQUENCE') ORDER BY TABLE_NAME")
		if err != nil {
			return nil, fmt.Errorf("s3backup: list tables of %q: %w", database, err)
		}
		for _, row := range rows {
			warnings = append(warnings, fmt.Sprintf("table %s.%s is %s: it is not part of the snapshot; convert it to InnoDB", database, row[0], row[1]))
		}
	}
	return warnings, nil
}

func (p dumpPlan) arguments() []string {
	// The file with the login comes through a pipe: no password on a command line, in the environment or on disk.
	args := []string{
		"--defaults-file=/dev/fd/3", "--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob",
		"--default-character-set=utf8mb4", "--no-tablespaces",
	}
	if p.mariaDB {
		args = append(args, "--skip-ssl")
	} else {
		args = append(args, "--ssl-mode=DISABLED", "--column-statistics=0")
	}
	switch {
	case p.binlog && p.mariaDB:
		args = append(args, "--master-data=2")
	case p.binlog:
		args = append(args, "--source-data=2", "--set-gtid-purged=COMMENTED")
	case !p.mariaDB:
		args = append(args, "--set-gtid-purged=OFF")
	}
	return append(append(args, "--databases", "--"), p.names...)
}

// login is the text of the client's option file.
func (d Dump) login(at net.Addr) string {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	text := "[client]\nuser=" + quote(d.Server.user()) + "\n"
	if d.Server.Password != "" {
		text += "password=" + quote(string(d.Server.Password)) + "\n"
	}
	if tcp, isTCP := at.(*net.TCPAddr); isTCP {
		return text + "protocol=tcp\nhost=127.0.0.1\nport=" + strconv.Itoa(tcp.Port) + "\n"
	}
	return text + "protocol=socket\nsocket=" + quote(at.String()) + "\n"
}

func (d Dump) run(ctx context.Context, plan dumpPlan, at net.Addr, output io.Writer) error {
	if strings.ContainsAny(d.Server.user()+string(d.Server.Password), "\n\r\x00") {
		return fmt.Errorf("s3backup: dump: user or password holds a line break")
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("s3backup: dump: %w", err)
	}
	// The text is far smaller than a pipe holds, so that writing never waits for a reader.
	_, err = io.WriteString(write, d.login(at))
	if err = errors.Join(err, write.Close()); err != nil {
		return errors.Join(fmt.Errorf("s3backup: dump: %w", err), read.Close())
	}
	command := exec.CommandContext(ctx, plan.program, plan.arguments()...)
	command.ExtraFiles = []*os.File{read}
	command.Stdout = output
	said := &lastLines{}
	command.Stderr = said
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	err = command.Run()
	_ = read.Close()
	if ctx.Err() != nil {
		return fmt.Errorf("s3backup: dump: %w", ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("s3backup: dump: %s: %w: %s", plan.program, err, said)
	}
	return nil
}

// inSession runs in the dump's own snapshot.
func (d Dump) inSession(ctx context.Context, a asker, facts *Facts) error {
	if d.Unmeasured {
		return nil
	}
	if _, err := a.query(ctx, "SAVEPOINT s3backup"); err != nil {
		return err
	}
	m, err := measure(ctx, a, facts.Databases, "ROLLBACK TO SAVEPOINT s3backup")
	facts.Tables, facts.Objects = m.tables, m.objects
	facts.Warnings = append(facts.Warnings, m.warnings...)
	return err
}

const trailer = "-- Dump completed"

// sqlOutput keeps the beginning and the end of what passes, where the dump programs write down what they did.
type sqlOutput struct {
	w          io.Writer
	head, tail []byte
}

func (o *sqlOutput) Write(p []byte) (int, error) {
	const headSize, tailSize = 16 << 10, 8 << 10
	if room := headSize - len(o.head); room > 0 {
		o.head = append(o.head, p[:min(room, len(p))]...)
	}
	last := p[max(0, len(p)-tailSize):]
	o.tail = append(o.tail, last...)
	if len(o.tail) > 2*tailSize {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-tailSize:]...)
	}
	return o.w.Write(p)
}

// complete reports whether the very last line is the trailer.
func (o *sqlOutput) complete() bool {
	text := bytes.TrimRight(o.tail, "\n")
	return bytes.HasPrefix(text[bytes.LastIndexByte(text, '\n')+1:], []byte(trailer))
}

var (
	positionLine = regexp.MustCompile(`(?m)^-- CHANGE (?:MASTER|REPLICATION SOURCE) TO (?:MASTER|SOURCE)_LOG_FILE='([^'\n]+)', (?:MASTER|SOURCE)_LOG_POS=(\d+);`)
	mariaDBGTID  = regexp.MustCompile(`(?m)^-- SET GLOBAL gtid_slave_pos='([^'\n]*)';`)
	mysqlGTID    = regexp.MustCompile(`(?s)SET @@GLOBAL\.GTID_PURGED=(?:/\*!80000 '\+'\*/ )?'([^']*)';`)
)

func (o *sqlOutput) position(facts *Facts) {
	line := positionLine.FindSubmatch(o.head)
	if line == nil {
		facts.Warnings = append(facts.Warnings, "the dump does not state its position in the binary log")
		return
	}
	offset, err := strconv.ParseUint(string(line[2]), 10, 64)
	if err != nil {
		facts.Warnings = append(facts.Warnings, "the dump states an unreadable position: "+string(line[0]))
		return
	}
	p := Position{File: string(line[1]), Offset: offset}
	for _, pattern := range []*regexp.Regexp{mariaDBGTID, mysqlGTID} {
		for _, text := range [][]byte{o.head, o.tail} {
			if gtid := pattern.FindSubmatch(text); gtid != nil {
				p.GTID = strings.TrimPrefix(strings.ReplaceAll(string(gtid[1]), "\n", ""), "+")
			}
		}
	}
	facts.Position = &p
}

// lastLines keeps the end of what a command said.
type lastLines struct{ text []byte }

func (l *lastLines) Write(p []byte) (int, error) {
	const keep = 2000
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-keep):]
	return len(p), nil
}

func (l *lastLines) String() string { return strings.TrimSpace(string(l.text)) }
