package s3backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A multipart upload has at most 10000 parts, and two parts are in memory at a time: 8 MiB for the first thousand,
// 16 MiB after that, which makes 149 GiB.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	firstChunk = 8 << 20
	maxChunk   = 16 << 20
	fewChunks  = 1000
	mostChunks = 10000
)

func chunkSize(n int) int {
	if n < fewChunks {
		return firstChunk
	}
	return maxChunk
}

// partTimeout bounds one part with its retries: 16 MiB at half a megabit per second.
const partTimeout = 5 * time.Minute

// uploader streams content into one object.
type uploader struct {
	store  Store
	key    string
	id     string // of the multipart upload
	object Object
	parts  []types.CompletedPart
}

// abort ends an upload that failed. One that cannot even be aborted is left to a later sweep.
func (u *uploader) abort(ctx context.Context) {
	if u.id == "" {
		return
	}
	// ctx may be what ended the upload.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := u.store.S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.store.Bucket, Key: &u.key, UploadId: &u.id})
	if err != nil {
		u.store.emit(Note{Warning: true, Text: "upload " + u.key + " could not be aborted, a later run sweeps it"})
	}
}

// run sends one part while it reads the next. When it returns an error, the object is not there.
func (u *uploader) run(ctx context.Context, r io.Reader) (Object, error) {
	whole := sha256.New()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var sending chan error // nil while nothing is under way
	wait := func() error {
		if sending == nil {
			return nil
		}
		err := <-sending
		sending = nil
		return err
	}
	defer func() { cancel(); _ = wait() }() // an error has been decided by then; the buffer must be free
	var buffers [2][]byte
	for n := 0; ; n++ {
		if n == mostChunks {
			return Object{}, fmt.Errorf("s3backup: upload %s: more than %d parts: the content is too large for one object", u.key, mostChunks)
		}
		buffer := buffers[n%2]
		if len(buffer) < chunkSize(n) {
			buffer = make([]byte, chunkSize(n))
			buffers[n%2] = buffer
		}
		filled, err := io.ReadFull(r, buffer)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return Object{}, err
		}
		data := buffer[:filled]
		whole.Write(data)
		if err := wait(); err != nil {
			return Object{}, err
		}
		if filled > 0 {
			sending = u.send(ctx, n, data, last)
		}
		if last {
			if err := wait(); err != nil {
				return Object{}, err
			}
			u.object.SHA256 = hex.EncodeToString(whole.Sum(nil))
			return u.object, u.complete(ctx)
		}
	}
}

// send begins to send one chunk. Content that fits into one needs no multipart upload.
func (u *uploader) send(ctx context.Context, n int, data []byte, last bool) chan error {
	sum := sha256.Sum256(data)
	u.object.Bytes += int64(len(data))
	u.object.Chunks = append(u.object.Chunks, Chunk{Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, partTimeout)
		defer cancel()
		var err error
		if n == 0 && last {
			_, err = u.store.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.store.Bucket, Key: &u.key, Body: bytes.NewReader(data), ChecksumSHA256: &checksum, IfNoneMatch: aws.String("*")})
			if status(err) == http.StatusPreconditionFailed && u.arrived(ctx) {
				err = nil
			}
		} else {
			err = u.part(ctx, n, data, checksum)
		}
		if err != nil {
			err = fmt.Errorf("s3backup: upload s3://%s/%s, part %d: %w", u.store.Bucket, u.key, n+1, storeError(err))
		}
		done <- err
	}()
	return done
}

func (u *uploader) part(ctx context.Context, n int, data []byte, checksum string) error {
	if u.id == "" {
		created, err := u.store.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &u.store.Bucket, Key: &u.key, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		})
		if err != nil {
			return err
		}
		u.id = aws.ToString(created.UploadId)
	}
	number := aws.Int32(int32(n + 1))
	out, err := u.store.S3.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.store.Bucket, Key: &u.key, UploadId: &u.id, PartNumber: number, Body: bytes.NewReader(data),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: &checksum,
	})
	if err != nil {
		return err
	}
	u.parts = append(u.parts, types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumSHA256: &checksum})
	return nil
}

// arrived reports that the object is there, from the first try of a retried request.
func (u *uploader) arrived(ctx context.Context) bool {
	head, err := u.store.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.store.Bucket, Key: &u.key})
	return err == nil && aws.ToInt64(head.ContentLength) == u.object.Bytes
}

func (u *uploader) complete(ctx context.Context) error {
	if u.id == "" {
		return nil
	}
	_, err := u.store.S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.store.Bucket, Key: &u.key, UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
		IfNoneMatch: aws.String("*"),
	})
	if code := status(err); (code == http.StatusNotFound || code == http.StatusPreconditionFailed) && u.arrived(ctx) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("s3backup: complete s3://%s/%s: %w", u.store.Bucket, u.key, storeError(err))
	}
	return nil
}
