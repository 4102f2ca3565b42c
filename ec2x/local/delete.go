package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/client"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
)

// Delete implements ec2x.Cloud. While servers are there the error is ErrServers and nothing is removed.
func (c *Cloud) Delete(ctx context.Context, site string, o ec2x.DeleteOptions) error {
	if err := checkName("site", site); err != nil {
		return fmt.Errorf("local: delete: %w", err)
	}
	servers, err := c.Servers(ctx, site)
	if err != nil {
		return err
	}
	if len(servers) > 0 {
		return fmt.Errorf("local: delete site %q: %w: %d; terminate them first", site, ErrServers, len(servers))
	}
	kinds := []string{kindPort}
	if o.Data {
		kinds = append(kinds, kindData)
	}
	errs := []error{c.removeContainers(ctx, LabelSite+"="+site, labelKind+"="+kindS3), c.removeNetworks(ctx, LabelSite+"="+site)}
	for _, kind := range kinds {
		errs = append(errs, c.removeVolumes(ctx, LabelSite+"="+site, labelKind+"="+kind))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("local: delete site %q: %w", site, err)
	}
	return nil
}

func (c *Cloud) removeContainers(ctx context.Context, labels ...string) error {
	list, err := c.list(ctx, labels...)
	errs := []error{err}
	for _, s := range list {
		errs = append(errs, c.engine.Remove(ctx, s.ID))
	}
	return errors.Join(errs...)
}

func (c *Cloud) removeNetworks(ctx context.Context, labels ...string) error {
	res, err := c.engine.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", labels...)})
	errs := []error{err}
	for _, n := range res.Items {
		_, err := c.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		if !engine.NotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *Cloud) removeVolumes(ctx context.Context, labels ...string) error {
	res, err := c.engine.VolumeList(ctx, client.VolumeListOptions{Filters: client.Filters{}.Add("label", labels...)})
	errs := []error{err}
	for _, v := range res.Items {
		_, err := c.engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
		if !engine.NotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Sweep removes every container, network and volume with a label, such as "siteblocks.test" or
// "siteblocks.site=shop": for tests and their continuous integration, which may be killed before they clean up.
// Images stay, as they are what makes the next run fast. A label that is no label of siteblocks is refused.
func Sweep(ctx context.Context, label string) error {
	if len(label) <= len("siteblocks.") || label[:len("siteblocks.")] != "siteblocks." {
		return fmt.Errorf("local: sweep %q: not a label of siteblocks", label)
	}
	c, err := New(Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.removeContainers(ctx, label), c.removeNetworks(ctx, label), c.removeVolumes(ctx, label)); err != nil {
		return fmt.Errorf("local: sweep %q: %w", label, err)
	}
	return nil
}
