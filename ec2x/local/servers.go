package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/moby/moby/client"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
)

func notFound(name string) error { return fmt.Errorf("%s: %w", name, cerrdefs.ErrNotFound) }

// Servers implements ec2x.Cloud.
func (c *Cloud) Servers(ctx context.Context, site string) ([]ec2x.Server, error) {
	if err := checkName("site", site); err != nil {
		return nil, fmt.Errorf("local: list servers: %w", err)
	}
	list, err := c.list(ctx, LabelSite+"="+site, labelKind+"="+kindServer)
	if err != nil {
		return nil, fmt.Errorf("local: list servers of site %q: %w", site, err)
	}
	var out []ec2x.Server
	for _, s := range list {
		out = append(out, c.server(s))
	}
	slices.SortFunc(out, func(a, b ec2x.Server) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Terminate implements ec2x.Cloud. It removes containers made by Launch only, whatever the ID.
func (c *Cloud) Terminate(ctx context.Context, ids ...string) error {
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			if err := c.terminate(ctx, id); err != nil {
				errs[i] = fmt.Errorf("local: terminate %q: %w", id, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (c *Cloud) terminate(ctx context.Context, id string) error {
	info, err := c.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if engine.NotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Container.Config == nil || info.Container.Config.Labels[labelKind] != kindServer {
		return errors.New("not a server of a site")
	}
	return c.engine.Remove(ctx, id)
}

// Sites lists the sites that have anything on this machine, sorted.
func (c *Cloud) Sites(ctx context.Context) ([]string, error) {
	found := map[string]bool{}
	filter := client.Filters{}.Add("label", LabelSite)
	containers, err := c.list(ctx, LabelSite)
	if err != nil {
		return nil, fmt.Errorf("local: list sites: %w", err)
	}
	for _, s := range containers {
		found[s.Labels[LabelSite]] = true
	}
	volumes, err := c.engine.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("local: list sites: %w", err)
	}
	for _, v := range volumes.Items {
		found[v.Labels[LabelSite]] = true
	}
	networks, err := c.engine.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("local: list sites: %w", err)
	}
	for _, n := range networks.Items {
		found[n.Labels[LabelSite]] = true
	}
	var out []string
	for s := range found {
		out = append(out, s)
	}
	slices.Sort(out)
	return out, nil
}
