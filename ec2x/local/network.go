package local

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
)

// network makes sure that the site's network is there.
func (c *Cloud) network(ctx context.Context, site string) error {
	unlock, err := engine.Lock(ctx, "network-"+networkName(site))
	if err != nil {
		return err
	}
	defer unlock()
	if there, err := c.oneNetwork(ctx, site); there || err != nil {
		return err
	}
	_, err = c.engine.NetworkCreate(ctx, networkName(site), client.NetworkCreateOptions{
		Driver: "bridge", Labels: c.labels(site, kindNetwork),
		Options: map[string]string{"com.docker.network.bridge.host_binding_ipv4": loopback.String()},
	})
	if err != nil && strings.Contains(err.Error(), "address pool") {
		return fmt.Errorf("%w; the engine has no addresses left for another network: remove networks that are not used", err)
	}
	if err != nil {
		return err
	}
	_, err = c.oneNetwork(ctx, site)
	return err
}

// oneNetwork tells whether the site's network is there. The engine lets a name be taken twice, as when a killed
// program's request was still under way: the oldest stays, and others, on which nothing is yet, are removed.
func (c *Cloud) oneNetwork(ctx context.Context, site string) (bool, error) {
	list, err := c.engine.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", LabelSite+"="+site, labelKind+"="+kindNetwork)})
	if err != nil || len(list.Items) == 0 {
		return false, err
	}
	slices.SortFunc(list.Items, func(a, b network.Summary) int { return a.Created.Compare(b.Created) })
	for _, n := range list.Items[1:] {
		if _, err := c.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil && !engine.NotFound(err) {
			return true, err
		}
	}
	return true, nil
}
