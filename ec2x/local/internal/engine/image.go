package engine

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// LabelImage marks images that were built here, and says on a container which image it is the making of.
const LabelImage = "siteblocks.image"

//go:embed server.sh
var serverRecipe string

// distribution is a base that a server image can be built on.
type distribution struct {
	pull  string // the official image
	suite string // Debian's suite, for the bootstrap; empty where it can only be pulled
}

var distributions = map[string]distribution{
	"":             {"debian:trixie-slim", "trixie"},
	"debian-13":    {"debian:trixie-slim", "trixie"},
	"debian-12":    {"debian:bookworm-slim", "bookworm"},
	"ubuntu-24.04": {"ubuntu:24.04", ""},
}

// ServerImage returns the reference of an image that boots as a server of a distribution ("" is Debian 13) with
// further packages installed. It is built at first need, once, whoever asks.
func (e *Engine) ServerImage(ctx context.Context, name string, packages ...string) (string, error) {
	d, ok := distributions[name]
	if !ok {
		return "", fmt.Errorf("image %q: not known; known are debian-13, debian-12 and ubuntu-24.04", name)
	}
	packages = slices.Compact(slices.Sorted(slices.Values(packages)))
	for _, p := range packages {
		if strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789+-.:") != "" || p == "" || p[0] == '-' {
			return "", fmt.Errorf("package %q: not a package name", p)
		}
	}
	server := reference("server", d.pull, serverRecipe)
	if len(packages) == 0 {
		return server, e.once(ctx, server, func() error { return e.buildServer(ctx, d, server) })
	}
	ref := reference("server", server, strings.Join(packages, " "))
	return ref, e.once(ctx, ref, func() error {
		if err := e.once(ctx, server, func() error { return e.buildServer(ctx, d, server) }); err != nil {
			return err
		}
		e.Say("image", "installing %s into a server image", strings.Join(packages, " "))
		script := "set -e; export DEBIAN_FRONTEND=noninteractive; apt-get -q update; apt-get -q install -y " +
			strings.Join(packages, " ") + "; apt-get clean"
		return e.build(ctx, server, ref, script)
	})
}

func (e *Engine) buildServer(ctx context.Context, d distribution, ref string) error {
	base, err := e.base(ctx, d)
	if err != nil {
		return err
	}
	e.Say("image", "building the server image from %s: systemd, sshd, sudo", base)
	return e.build(ctx, base, ref, serverRecipe)
}

// reference names an image by what it is made of.
func reference(name string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "siteblocks/" + name + ":" + hex.EncodeToString(sum[:6])
}

// once builds an image unless it is there, under a lock.
func (e *Engine) once(ctx context.Context, ref string, build func() error) error {
	if ok, err := e.has(ctx, ref); ok || err != nil {
		return err
	}
	unlock, err := Lock(ctx, "image-"+strings.NewReplacer("/", "-", ":", "-").Replace(ref))
	if err != nil {
		return err
	}
	defer unlock()
	if ok, err := e.has(ctx, ref); ok || err != nil {
		return err
	}
	start := time.Now()
	if err := build(); err != nil {
		return fmt.Errorf("image %s: %w", ref, err)
	}
	e.Say("image", "%s is ready after %s", ref, time.Since(start).Round(time.Second/10))
	return nil
}

func (e *Engine) has(ctx context.Context, ref string) (bool, error) {
	_, err := e.ImageInspect(ctx, ref)
	if NotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// build runs a script as root in a container of base and commits what it leaves as ref. The caller holds ref's lock.
func (e *Engine) build(ctx context.Context, base, ref, script string) error {
	if err := e.removeBuilds(ctx, ref); err != nil {
		return err
	}
	created, err := e.ContainerCreate(ctx, client.ContainerCreateOptions{Config: &container.Config{
		Image: base, Cmd: []string{"/bin/sh", "-c", script}, Labels: map[string]string{LabelImage: "building " + ref}, StopSignal: "SIGRTMIN+3",
	}})
	if err != nil {
		return err
	}
	defer func() { _ = e.Remove(context.WithoutCancel(ctx), created.ID) }()
	if _, err := e.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	wait := e.ContainerWait(ctx, created.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case err := <-wait.Error:
		return err
	case res := <-wait.Result:
		if res.StatusCode != 0 {
			return fmt.Errorf("exit status %d:\n%s", res.StatusCode, e.Output(ctx, created.ID, 15))
		}
	}
	_, err = e.ContainerCommit(ctx, created.ID, client.ContainerCommitOptions{Reference: ref, Changes: []string{
		`CMD ["/sbin/init"]`, `ENV container=docker`, `LABEL ` + LabelImage + `=server`,
	}})
	return err
}

// removeBuilds removes what a killed program left of an earlier try.
func (e *Engine) removeBuilds(ctx context.Context, ref string) error {
	res, err := e.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", LabelImage+"=building "+ref),
	})
	if err != nil {
		return err
	}
	for _, c := range res.Items {
		if err := e.Remove(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}
