//go:build integration

package engine

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// registry serves one image of one file, as the distribution specification says.
func registry(t *testing.T, arch string) *httptest.Server {
	t.Helper()
	var layerTar, layer bytes.Buffer
	w := tar.NewWriter(&layerTar)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: 2}))
	_, err := w.Write([]byte("hi"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	z := gzip.NewWriter(&layer)
	_, err = z.Write(layerTar.Bytes())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	config := mustJSON(t, map[string]any{
		"architecture": arch, "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layerTar.Bytes())}},
	})
	const manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	manifest := mustJSON(t, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.Len(), "digest": digest(layer.Bytes())}},
	})
	blobs := map[string][]byte{digest(config): config, digest(layer.Bytes()): layer.Bytes()}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
		case strings.Contains(r.URL.Path, "/manifests/") && !strings.Contains(r.URL.Path, "absent"):
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			_, _ = w.Write(manifest)
		case blobs[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]] != nil:
			_, _ = w.Write(blobs[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]])
		default:
			http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return data
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestPull(t *testing.T) {
	e, err := Dial(t.Context(), Options{})
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	require.NoError(t, err)
	host := strings.TrimPrefix(registry(t, e.arch).URL, "http://")
	ref := host + "/sb-test/hello:1"
	if err := e.pull(t.Context(), host+"/sb-test/absent:1"); !strings.Contains(err.Error(), "manifest unknown") {
		t.Skip("the engine does not reach this machine's loopback: ", err)
	}
	require.NoError(t, e.pull(t.Context(), ref))
	t.Cleanup(func() { _, _ = e.ImageRemove(context.Background(), ref, client.ImageRemoveOptions{Force: true}) })
	ok, err := e.has(t.Context(), ref)
	require.NoError(t, err)
	require.True(t, ok)
}

// TestPullFromASilentRegistry shows that a firewall which drops packets does not hang the first run.
func TestPullFromASilentRegistry(t *testing.T) {
	e, err := Dial(t.Context(), Options{})
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	before := registryTimeout
	registryTimeout = time.Second
	t.Cleanup(func() { registryTimeout = before })
	start := time.Now()
	err = e.pull(t.Context(), l.Addr().String()+"/sb-test/silent:1")
	require.ErrorContains(t, err, "no registry answers within 1s")
	require.Less(t, time.Since(start), 10*time.Second)
}
