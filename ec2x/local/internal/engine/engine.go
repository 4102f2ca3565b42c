// Package engine is what ec2x/local needs of a Docker engine, or of podman behind its Docker socket: an image that
// boots as a server, an image of an S3 server, and the flags that systemd needs.
package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ErrNoDocker says that no container engine answers.
var ErrNoDocker = errors.New("no Docker engine answers")

// Options are what Dial may be given.
type Options struct {
	Log      *slog.Logger              // nil is silent
	Progress func(step, detail string) // nil is silent
	Mirror   string                    // of Debian, for the bootstrap; empty is that of the machine's apt
}

// Engine is a connection to a container engine.
type Engine struct {
	*client.Client
	arch     string
	cgroupV2 bool
	opts     Options
}

// Dial connects to the engine that the environment names (DOCKER_HOST and so on), by default the local one.
func Dial(ctx context.Context, opts Options) (*Engine, error) {
	cli, err := client.New(client.FromEnv)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; check DOCKER_HOST", ErrNoDocker, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	info, err := cli.Info(ctx, client.InfoOptions{})
	if err != nil {
		_ = cli.Close()
		remedy := "start Docker, or point DOCKER_HOST at a Docker or podman socket that you may use"
		if strings.Contains(err.Error(), "permission denied") {
			remedy = "Docker's socket is open to root and the group docker: add yourself to it, and log in again"
		}
		return nil, fmt.Errorf("%w at %s: %w; %s", ErrNoDocker, cli.DaemonHost(), err, remedy)
	}
	e := &Engine{Client: cli, opts: opts, cgroupV2: info.Info.CgroupVersion == "2"}
	e.arch = goArch(info.Info.Architecture)
	return e, nil
}

func goArch(machine string) string {
	switch machine {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	}
	return machine
}

// Arch is the engine's architecture in Go's words.
func (e *Engine) Arch() string { return e.arch }

// Say reports progress.
func (e *Engine) Say(step, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	if e.opts.Log != nil {
		e.opts.Log.Info(detail, "step", step)
	}
	if e.opts.Progress != nil {
		e.opts.Progress(step, detail)
	}
}

// Systemd sets what a container needs to boot systemd, without being privileged where the host allows it.
func (e *Engine) Systemd(hc *container.HostConfig) {
	if hc.Tmpfs == nil {
		hc.Tmpfs = map[string]string{}
	}
	hc.Tmpfs["/run"] = "rw,nosuid,nodev,mode=755"
	hc.Tmpfs["/run/lock"] = "rw,nosuid,nodev,noexec,mode=1777,size=5m"
	hc.Tmpfs["/tmp"] = "rw,exec,nosuid,nodev,mode=1777"
	hc.CapAdd = append(hc.CapAdd, "SYS_ADMIN", "NET_ADMIN")
	// Docker lets every program listen on any port; on a server only root may on those below 1024.
	if hc.Sysctls == nil {
		hc.Sysctls = map[string]string{}
	}
	hc.Sysctls["net.ipv4.ip_unprivileged_port_start"] = "1024"
	if e.cgroupV2 {
		// The container's own cgroup must be writable for systemd, which Docker gives to privileged ones only.
		hc.Privileged = true
		hc.CgroupnsMode = "private"
		return
	}
	hc.Binds = append(hc.Binds, "/sys/fs/cgroup:/sys/fs/cgroup:ro")
}

// File is one file, or by its mode a directory, to be put into a container.
type File struct {
	Path     string // absolute
	Mode     fs.FileMode
	UID, GID int
	Data     []byte
}

// Put writes files into a container that need not run.
func (e *Engine) Put(ctx context.Context, id string, files ...File) error {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{
			Name: strings.TrimPrefix(path.Clean(f.Path), "/"), Mode: int64(f.Mode.Perm()),
			Uid: f.UID, Gid: f.GID, Size: int64(len(f.Data)), ModTime: time.Now(),
		}
		if f.Mode.IsDir() {
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := e.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &buf})
	return err
}

// Fetch reads one file of a container that need not run. A file that is not there gives fs.ErrNotExist.
func (e *Engine) Fetch(ctx context.Context, id, name string) ([]byte, error) {
	res, err := e.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: name})
	if NotFound(err) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer res.Content.Close()
	r := tar.NewReader(res.Content)
	if _, err := r.Next(); err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Remove removes a container with its anonymous volumes, running or not. One that is gone is no error.
func (e *Engine) Remove(ctx context.Context, id string) error {
	_, err := e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || NotFound(err) {
		return nil
	}
	if Conflict(err) { // "removal of container is already in progress"
		return e.awaitRemoval(ctx, id)
	}
	return err
}

func (e *Engine) awaitRemoval(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	wait := e.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	select {
	case <-wait.Result:
		return nil
	case err := <-wait.Error:
		if NotFound(err) {
			return nil
		}
		return err
	}
}

// Output is the last part of what a container has written.
func (e *Engine) Output(ctx context.Context, id string, lines int) string {
	r, err := e.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines)})
	if err != nil {
		return ""
	}
	defer r.Close()
	var buf bytes.Buffer
	_, _ = stdcopy.StdCopy(&buf, &buf, io.LimitReader(r, 1<<20))
	return strings.TrimSpace(buf.String())
}
