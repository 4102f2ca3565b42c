package codedeploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// API is what Store needs of S3.
type API interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

var _ API = (*s3.Client)(nil)

// Store keeps releases in a bucket: a tarball and, written last, a manifest for each, beside current.json.
type Store struct {
	S3     API
	Bucket string
	Prefix string // ends in "/"; empty is "releases/"
}

func (s Store) key(name string) *string {
	prefix := s.Prefix
	if prefix == "" {
		prefix = "releases/"
	}
	return aws.String(prefix + name)
}

// The hash in the tarball's key keeps two releases that were given one name from mixing.
func tarballName(r Release) string { return r.Name + "-" + r.SHA256[:12] + ".tar.gz" }

// Put stores a release. The tarball's hash and size must be those of r. The same release a second time is no error; another one
// of the same name is ErrExists.
func (s Store) Put(ctx context.Context, r Release, tarball io.ReadSeeker) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("codedeploy: store release %q: %w", r.Name, err) }
	if err := sameTarball(r, tarball); err != nil {
		return fail(err)
	}
	_, err := s.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.Bucket, Key: s.key(tarballName(r)), Body: tarball, ContentLength: &r.Size})
	if err != nil {
		return fail(err)
	}
	manifest, err := json.Marshal(r)
	if err != nil {
		return fail(err)
	}
	if err := s.putManifest(ctx, r, manifest); err != nil {
		return fail(err)
	}
	return nil
}

// attempts is how often a conditional write is tried that S3 refuses although its condition holds: where two are written
// at once it may refuse both.
const attempts = 5

// putManifest writes a manifest that is not there yet, or finds that the same one is.
func (s Store) putManifest(ctx context.Context, r Release, manifest []byte) error {
	var refused error
	for range attempts {
		in := &s3.PutObjectInput{Bucket: &s.Bucket, Key: s.key(r.Name + ".json"), Body: bytes.NewReader(manifest), IfNoneMatch: aws.String("*")}
		if _, refused = s.S3.PutObject(ctx, in); !conditionFailed(refused) {
			return refused
		}
		there, err := s.release(ctx, r.Name)
		switch {
		case errors.Is(err, ErrNotFound): // nobody's
		case err != nil || there.SHA256 != r.SHA256:
			return errors.Join(ErrExists, err)
		default:
			return nil
		}
	}
	return refused
}

// NextName is a name for a release made at now: its time by NewName, or a second after the newest stored release where
// that is not later, as after a deploy from a machine whose clock is ahead. So names are in the order of deploys, by
// which Previous and Prune go.
func (s Store) NextName(ctx context.Context, now time.Time) (string, error) {
	name := NewName(now)
	names, err := s.names(ctx)
	if err != nil || len(names) == 0 || names[len(names)-1] < name {
		return name, err
	}
	newest := names[len(names)-1]
	at, err := time.Parse(nameLayout, newest)
	if err != nil {
		return "", fmt.Errorf("codedeploy: name a release: the newest one, %q, is no time: %w", newest, err)
	}
	return NewName(at.Add(time.Second)), nil
}

func sameTarball(r Release, tarball io.ReadSeeker) error {
	if _, err := tarball.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, tarball)
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); n != r.Size || sum != r.SHA256 {
		return fmt.Errorf("the tarball has %d bytes and SHA-256 %s, not %d and %s", n, sum, r.Size, r.SHA256)
	}
	_, err = tarball.Seek(0, io.SeekStart)
	return err
}

// List lists the stored releases, the oldest first.
func (s Store) List(ctx context.Context) ([]Release, error) {
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	var list []Release
	for _, name := range names {
		r, err := s.release(ctx, name)
		if errors.Is(err, ErrNotFound) {
			continue // pruned since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// names lists the releases that have a manifest, the oldest first.
func (s Store) names(ctx context.Context) ([]string, error) {
	var names []string
	pages := s3.NewListObjectsV2Paginator(s.S3, &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: s.key("")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("codedeploy: list releases: %w", err)
		}
		for _, o := range page.Contents {
			name, ok := strings.CutSuffix(strings.TrimPrefix(aws.ToString(o.Key), *s.key("")), ".json")
			if ok && namePattern.MatchString(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func (s Store) release(ctx context.Context, name string) (Release, error) {
	var r Release
	if _, err := s.getJSON(ctx, name+".json", &r); err != nil {
		return Release{}, fmt.Errorf("codedeploy: read release %q: %w", name, err)
	}
	if r.Name != name || !hashPattern.MatchString(r.SHA256) {
		return Release{}, fmt.Errorf("codedeploy: read release %q: its manifest is damaged", name)
	}
	return r, nil
}

// Open reads a release's tarball. Reading it to its end fails where its hash is not the manifest's. A release that is not there
// gives ErrNotFound.
func (s Store) Open(ctx context.Context, name string) (io.ReadCloser, Release, error) {
	if err := checkName(name); err != nil {
		return nil, Release{}, err
	}
	r, err := s.release(ctx, name)
	if err != nil {
		return nil, Release{}, err
	}
	out, err := s.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: s.key(tarballName(r))})
	if err != nil {
		return nil, Release{}, fmt.Errorf("codedeploy: fetch release %q: %w", name, err)
	}
	return &verified{ReadCloser: out.Body, hash: sha256.New(), want: r.SHA256}, r, nil
}

type verified struct {
	io.ReadCloser
	hash hash.Hash
	want string
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.hash.Write(p[:n])
	if sum := hex.EncodeToString(v.hash.Sum(nil)); errors.Is(err, io.EOF) && sum != v.want {
		return n, fmt.Errorf("codedeploy: fetch release: SHA-256 is %s, not %s", sum, v.want)
	}
	return n, err
}

// getJSON reads an object and gives its ETag; ErrNotFound where it is not there.
func (s Store) getJSON(ctx context.Context, name string, into any) (string, error) {
	out, err := s.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: s.key(name)})
	if code := errorCode(err); code == "NoSuchKey" || code == "NotFound" {
		return "", ErrNotFound
	}
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	if err := json.NewDecoder(io.LimitReader(out.Body, 1<<20)).Decode(into); err != nil {
		return "", fmt.Errorf("decode %q: %w", name, err)
	}
	return aws.ToString(out.ETag), nil
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func conditionFailed(err error) bool {
	code := errorCode(err)
	return code == "PreconditionFailed" || code == "ConditionalRequestConflict"
}
