package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/client"
)

// registryTimeout bounds how long a registry may take to answer at all.
var registryTimeout = 15 * time.Second

// base returns the base image of a distribution: one that is there, pulled, or bootstrapped.
func (e *Engine) base(ctx context.Context, d distribution) (string, error) {
	if ok, err := e.has(ctx, d.pull); ok || err != nil {
		return d.pull, err
	}
	own := "siteblocks/debian:" + d.suite
	if d.suite != "" {
		if ok, err := e.has(ctx, own); ok || err != nil {
			return own, err
		}
	}
	pullErr := e.pull(ctx, d.pull)
	if pullErr == nil {
		return d.pull, nil
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	if d.suite == "" {
		return "", fmt.Errorf("pull %s: %w; no registry answers, and this distribution can only be pulled", d.pull, pullErr)
	}
	if err := e.bootstrap(ctx, d.suite, own); err != nil {
		return "", fmt.Errorf("pull %s: %w; bootstrap %s instead: %w", d.pull, pullErr, d.suite, err)
	}
	return own, nil
}

func (e *Engine) pull(ctx context.Context, ref string) error {
	e.Say("image", "pulling %s", ref)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(registryTimeout, func() { cancel(fmt.Errorf("no registry answers within %s", registryTimeout)) })
	defer quiet.Stop()
	res, err := e.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err != nil {
		return orCause(ctx, err)
	}
	defer res.Close()
	quiet.Reset(time.Minute)
	for msg, err := range res.JSONMessages(ctx) {
		if err != nil {
			return orCause(ctx, err)
		}
		if msg.Error != nil {
			return msg.Error
		}
		quiet.Reset(time.Minute)
	}
	return nil
}

func orCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
