package s3backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Scratch is a second server for the time of one Verify: a directory and a socket of its own, no port, no binary log, and
// the lowest priority for processor, disk and memory. Where this program is root, it runs as a user that nobody else is,
// and sees nothing of the machine besides its directory and, to be read, the programs: a backup that tries to read or to
// write files, or to load libraries, finds none. Nothing of it is left afterwards; what a killed run left, the next one
// removes.
type Scratch struct {
	Dir     string // where its directory is made; zero is the machine's temporary directory
	Program string // mariadbd or mysqld; zero looks for it
	User    string // who runs it where this program is root; zero is a number that no user has
	Memory  int64  // InnoDB buffer pool in bytes; zero is 64 MiB
}

type scratchServer struct {
	Server
	dir     string
	process *exec.Cmd
	exited  chan error
}

// start makes room, makes the system tables and starts the server, in a directory whose name begins with prefix. The
// caller holds the lock that goes with it.
func (c Scratch) start(ctx context.Context, content int64, prefix string, emit func(Event)) (*scratchServer, error) {
	if c.Dir == "" {
		c.Dir = os.TempDir()
	}
	c.sweep(prefix, emit)
	// Tables and indexes take about what their dump does; half as much again, and what an empty server is.
	if err := checkSpace(c.Dir, content+content/2+200<<20); err != nil {
		return nil, err
	}
	program, err := c.program()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(c.Dir, prefix)
	if err != nil {
		return nil, fmt.Errorf("scratch server: %w", err)
	}
	s := &scratchServer{Server: Server{Socket: filepath.Join(dir, "s")}, dir: dir}
	if err := s.boot(ctx, c, program, emit); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
		s.stop()
		if bytes.Contains(log, []byte("No space left")) || bytes.Contains(log, []byte("rrcode: 28")) {
			err = fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
		return nil, fmt.Errorf("scratch server: %w: %s", err, log[max(0, len(log)-1500):])
	}
	return s, nil
}

func (c Scratch) program() (string, error) {
	if c.Program != "" {
		return c.Program, nil
	}
	for _, name := range []string{"mariadbd", "mysqld", "/usr/sbin/mariadbd", "/usr/sbin/mysqld"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("scratch server: neither mariadbd nor mysqld is installed here")
}

func (s *scratchServer) boot(ctx context.Context, c Scratch, program string, emit func(Event)) error {
	box, err := newSandbox(ctx, s.dir, c.User, program, c.memory())
	if errors.Is(err, errOpen) {
		emit(Note{Warning: true, Text: "the scratch server sees this machine's files: " + err.Error()})
	} else if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	for _, name := range []string{"files", "plugins"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			return err
		}
	}
	maria := strings.Contains(filepath.Base(program), "mariadb")
	install := box.command(ctx, program, "--no-defaults", "--initialize-insecure", "--datadir="+data)
	if maria {
		install = box.command(ctx, "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal",
			"--skip-test-db", "--skip-name-resolve", "--datadir="+data, "--innodb-log-file-size=16M")
	}
	if output, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("make its system tables: %w: %s", err, output[max(0, len(output)-1500):])
	}
	s.process = box.command(context.WithoutCancel(ctx), program, c.arguments(s.dir, data, maria)...)
	if err := s.process.Start(); err != nil {
		return err
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.process.Wait() }()
	return s.wait(ctx)
}

func (c Scratch) memory() int64 {
	if c.Memory == 0 {
		return 64 << 20
	}
	return c.Memory
}

func (c Scratch) arguments(dir, data string, maria bool) []string {
	arguments := []string{
		"--no-defaults", "--datadir=" + data, "--socket=" + filepath.Join(dir, "s"), "--pid-file=" + filepath.Join(dir, "pid"),
		"--log-error=" + filepath.Join(dir, "error.log"), "--tmpdir=" + dir, "--skip-networking", "--skip-log-bin",
		"--event-scheduler=OFF", "--max-allowed-packet=1G", "--innodb-buffer-pool-size=" + strconv.FormatInt(c.memory(), 10),
		// It reads and writes no files but its own, and loads no libraries.
		"--secure-file-priv=" + filepath.Join(dir, "files"), "--plugin-dir=" + filepath.Join(dir, "plugins"), "--local-infile=0", "--max-connections=10",
		// It is thrown away: nothing of it needs to outlive a power cut.
		"--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite",
	}
	if maria {
		return append(arguments, "--innodb-log-file-size=16M", "--innodb-flush-method=nosync")
	}
	return append(arguments, "--mysqlx=OFF", "--innodb-redo-log-capacity=64M", "--innodb-flush-method=nosync")
}

func (s *scratchServer) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		session, err := s.session(ctx)
		if err == nil {
			return session.Close()
		}
		select {
		case end := <-s.exited:
			s.exited <- end
			return fmt.Errorf("it ended: %w", end)
		case <-ctx.Done():
			return fmt.Errorf("%w: last answer: %w", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// stop ends the server and removes its directory. There is nothing in it to be written out in order.
func (s *scratchServer) stop() {
	if s.exited != nil {
		_ = s.process.Process.Kill()
		<-s.exited
		s.exited = nil
	}
	_ = os.RemoveAll(s.dir)
}

// sweep removes what killed runs left: the directory, and the server that may still be running in it.
func (c Scratch) sweep(prefix string, emit func(Event)) {
	left, _ := filepath.Glob(filepath.Join(c.Dir, prefix+"*"))
	for _, dir := range left {
		emit(Note{Text: "remove " + dir + ", left by an interrupted verify"})
		for _, pid := range runningIn(dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = os.RemoveAll(dir)
	}
}

// runningIn lists the processes that were told of a directory.
func runningIn(dir string) (all []int) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		command, _ := os.ReadFile(path)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && pid != os.Getpid() && bytes.Contains(command, []byte(dir+"/")) {
			all = append(all, pid)
		}
	}
	return all
}

// checkSpace refuses work that would fill a disk.
func checkSpace(dir string, need int64) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := int64(stat.Bavail) * int64(stat.Bsize); free < need {
		return fmt.Errorf("%w: %s has %s free, about %s are needed", ErrDiskFull, dir, Size(free), Size(need))
	}
	return nil
}
