//go:build integration

package local_test

import (
	"testing"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/cloudtest"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
)

func TestCloud(t *testing.T) {
	cloudtest.Run(t, func(t *testing.T) (ec2x.Cloud, string) { return localtest.Cloud(t) })
}
