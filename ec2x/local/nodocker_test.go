package local_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x/local"
)

func TestNoDocker(t *testing.T) {
	for _, host := range []string{"unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"} {
		t.Setenv("DOCKER_HOST", host)
		start := time.Now()
		_, err := local.New(local.Options{})
		require.ErrorIs(t, err, local.ErrNoDocker)
		require.ErrorContains(t, err, host)
		require.ErrorContains(t, err, "start Docker")
		require.Less(t, time.Since(start), 5*time.Second)
	}
	t.Setenv("DOCKER_HOST", "what is this")
	_, err := local.New(local.Options{})
	require.ErrorIs(t, err, local.ErrNoDocker)
	require.ErrorContains(t, err, "DOCKER_HOST")
}

func TestSweepRefusesOthersLabels(t *testing.T) {
	for _, label := range []string{"", "siteblocks.", "com.docker.compose.project"} {
		require.ErrorContains(t, local.Sweep(context.Background(), label), "not a label of siteblocks")
	}
}
