package local

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
)

// createTimeout bounds how long the engine may still be at work for a program that was killed.
const createTimeout = 20 * time.Second

// createNamed makes a container on the site's network and returns its identity. The caller holds the lock of the name.
//
// The engine goes on with what a killed program asked for: it reserves a container's name before it lists the
// container, and lets a network's name be taken twice. Whatever shows up late is half made, and makes way.
func (c *Cloud) createNamed(ctx context.Context, site string, opts client.ContainerCreateOptions) (string, error) {
	for start := time.Now(); ; {
		created, err := c.engine.ContainerCreate(ctx, opts)
		late := err != nil && strings.Contains(err.Error(), "is ambiguous")
		if err == nil || !late && !engine.Conflict(err) || time.Since(start) > createTimeout {
			return created.ID, err
		}
		if late {
			err = c.network(ctx, site)
		} else {
			err = c.makeWay(ctx, site, opts.Name)
		}
		if err != nil {
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("create container %q: its name is taken: %w", opts.Name, context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// makeWay removes a container of the site that was made and never started. One that is not listed yet will be.
func (c *Cloud) makeWay(ctx context.Context, site, name string) error {
	res, err := c.engine.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if engine.NotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if res.Container.Config.Labels[LabelSite] != site {
		return fmt.Errorf("container %q is there and is not this site's; remove it", name)
	}
	if res.Container.State.Status != container.StateCreated {
		return fmt.Errorf("container %q is there, in state %q; another program is at work on it", name, res.Container.State.Status)
	}
	return c.engine.Remove(ctx, res.Container.ID)
}
