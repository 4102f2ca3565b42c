package provision

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

//go:embed apply.sh
var applyFunctions string

//go:embed apply_config.sh
var configFunctions string

//go:embed apply_packages.sh
var packageFunctions string

// Where payloads lie until they are in place; the directories are root's alone. Secrets never touch the disk there.
const (
	stageDir  = "/var/lib/siteblocks/provision/stage"
	secretDir = "/run/siteblocks/provision/stage"
)

// stagePath is where the payload of an operation lies on the host.
func (p *payload) stagePath(item, op int) string {
	dir := stageDir
	if p.secret {
		dir = secretDir
	}
	return fmt.Sprintf("%s/%d.%d/%s", dir, item, op, p.base)
}

// script returns what the host runs for the plan. Its standard input is what writePayload writes.
func (p *plan) script(mark string, wait time.Duration) string {
	var b strings.Builder
	for _, part := range []string{applyFunctions, configFunctions, packageFunctions, asFunction} {
		b.WriteString(part)
	}
	fmt.Fprintf(&b, "\nmark=%s wait=%s\n", sshx.Quote(mark), sshx.Quote(seconds(wait)))
	b.WriteString("prepare " + sshx.Quote(p.generation) + " \"$wait\" || { say unprepared; exit 70; }\n")
	for i, it := range p.items {
		name := "change_" + strconv.Itoa(i+1)
		b.WriteString(name + "() {\n")
		if len(it.ops) == 0 {
			b.WriteString("changed=1\n")
		}
		for j, o := range it.ops {
			b.WriteString(o.line(i, j))
		}
		b.WriteString("}\n")
		fmt.Fprintf(&b, "owes=%s\n", sshx.Quote(strings.Join(it.owes, " ")))
		call(&b, "run", strconv.Itoa(i+1), name)
	}
	b.WriteString("finish\n")
	return b.String()
}

func (o op) line(item, number int) string {
	args := o.args
	if o.payload != nil {
		staged := o.payload.stagePath(item, number)
		args = append([]string{staged}, args...)
		if o.function == "file_put" {
			last := len(args) - 1
			args[last] = strings.ReplaceAll(args[last], "{}", sshx.Quote(staged))
		}
	}
	var b strings.Builder
	call(&b, o.function, args...)
	return strings.TrimSuffix(b.String(), "\n") + " || return\n"
}

// payloads calls yield with every payload and its path on the host.
func (p *plan) payloads(yield func(path string, p *payload) error) error {
	for i, it := range p.items {
		for j, o := range it.ops {
			if o.payload == nil {
				continue
			}
			if err := yield(o.payload.stagePath(i, j), o.payload); err != nil {
				return err
			}
		}
	}
	return nil
}

// writePayload writes a compressed tar with all payloads, and "complete" as its last file.
// It writes in large pieces: each becomes a packet, and with small ones sshd took 13 s instead of 0.5 s for 15 MB.
func (p *plan) writePayload(w io.Writer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	packed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	if err := p.payloads(func(path string, p *payload) error { return p.write(archive, path) }); err != nil {
		return err
	}
	if err := writeFile(archive, secretDir+"/complete", 0, strings.NewReader("")); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return out.Flush()
}

func (p *payload) write(archive *tar.Writer, path string) error {
	if p.blob.Open == nil {
		return writeFile(archive, path, int64(len(p.text)), strings.NewReader(p.text))
	}
	content, err := p.blob.Open()
	if err != nil {
		return fmt.Errorf("open blob %s: %w", p.base, err)
	}
	defer content.Close()
	sum := sha256.New()
	if err := writeFile(archive, path, p.blob.Size, io.TeeReader(content, sum)); err != nil {
		return fmt.Errorf("send blob %s: %w", p.base, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.blob.SHA256 {
		return fmt.Errorf("send blob %s: its content changed: sum %s, not %s", p.base, got, p.blob.SHA256)
	}
	return nil
}

func writeFile(archive *tar.Writer, path string, size int64, content io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(path, "/"), Mode: 0o600, Size: size}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	n, err := io.Copy(archive, content)
	if err == nil && n != size {
		err = fmt.Errorf("it has %d bytes, not %d", n, size)
	}
	return err
}

// size is the number of bytes that the payloads take on the host's disk.
func (p *plan) size() int64 {
	var total int64
	_ = p.payloads(func(_ string, p *payload) error {
		if !p.secret {
			total += max(p.blob.Size, int64(len(p.text)))
		}
		return nil
	})
	return total
}
