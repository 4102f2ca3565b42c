package site

import (
	"context"
	"fmt"

	"github.com/siteblocks/siteblocks/ec2x"
)

// DownOptions say what Down destroys besides the servers. The zero value destroys no data of the database.
type DownOptions struct {
	// DeleteData deletes the site's bucket, with every backup, release and secret in it. Nothing brings them back.
	DeleteData bool

	// SkipBackup ends the servers without a last backup: what was written since the newest one is lost. It is for
	// servers that do not answer any more.
	SkipBackup bool
}

// Down ends the site's servers and removes everything else that belongs to it but its bucket, with releases, secrets
// and backups in it, to which a last one is added: the next Up continues from there. Where that backup fails nothing
// is removed. Files in App.LinkedDirs are in no backup and go with the servers.
func (o Operator) Down(ctx context.Context, opts DownOptions) error {
	there, err := o.Cloud.Servers(ctx, o.Site.Name)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		err = o.locked(ctx, "down", func(ctx context.Context, b bucket) error {
			if !opts.DeleteData && !opts.SkipBackup {
				if err := o.lastBackup(ctx, b, there); err != nil {
					return fmt.Errorf("%w; a server that does not answer any more is given up with SkipBackup (-skip-backup)", err)
				}
			}
			return o.terminate(ctx, there)
		})
	}
	if err != nil {
		return err
	}
	what := "remove the network, keep the data"
	if opts.DeleteData {
		what = "remove network and data"
	}
	return o.step("", what, func() error { return o.Cloud.Delete(ctx, o.Site.Name, ec2x.DeleteOptions{Data: opts.DeleteData}) })
}

func (o Operator) terminate(ctx context.Context, servers []ec2x.Server) error {
	ids := make([]string, len(servers))
	for i, s := range servers {
		ids[i] = s.ID
	}
	return o.step("", fmt.Sprintf("terminate %d servers", len(ids)), func() error { return o.Cloud.Terminate(ctx, ids...) })
}
