package sshx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Two constant programs run a script on a host, so that neither its text nor its values are ever in a process list.
//
// launcher reads the script's text from the front of its standard input into a private file and becomes the
// script; what is left of the input belongs to the script, untouched, at full speed. The script leads a process
// group of its own: under some ways to sudo it would share one with strangers.
//
// lifeline is one long-lived program per connection (and per user). It ends scripts on command, and when its own
// input ends, which is when the connection is gone, it ends all that are left. The end of a script's input could
// not serve as that signal, as it is an ordinary event to a script; and sshd ends nothing that has no terminal.
// It chooses where the scripts lie: in memory that only this user can fill, since whoever fills /dev/shm or /tmp would
// keep everybody else out; elsewhere only where there is no such place, or no room in it.
const (
	launcher = `u=$(umask); umask 077; d=$1; f=$1/$2
IFS= read -r n && head -c "$n" >"$f" || { echo "sshx: cannot store the script in $d" >&2; exit 255; }
g=; if read -r s 2>/dev/null </proc/$$/stat; then s=${s##*) }; set -- $s; g=$3; fi
echo $$ >"$f.pid" && [ ! -e "$d/dead" ] || exit 255
umask "$u"; [ "$g" = $$ ] || ! command -v setsid >/dev/null || exec setsid /bin/sh "$f"
exec /bin/sh "$f"`

	lifelineProgram = `umask 077; trap '' HUP INT TERM PIPE
d=
for p in /run "${XDG_RUNTIME_DIR:-/run}" /dev/shm "${TMPDIR:-/tmp}" /var/tmp "$HOME"; do
	d=$(mktemp -d "$p/sshx.XXXXXXXXXX" 2>/dev/null) || continue
	head -c 1048576 /dev/zero 2>/dev/null >"$d/probe" && rm "$d/probe" && break
	rm -rf "$d"; d=
done
[ "$d" ] || { echo "sshx: no room for a script in /run, /dev/shm, /tmp, /var/tmp or $HOME" >&2; exit 1; }
end() {
	read -r g <"$1" || return 0
	kill -s TERM -- "-$g" || kill -s TERM -- "$g" || return 0
	i=0
	while [ $i -lt 20 ]; do sleep 0.1; kill -s 0 -- "-$g" || return 0; i=$((i+1)); done
	kill -s KILL -- "-$g"
}
echo "$d"; exec >/dev/null 2>&1
while read -r verb id; do
	case $verb in
	end) end "$d/$id.pid" & ;;
	done) rm -f "$d/$id" "$d/$id.pid" ;;
	esac
done
: >"$d/dead"
for f in "$d"/*.pid; do [ -e "$f" ] && end "$f" & done
wait; rm -rf "$d"`
)

const (
	endTimeout    = 8 * time.Second // how long Run waits for a script that it ended
	outputTimeout = 2 * time.Second // how long output may stay quiet after a script has exited
)

// process is a program that was started on a host.
type process struct {
	stdin io.WriteCloser
	done  chan struct{} // closed once the program has exited and its output has been read
	err   error         // how it ended: nil, *ExitError without Host, or ErrLost; valid once done is closed
	abort func()        // gives the program up without waiting for it
}

// starter starts a shell command line on a host.
type starter func(ctx context.Context, command string, stdout, stderr io.Writer) (*process, error)

// shellCommand is the command line that runs program with args by /bin/sh, as root where asked.
func shellCommand(sudo bool, program string, args ...string) string {
	words := make([]string, 0, 8)
	words = append(words, "exec")
	if sudo {
		words = append(words, "sudo", "-n", "--")
	}
	words = append(words, "/bin/sh", "-c", Quote(program), "sh")
	for _, a := range args {
		words = append(words, Quote(a))
	}
	return strings.Join(words, " ")
}

// lifeline is a running lifelineProgram.
type lifeline struct {
	proc *process
	dir  string

	mu   sync.Mutex
	next int
}

