package operate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site/operate"
)

// emptyCloud has no server and notes what is deleted.
type emptyCloud struct {
	ec2x.Cloud
	deleted []ec2x.DeleteOptions
}

func (c *emptyCloud) Servers(context.Context, string) ([]ec2x.Server, error) { return nil, nil }

func (c *emptyCloud) FindStorage(context.Context, string) (ec2x.Storage, error) {
	return ec2x.Storage{}, ec2x.ErrNoStorage
}

func (c *emptyCloud) Delete(_ context.Context, _ string, o ec2x.DeleteOptions) error {
	c.deleted = append(c.deleted, o)
	return nil
}

func TestDownDeletesDataOnlyWhereItIsSpeltOut(t *testing.T) {
	cloud := &emptyCloud{}
	o := operate.Operator{Site: shop(t), Cloud: cloud}
	for _, opts := range []operate.DownOptions{{}, {SkipBackup: true}, {LoseFiles: true}, {DeleteData: true}} {
		require.NoError(t, o.Down(t.Context(), opts))
	}
	require.Equal(t, []ec2x.DeleteOptions{{}, {}, {}, {Data: true}}, cloud.deleted)
}

func TestStatusOfASiteWithoutServersIsNotWell(t *testing.T) {
	st, err := operate.Operator{Site: shop(t), Cloud: &emptyCloud{}}.Status(t.Context())
	require.NoError(t, err)
	require.False(t, st.Well)
	require.Equal(t, []string{"visitors: the site is not there; run up", "web-1: it is missing; run up"}, st.Problems)
}

func TestFoldersThatNoBackupHas(t *testing.T) {
	s := shop(t)
	require.Equal(t, []string{"public/system"}, s.NotBackedUp())
	s.App.LinkedDirs = []string{"log", "tmp/pids", "tmpfiles", "public/cache", "public/pages/en", "storage"}
	s.Web.PageCache = "pages"
	require.Equal(t, []string{"tmpfiles", "public/cache", "storage"}, s.NotBackedUp())
}
