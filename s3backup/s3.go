package s3backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// S3 is what the store needs of the SDK's client.
type S3 interface {
	s3.ListObjectsV2APIClient
	s3.ListMultipartUploadsAPIClient
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

var _ S3 = (*s3.Client)(nil)

// found is one object of a listing.
type found struct {
	key      string
	bytes    int64
	modified time.Time
}

// objects lists everything below the site's base and says what time the store has.
func (s Store) objects(ctx context.Context) ([]found, time.Time, error) {
	var all []found
	var clock time.Time
	pages := s3.NewListObjectsV2Paginator(s.S3, &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: aws.String(s.base())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, clock, fmt.Errorf("s3backup: list s3://%s/%s: %w", s.Bucket, s.base(), storeError(err))
		}
		if at, ok := awsmiddleware.GetServerTime(page.ResultMetadata); ok {
			clock = at
		}
		for _, o := range page.Contents {
			all = append(all, found{key: aws.ToString(o.Key), bytes: aws.ToInt64(o.Size), modified: aws.ToTime(o.LastModified)})
		}
	}
	return all, clock, nil
}

// read gets one small object whole.
func (s Store) read(ctx context.Context, key string) ([]byte, error) {
	const limit = 64 << 20
	out, err := s.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("s3backup: read s3://%s/%s: %w", s.Bucket, key, storeError(err))
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("s3backup: read s3://%s/%s: %w", s.Bucket, key, storeError(err))
	}
	return text, nil
}

// retained writes an object under the store's object lock, and without it where the bucket has none.
func (s Store) retained(put func(mode types.ObjectLockMode, until *time.Time) error) error {
	if s.Retain == 0 {
		return put("", nil)
	}
	err := put(types.ObjectLockModeGovernance, aws.Time(time.Now().Add(s.Retain)))
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "InvalidRequest" {
		return err
	}
	s.emit(Note{Warning: true, Text: "bucket " + s.Bucket + " has no object lock: whoever has this machine's credentials can write over its backups"})
	return put("", nil)
}

// create writes a small object that must not be there yet.
func (s Store) create(ctx context.Context, key string, text []byte) error {
	err := s.retained(func(mode types.ObjectLockMode, until *time.Time) error {
		_, err := s.S3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.Bucket, Key: &key, Body: bytes.NewReader(text), IfNoneMatch: aws.String("*"), ContentType: aws.String("application/json"),
			ObjectLockMode: mode, ObjectLockRetainUntilDate: until,
		})
		return err
	})
	if status(err) == http.StatusPreconditionFailed {
		// The first try of a retried request may have arrived.
		if there, readErr := s.read(ctx, key); readErr == nil && bytes.Equal(there, text) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("s3backup: create s3://%s/%s: %w", s.Bucket, key, storeError(err))
	}
	return nil
}

// remove deletes an object; past the store's object lock only where the caller knows that it is what its name says.
func (s Store) remove(ctx context.Context, key string, pastLock bool) error {
	_, err := s.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &key})
	if status(err) == http.StatusForbidden && s.Retain > 0 && pastLock {
		_, err = s.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &key, BypassGovernanceRetention: aws.Bool(true)})
	}
	if err != nil {
		return fmt.Errorf("s3backup: delete s3://%s/%s: %w", s.Bucket, key, storeError(err))
	}
	return nil
}

func status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// storeError names what the store's codes mean to a caller.
func storeError(err error) error {
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch {
	case status(err) == http.StatusInsufficientStorage, strings.Contains(code, "Quota"), strings.Contains(code, "InsufficientStorage"),
		strings.Contains(err.Error(), "no space left"):
		return fmt.Errorf("%w: %w", ErrBucketFull, err)
	case code == "RequestTimeTooSkewed":
		return fmt.Errorf("%w: %w", ErrClock, err)
	case status(err) == 0 && !errors.Is(err, context.Canceled), status(err) == http.StatusBadGateway, status(err) == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %w", ErrStoreDown, err)
	}
	return err
}