func startLifeline(ctx context.Context, start starter, sudo bool) (*lifeline, error) {
	pr, pw := io.Pipe()
	var stderr tail
	p, err := start(ctx, shellCommand(sudo, lifelineProgram), pw, &stderr)
	if err != nil {
		return nil, err
	}
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(pr).ReadString('\n')
		first <- strings.TrimSpace(line)
		_, _ = io.Copy(io.Discard, pr)
	}()
	go func() { <-p.done; _ = pw.Close() }()
	select {
	case dir := <-first:
		if dir != "" {
			return &lifeline{proc: p, dir: dir}, nil
		}
		<-p.done
		var exit *ExitError
		if errors.As(p.err, &exit) {
			exit.Stderr = stderr.String()
			return nil, exit
		}
		return nil, ErrLost
	case <-ctx.Done():
		p.abort()
		return nil, context.Cause(ctx)
	}
}

// register reserves an identity for one script.
func (l *lifeline) register() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return strconv.Itoa(l.next)
}

func (l *lifeline) tell(verb, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.proc.stdin, verb+" "+id+"\n")
}

func (l *lifeline) alive() bool {
	select {
	case <-l.proc.done:
		return false
	default:
		return true
	}
}

// close ends what still runs under l, and l itself.
func (l *lifeline) close() {
	_ = l.proc.stdin.Close()
	select {
	case <-l.proc.done:
	case <-time.After(endTimeout):
		l.proc.abort()
	}
}

// runScript runs s under l. Errors do not name the host yet, see hostError.
func runScript(ctx context.Context, start starter, l *lifeline, sudo bool, s Script) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if s.Stderr != nil && same(s.Stdout, s.Stderr) {
		one := &serial{w: s.Stdout}
		s.Stdout, s.Stderr = one, one
	}
	var last tail
	stdout, stderr := s.Stdout, io.Writer(&last)
	if stdout == nil {
		stdout = io.Discard
	}
	if s.Stderr != nil {
		stderr = io.MultiWriter(&last, s.Stderr)
	}
	id := l.register()
	p, err := start(ctx, shellCommand(sudo, launcher, l.dir, id), stdout, stderr)
	if err != nil {
		return err
	}
	defer l.tell("done", id)
	fed := make(chan error, 1)
	go func() { fed <- feed(p.stdin, s) }()

	var cause error
	select {
	case <-p.done:
	case err := <-fed:
		if cause = err; cause == nil {
			cause = waitProcess(ctx, p)
		}
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	if cause != nil {
		endScript(l, id, p)
		return cause
	}
	var exit *ExitError
	if errors.As(p.err, &exit) {
		exit.Stderr = last.String()
	}
	return p.err
}

// same tells whether a and b are one writer; of a type that cannot be compared none is.
func same(a, b io.Writer) (yes bool) {
	defer func() { _ = recover() }()
	return a == b
}

// serial lets one write in at a time.
type serial struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// waitProcess waits for p and says why it could not: nil where p ended by itself.
func waitProcess(ctx context.Context, p *process) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// endScript ends a script and waits until it is gone.
func endScript(l *lifeline, id string, p *process) {
	l.tell("end", id)
	timeout := time.NewTimer(endTimeout)
	defer timeout.Stop()
	again := time.NewTicker(time.Second) // the launcher may not have written its process group yet
	defer again.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-timeout.C:
			p.abort()
			return
		case <-again.C:
			l.tell("end", id)
		}
	}
}

// feed sends the script and then its input. Only the input's own errors are returned: a program that stopped
// reading says by its exit status what happened. After an error the input is left open, so that the
// script does not take a part of its input for the whole.
func feed(stdin io.WriteCloser, s Script) error {
	if _, err := fmt.Fprintf(stdin, "%d\n%s", len(s.Text), s.Text); err != nil {
		return nil
	}
	if s.Stdin != nil {
		in := &inputReader{r: s.Stdin}
		_, err := io.CopyBuffer(struct{ io.Writer }{stdin}, in, make([]byte, 256<<10))
		if in.err != nil {
			return fmt.Errorf("read input: %w", in.err)
		}
		if err != nil {
			return nil
		}
	}
	_ = stdin.Close()
	return nil
}

// inputReader remembers whether it was the reader that failed.
type inputReader struct {
	r   io.Reader
	err error
}

func (i *inputReader) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF {
		i.err = err
	}
	return n, err
}

// hostError names the host in err.
func hostError(host string, err error) error {
	var exit *ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		exit.Host = host
		return err
	}
	return fmt.Errorf("sshx: run on %q: %w", host, err)
}
