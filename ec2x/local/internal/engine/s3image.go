package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The S3 server: versitygw, compiled from its published source, which Go's checksum database vouches for.
const (
	s3Module  = "github.com/versity/versitygw"
	s3Version = "v1.8.0"
)

// S3Image returns the reference of an image that holds nothing but the S3 server. It is made at first need.
func (e *Engine) S3Image(ctx context.Context) (string, error) {
	ref := reference("s3", s3Module, s3Version, e.arch)
	return ref, e.once(ctx, ref, func() error {
		binary, err := e.s3Binary(ctx)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(binary)
		if err != nil {
			return err
		}
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, h := range []*tar.Header{
			{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
			{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o700},
			{Name: "versitygw", Mode: 0o755, Size: int64(len(data))},
		} {
			if err := w.WriteHeader(h); err != nil {
				return err
			}
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		return e.importTar(ctx, &buf, ref, `ENTRYPOINT ["/versitygw"]`, `LABEL `+LabelImage+`=s3`)
	})
}

// s3Binary compiles the server in a module of its own, so that its dependencies are nobody else's.
func (e *Engine) s3Binary(ctx context.Context) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(cache, fmt.Sprintf("versitygw-%s-linux-%s", s3Version, e.arch))
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", fmt.Errorf("the S3 server is compiled at first need: %w; put the go command on the PATH", err)
	}
	e.Say("s3", "compiling the S3 server (%s %s): a minute or two, only this once", s3Module, s3Version)
	start := time.Now()
	dir, err := os.MkdirTemp("", "siteblocks-s3-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	mod := fmt.Sprintf("module s3server\n\ngo 1.26\n\nrequire %s %s\n", s3Module, s3Version)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600); err != nil {
		return "", err
	}
	out := filepath.Join(dir, "versitygw")
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", out, s3Module+"/cmd/versitygw")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+e.arch, "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile %s: %w:\n%s", s3Module, err, lastLines(string(text), 10))
	}
	e.Say("s3", "the S3 server is compiled after %s", time.Since(start).Round(time.Second))
	return binary, moveInto(out, binary)
}

// moveInto puts a file under its final name in one step, across file systems too.
func moveInto(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Chmod(0o755)
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", strings.TrimPrefix(to, filepath.Dir(to)+"/"), err)
	}
	return os.Rename(tmp.Name(), to)
}
