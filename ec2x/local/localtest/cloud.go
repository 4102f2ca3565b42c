package localtest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local"
)

// Cloud is a local cloud for one test, and the name of a site that nobody else uses. Whatever the test leaves of
// that site is removed when it ends.
func Cloud(t testing.TB) (cloud *local.Cloud, site string) {
	t.Helper()
	Docker(t)
	site = "t-" + strings.ToLower(rand.Text())
	c, err := local.New(local.Options{
		Labels:   map[string]string{Label: "localtest"},
		Progress: func(e local.Event) { t.Logf("%s: %s", e.Step, e.Detail) },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, local.Sweep(ctx, local.LabelSite+"="+site))
		require.NoError(t, c.Close())
	})
	return c, site
}

// S3 is a real S3 server with an empty bucket, gone when the test ends. Its ServerEndpoint is of use only to
// servers on the same site's network, which a bare Server is not on.
func S3(t testing.TB) ec2x.Storage {
	t.Helper()
	c, site := Cloud(t)
	s, err := c.Storage(t.Context(), site)
	require.NoError(t, err)
	return s
}
