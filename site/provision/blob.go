package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// BlobFile reads a local file once and returns it as a Blob. The file must stay as it is until the state that
// holds the blob is applied.
func BlobFile(path string) (Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return Blob{}, fmt.Errorf("provision: open blob: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return Blob{}, fmt.Errorf("provision: read blob: %w", err)
	}
	return Blob{
		SHA256: hex.EncodeToString(sum.Sum(nil)),
		Size:   size,
		Open:   func() (io.ReadCloser, error) { return os.Open(path) },
	}, nil
}
