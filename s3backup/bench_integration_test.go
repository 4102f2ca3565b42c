//go:build integration

package s3backup_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cost is what one way to make a backup took.
type cost struct {
	way    string
	cpu    time.Duration // of what is between the dump program and the bucket or disk
	dump   time.Duration // CPU of the dump program
	memory int64         // the most that the process held which cpu is about
	size   int64
	wall   time.Duration
}

// TestServerCost prints the table of the package's documentation. The others write to a file, which is a favour.
func TestServerCost(t *testing.T) {
	p := onServer(t)
	rows := 20_000
	if os.Getenv(envFull) != "" {
		rows = 2_330_000
	}
	p.exec(t, fmt.Sprintf("USE `%s`; CREATE TABLE big (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60), body TEXT, at DATETIME(6))", p.database),
		fmt.Sprintf("USE `%s`; INSERT INTO big (name, body, at) SELECT CONCAT('author ', seq %% 5000), CONCAT('Entry ', seq, ' ', SHA2(seq, 512)), '2026-01-01' + INTERVAL seq SECOND FROM seq_1_to_%d", p.database, rows))
	t.Logf("%-28s %8s %8s %8s %8s %8s", "", "CPU", "dump CPU", "memory", "size", "wall")
	show := func(c cost) {
		t.Logf("%-28s %6.1f s %6.1f s %4.0f MiB %5.0f MB %6.1f s", c.way, c.cpu.Seconds(), c.dump.Seconds(), float64(c.memory)/(1<<20), float64(c.size)/1e6, c.wall.Seconds())
	}
	show(p.ours(t, false))
	show(p.ours(t, true))
	dump := []string{"mariadb-dump", "--single-transaction", "--quick", "--hex-blob", p.database}
	for _, compressor := range [][]string{{"gzip", "-6"}, {"zstd", "-1", "-q"}, {"zstd", "-3", "-q"}} {
		show(p.pipeline(t, dump, compressor))
	}
	if _, err := exec.LookPath("mydumper"); err == nil {
		show(p.mydumper(t))
	}
}

func cpu(s *os.ProcessState) time.Duration { return s.UserTime() + s.SystemTime() }

// peak watches a process and gives the most that it held. What wait4 says would count the parent's memory at fork.
func peak(process *os.Process) (most func() int64) {
	stop, done := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		var held int64
		for {
			held = max(held, highWater(process.Pid))
			select {
			case <-stop:
				done <- held
				return
			case <-ticker.C:
			}
		}
	}()
	return func() int64 { close(stop); return <-done }
}

func highWater(pid int) (bytes int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	_, _ = fmt.Sscan(after, &bytes)
	return bytes << 10
}

// ours runs a backup in a process of its own, as the agent of a site does.
func (p *place) ours(t *testing.T, unmeasured bool) cost {
	t.Helper()
	output := p.kill(t, suicide{Verb: "backup", Unmeasured: unmeasured})
	entries, err := p.store.List(t.Context())
	require.NoError(t, err)
	m := entries[len(entries)-1].Manifest
	t.Logf("%.0f MB of SQL", float64(m.Content.Bytes)/1e6)
	c := cost{way: "s3backup", size: m.Object.Bytes, wall: m.Finished.Sub(m.Started)}
	if unmeasured {
		c.way += ", Unmeasured"
	}
	_, text, found := strings.Cut(output, "cost=")
	require.True(t, found)
	_, err = fmt.Sscan(text, (*int64)(&c.cpu), (*int64)(&c.dump), &c.memory)
	require.NoError(t, err)
	return c
}

func (p *place) pipeline(t *testing.T, dump, compressor []string) cost {
	t.Helper()
	to, err := os.Create(filepath.Join(t.TempDir(), "dump"))
	require.NoError(t, err)
	defer to.Close()
	from, pack := exec.Command(dump[0], dump[1:]...), exec.Command(compressor[0], append(compressor[1:], "-c")...)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	from.Stdout, pack.Stdin, pack.Stdout = write, read, to
	begun := time.Now()
	require.NoError(t, from.Start())
	require.NoError(t, pack.Start())
	held := peak(pack.Process)
	require.NoError(t, write.Close())
	require.NoError(t, read.Close())
	require.NoError(t, from.Wait())
	require.NoError(t, pack.Wait())
	c := cost{way: dump[0] + " | " + strings.Join(compressor, " "), wall: time.Since(begun), cpu: cpu(pack.ProcessState), dump: cpu(from.ProcessState)}
	c.memory = held()
	c.size, err = to.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	return c
}

func (p *place) mydumper(t *testing.T) cost {
	t.Helper()
	dir := t.TempDir()
	command := exec.Command("mydumper", "--database", p.database, "--outputdir", dir, "--threads", "1", "--compress", "--user", "root", "--socket", "/run/mysqld/mysqld.sock")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	begun := time.Now()
	require.NoError(t, command.Start())
	held := peak(command.Process)
	require.NoError(t, command.Wait(), "%s", &said)
	c := cost{way: "mydumper -t 1 -c", wall: time.Since(begun), cpu: cpu(command.ProcessState), memory: held()}
	files, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	require.Greater(t, len(files), 3)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		c.size += info.Size()
	}
	return c
}
