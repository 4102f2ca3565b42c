//go:build integration

package codedeploy_test

import (
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/local/localtest"
)

func TestStoreOnARealServer(t *testing.T) {
	at := localtest.S3(t)
	s := codedeploy.Store{Bucket: at.Bucket, S3: s3.New(s3.Options{
		Region: at.Region, Credentials: at.Credentials, BaseEndpoint: aws.String(at.Endpoint), UsePathStyle: true,
	})}
	ctx := t.Context()
	now, tag, err := s.Current(ctx)
	require.NoError(t, err)
	require.Empty(t, now+tag)
	require.NoError(t, put(t, s, name(1), "one"))
	require.NoError(t, put(t, s, name(2), "two"))
	require.ErrorIs(t, put(t, s, name(2), "other"), codedeploy.ErrExists)
	r, _, err := s.Open(ctx, name(2))
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, "two", string(content))

	var wg sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wg.Go(func() { results[i] = s.SetCurrent(ctx, name(1), "") })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
			continue
		}
		require.True(t, errors.Is(err, codedeploy.ErrChanged), err)
	}
	require.Equal(t, 1, won, "of eight that found nothing, one wrote")

	require.NoError(t, s.MarkGood(ctx, name(1)))
	_, tag, err = s.Current(ctx)
	require.NoError(t, err)
	require.NoError(t, s.SetCurrent(ctx, name(2), tag))
	require.ErrorIs(t, s.SetCurrent(ctx, name(1), tag), codedeploy.ErrChanged)
	previous, err := s.Previous(ctx)
	require.NoError(t, err)
	require.Equal(t, name(1), previous)
	_, err = s.Prune(ctx, 1)
	require.NoError(t, err)
	list, err := s.List(ctx)
	require.NoError(t, err)
	require.Len(t, list, 2)
}
