package s3backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
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
	measurer := &measurer{Dump: d, facts: &facts, plain: plan.lossy, position: plan.noGTID}
	relay.start(ctx, measurer.before, measurer.after)

	output := &sqlOutput{w: w}
	sieve := newSieve(facts.Server, output, cached(func(database string) ([]definition, error) { return d.definitions(ctx, database) }))
	err = d.run(ctx, plan, relay.address(), sieve)
	if sieveErr := sieve.finish(); err == nil {
		err = sieveErr
	}
	if err != nil {
		cancel()
		<-relay.done
		if measurer.err != nil { // it ended the program
			err = fmt.Errorf("s3backup: dump: prepare its session: %w", measurer.err)
		}
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
	if plan.binlog && !plan.noGTID {
		output.position(&facts)
	}
	output.longest(&facts)
	sieve.state(&facts)
	return facts, nil
}

// cached asks once for each database.
func cached[T any](ask func(database string) (T, error)) func(string) (T, error) {
	known := map[string]T{}
	return func(database string) (T, error) {
		if all, asked := known[database]; asked {
			return all, nil
		}
		all, err := ask(database)
		if err == nil {
			known[database] = all
		}
		return all, err
	}
}

type dumpPlan struct {
	program string
	mariaDB bool
	binlog  bool
	names   []string
	left    []Left
	history bool // tables have one, and it is dumped
	lossy   bool // tables have one, and the program does not dump it
	noGTID  bool // the server does not tell the GTID of its position, and the program would die of that
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
	if plan.binlog && plan.mariaDB {
		if plan.noGTID, err = s.withoutGTID(ctx); err != nil {
			return plan, err
		}
	}
	if err := plan.findCaveats(ctx, s, facts); err != nil {
		return plan, err
	}
	if err := plan.findProgram(ctx, d, facts); err != nil {
		return plan, err
	}
	return plan, plan.askHistory(ctx, s, facts)
}

func (p *dumpPlan) findProgram(ctx context.Context, d Dump, facts *Facts) error {
	p.program = d.Program
	if p.program == "" {
		p.program = "mysqldump"
		if p.mariaDB {
			p.program = "mariadb-dump"
		}
	}
	version, err := exec.CommandContext(ctx, p.program, "--version").Output()
	if err != nil {
		return fmt.Errorf("s3backup: dump: %s --version: %w", p.program, err)
	}
	facts.Tool = strings.TrimSpace(string(version))
	return nil
}

func (p dumpPlan) arguments() []string {
	// The file with the login comes through a pipe: no password on a command line, in the environment or on disk.
	args := []string{
		"--defaults-file=/dev/fd/3", "--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob",
		"--default-character-set=utf8mb4", "--no-tablespaces", "--max-allowed-packet=1G",
		// Under a lock of its own table a row cannot take its default from a sequence.
		"--skip-add-locks",
	}
	if p.history {
		args = append(args, "--dump-history")
	}
	for _, l := range p.left {
		args = append(args, "--ignore-table="+l.Database+"."+l.Name)
	}
	if p.mariaDB {
		args = append(args, "--skip-ssl")
	} else {
		args = append(args, "--ssl-mode=DISABLED", "--column-statistics=0")
	}
	switch {
	case p.noGTID:
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

// lastLines keeps the end of what a command said.
type lastLines struct{ text []byte }

func (l *lastLines) Write(p []byte) (int, error) {
	const keep = 2000
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-keep):]
	return len(p), nil
}

func (l *lastLines) String() string { return strings.TrimSpace(string(l.text)) }
