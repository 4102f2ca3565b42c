package s3backup

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// strangerAge is how old what another machine left unfinished must be before it is swept: it may still be working.
const strangerAge = 24 * time.Hour

// sweep deletes what interrupted runs left: objects without a manifest, uploads that were never completed. The lock
// is held, so that nothing of this machine's is still at work. Credentials that may not delete leave the objects to
// those that may.
func (s Store) sweep(ctx context.Context, objects []found, entries []Entry, clock time.Time) error {
	listed := map[string]bool{}
	for _, e := range entries {
		listed[e.ID] = true
	}
	abandoned := func(key string, touched time.Time) bool {
		id, _, _ := strings.Cut(strings.TrimPrefix(key, s.base()), "/")
		if _, err := idAt(id); err != nil || listed[id] {
			return false
		}
		return idMachine(id) == s.machine() || clock.Sub(touched) > strangerAge
	}
	for _, o := range objects {
		if !abandoned(o.key, o.modified) {
			continue
		}
		err := s.remove(ctx, o.key, s.dated(o))
		if status(err) == http.StatusForbidden {
			s.emit(Note{Text: o.key + " was left by an interrupted run; prune with credentials that may delete sweeps it"})
			continue
		}
		if err != nil {
			return err
		}
		s.emit(Note{Text: "swept " + o.key + ", left by an interrupted run"})
	}
	return s.sweepUploads(ctx, abandoned)
}

// dated reports an object whose backup has a name that agrees with when the store got the object.
func (s Store) dated(o found) bool {
	id, _, _ := strings.Cut(strings.TrimPrefix(o.key, s.base()), "/")
	at, err := idAt(id)
	return err == nil && checkDate(at, o.modified) == nil
}

func (s Store) sweepUploads(ctx context.Context, abandoned func(key string, begun time.Time) bool) error {
	pages := s3.NewListMultipartUploadsPaginator(s.S3, &s3.ListMultipartUploadsInput{Bucket: &s.Bucket, Prefix: aws.String(s.base())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("s3backup: list uploads of s3://%s/%s: %w", s.Bucket, s.base(), storeError(err))
		}
		for _, u := range page.Uploads {
			key := aws.ToString(u.Key)
			if !abandoned(key, aws.ToTime(u.Initiated)) {
				continue
			}
			_, err := s.S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.Bucket, Key: &key, UploadId: u.UploadId})
			if err != nil && status(err) != http.StatusNotFound {
				return fmt.Errorf("s3backup: abort upload of s3://%s/%s: %w", s.Bucket, key, storeError(err))
			}
			s.emit(Note{Text: "swept the upload of " + key + ", left by an interrupted run"})
		}
	}
	return nil
}
