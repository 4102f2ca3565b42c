package s3backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/zstd"
)

// Open gives the content of a backup as the dump program wrote it: SQL. Each chunk is checked before a byte of it is
// given out, and the end is an error unless it is the content's own. Close the content.
//
// Its errors: ErrNoBackup, ErrWrongKey, ErrOtherSite, ErrFormat, ErrCorrupt, ErrStoreDown, from Open or from reading.
func (s Store) Open(ctx context.Context, which Select) (io.ReadCloser, Manifest, error) {
	entry, err := s.Find(ctx, which)
	if err != nil {
		return nil, Manifest{}, err
	}
	content, err := s.open(ctx, entry.Manifest)
	return content, entry.Manifest, err
}

// open gives the content of a backup, decrypted and decompressed. Each chunk is checked against the manifest before
// a byte of it is given out. The reader's errors say which chunk it was.
func (s Store) open(ctx context.Context, m Manifest) (io.ReadCloser, error) {
	if m.Compression != "zstd" {
		return nil, fmt.Errorf("s3backup: read backup %s: %w: compression %q", m.ID, ErrFormat, m.Compression)
	}
	ctx, cancel := context.WithCancel(ctx)
	chunks := &chunkReader{next: make(chan fetched), cancel: cancel}
	go s.fetchAll(ctx, m, chunks.next)
	var r io.Reader = chunks
	if m.Encryption != "" {
		plain, err := s.decrypt(m, r)
		if err != nil {
			return nil, errors.Join(err, chunks.Close())
		}
		r = plain
	}
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("s3backup: read backup %s: %w", m.ID, err), chunks.Close())
	}
	return &content{decoder: decoder, chunks: chunks, id: m.ID, left: m.Content.Bytes}, nil
}

func (s Store) decrypt(m Manifest, r io.Reader) (io.Reader, error) {
	if m.Encryption != "age" {
		return nil, fmt.Errorf("s3backup: read backup %s: %w: encryption %q", m.ID, ErrFormat, m.Encryption)
	}
	if len(s.Identities) == 0 {
		return nil, fmt.Errorf("s3backup: read backup %s: %w: it is encrypted to %v and no identity is given", m.ID, ErrWrongKey, m.Recipients)
	}
	plain, err := age.Decrypt(r, s.Identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, fmt.Errorf("s3backup: read backup %s: %w: it is encrypted to %v: %w", m.ID, ErrWrongKey, m.Recipients, err)
	}
	if err != nil {
		return nil, fmt.Errorf("s3backup: read backup %s: %w", m.ID, damaged(err))
	}
	return plain, nil
}

// damaged marks an error of decryption or decompression, unless it comes from further below.
func damaged(err error) error {
	var own *fetchError
	if errors.As(err, &own) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// content counts what it gives out, so that a stream which ends early is not taken for a whole one.
type content struct {
	decoder *zstd.Decoder
	chunks  *chunkReader
	id      string
	left    int64
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.decoder.Read(p)
	c.left -= int64(n)
	switch {
	case err == io.EOF && c.left != 0:
		return n, fmt.Errorf("s3backup: read backup %s: %w: the content is %d bytes shorter than the manifest says", c.id, ErrCorrupt, c.left)
	case err != nil && err != io.EOF:
		return n, fmt.Errorf("s3backup: read backup %s: %w", c.id, damaged(err))
	}
	return n, err
}

func (c *content) Close() error {
	c.decoder.Close()
	return c.chunks.Close()
}

type fetched struct {
	data []byte
	err  error
}

// fetchError is a chunk that could not be had, or not as it was written.
type fetchError struct{ err error }

func (e *fetchError) Error() string { return e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

// fetchAll gets chunk after chunk, one ahead of the reader.
func (s Store) fetchAll(ctx context.Context, m Manifest, next chan<- fetched) {
	defer close(next)
	var offset int64
	for n, chunk := range m.Object.Chunks {
		data, err := s.fetch(ctx, m, n, offset)
		if err != nil {
			err = &fetchError{fmt.Errorf("chunk %d of %d: %w", n+1, len(m.Object.Chunks), err)}
		}
		select {
		case next <- fetched{data, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		offset += chunk.Bytes
	}
}

// fetch gets one chunk, again where the connection broke, for one hiccup must not cost the hour before it.
func (s Store) fetch(ctx context.Context, m Manifest, n int, offset int64) ([]byte, error) {
	const tries = 4
	pause := 250 * time.Millisecond
	for try := 1; ; try++ {
		data, err := s.fetchOnce(ctx, m, n, offset)
		if err == nil || try == tries || ctx.Err() != nil || status(err) == http.StatusNotFound || status(err) == http.StatusForbidden {
			return data, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
		pause *= 2
	}
}

func (s Store) fetchOnce(ctx context.Context, m Manifest, n int, offset int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	chunk := m.Object.Chunks[n]
	key := s.key(m.ID, m.Object.Name)
	span := fmt.Sprintf("bytes=%d-%d", offset, offset+chunk.Bytes-1)
	out, err := s.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key, Range: &span})
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		return nil, fmt.Errorf("%w: the object ends before it", ErrCorrupt)
	}
	if err != nil {
		return nil, storeError(err)
	}
	defer out.Body.Close()
	data := make([]byte, chunk.Bytes)
	// What the store announces is what it has; less than that is a connection that broke.
	if has := aws.ToInt64(out.ContentLength); has < chunk.Bytes {
		return nil, fmt.Errorf("%w: %d bytes of %d", ErrCorrupt, has, chunk.Bytes)
	}
	if _, err := io.ReadFull(out.Body, data); err != nil {
		return nil, storeError(err)
	}
	sum := sha256.Sum256(data)
	if hex.EncodeToString(sum[:]) != chunk.SHA256 {
		return nil, fmt.Errorf("%w: its SHA-256 is not the manifest's", ErrCorrupt)
	}
	return data, nil
}

type chunkReader struct {
	next   chan fetched
	cancel context.CancelFunc
	data   []byte
	err    error
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.data) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		chunk, more := <-r.next
		r.data, r.err = chunk.data, chunk.err
		if !more {
			r.err = io.EOF
		}
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

func (r *chunkReader) Close() error {
	r.cancel()
	for range r.next { // the fetcher ends, and so does its goroutine
	}
	return nil
}
