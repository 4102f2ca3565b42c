package local_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local"
)

func TestMirrorIsAURL(t *testing.T) {
	for _, wrong := range []string{"mirror.example/debian", "ftp://mirror.example/debian", "http:///debian", "http://a b"} {
		_, err := local.New(local.Options{Mirror: wrong})
		require.ErrorContains(t, err, "local: Options.Mirror ")
	}
}
