package codedeploy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
)

// bucket is S3 with one bucket and conditional writes, for the real SDK client.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte

	refuse string // the next put of a key that ends so is refused with 409, as where two are written at once
	lose   string // the next put of a key that ends so arrives, and its answer is lost
}

func (b *bucket) RoundTrip(req *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := strings.TrimPrefix(strings.TrimPrefix(req.URL.Path, "/site"), "/")
	old, there := b.objects[key]
	switch {
	case req.Method == http.MethodGet && key == "":
		return b.list(req)
	case req.Method == http.MethodGet && !there:
		return answer(req, 404, "", []byte("<Error><Code>NoSuchKey</Code></Error>")), nil
	case req.Method == http.MethodGet:
		return answer(req, 200, etag(old), old), nil
	case req.Method == http.MethodDelete:
		delete(b.objects, key)
		return answer(req, 204, "", nil), nil
	}
	if b.refuse != "" && strings.HasSuffix(key, b.refuse) {
		b.refuse = ""
		return answer(req, 409, "", []byte("<Error><Code>ConditionalRequestConflict</Code></Error>")), nil
	}
	match := req.Header.Get("If-Match")
	if req.Header.Get("If-None-Match") == "*" && there || match != "" && (!there || match != etag(old)) {
		return answer(req, 412, "", []byte("<Error><Code>PreconditionFailed</Code></Error>")), nil
	}
	body, err := io.ReadAll(req.Body)
	b.objects[key] = body
	if b.lose != "" && strings.HasSuffix(key, b.lose) {
		b.lose = ""
		return answer(req, 503, "", []byte("<Error><Code>SlowDown</Code></Error>")), err // the SDK repeats the put
	}
	return answer(req, 200, etag(body), nil), err
}

func (b *bucket) list(req *http.Request) (*http.Response, error) {
	type object struct{ Key string }
	var page struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []object
	}
	for key := range b.objects {
		if strings.HasPrefix(key, req.URL.Query().Get("prefix")) {
			page.Contents = append(page.Contents, object{key})
		}
	}
	body, err := xml.Marshal(page)
	return answer(req, 200, "", body), err
}

func etag(b []byte) string { return fmt.Sprintf(`"%x"`, sha256.Sum256(b)) }

func answer(req *http.Request, status int, tag string, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Request: req, Header: http.Header{"Etag": {tag}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func newStore() (codedeploy.Store, *bucket) {
	b := &bucket{objects: map[string][]byte{}}
	client := s3.New(s3.Options{
		Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &http.Client{Transport: b},
		BaseEndpoint: aws.String("https://s3.test"), UsePathStyle: true, RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	return codedeploy.Store{S3: client, Bucket: "site"}, b
}

func put(t *testing.T, s codedeploy.Store, name, content string) error {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	r := codedeploy.Release{Name: name, Revision: "abc", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content))}
	return s.Put(t.Context(), r, strings.NewReader(content))
}

func name(day int) string { return fmt.Sprintf("202611%02d120000", day) }

func TestStoreGivesBackWhatWasPut(t *testing.T) {
	s, b := newStore()
	require.NoError(t, put(t, s, name(1), "one"))
	require.NoError(t, put(t, s, name(1), "one"), "the same again")
	require.ErrorIs(t, put(t, s, name(1), "other"), codedeploy.ErrExists)
	r, release, err := s.Open(t.Context(), name(1))
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "one", string(content))
	require.Equal(t, int64(3), release.Size)

	for key := range b.objects {
		if strings.Contains(key, release.SHA256[:12]) {
			b.objects[key] = []byte("two")
		}
	}
	r, _, err = s.Open(t.Context(), name(1))
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorContains(t, err, "SHA-256")
	_, _, err = s.Open(t.Context(), name(2))
	require.ErrorIs(t, err, codedeploy.ErrNotFound)
	_, _, err = s.Open(t.Context(), "../x")
	require.ErrorContains(t, err, "14 digits")
}

func TestStoreRefusesAnotherTarballThanDescribed(t *testing.T) {
	s, b := newStore()
	err := s.Put(t.Context(), codedeploy.Release{Name: name(1), SHA256: strings.Repeat("0", 64), Size: 3}, strings.NewReader("one"))
	require.ErrorContains(t, err, "SHA-256")
	require.Empty(t, b.objects)
}

func TestCurrentChangesOnlyFromWhatWasRead(t *testing.T) {
	s, _ := newStore()
	ctx := t.Context()
	for day := 1; day <= 2; day++ {
		require.NoError(t, put(t, s, name(day), fmt.Sprint(day)))
	}
	now, tag, err := s.Current(ctx)
	require.NoError(t, err)
	require.Empty(t, now+tag)
	require.NoError(t, s.SetCurrent(ctx, name(1), tag))
	require.ErrorIs(t, s.SetCurrent(ctx, name(2), tag), codedeploy.ErrChanged)
	_, tag, err = s.Current(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, s.SetCurrent(ctx, name(3), tag), codedeploy.ErrNotFound)
	require.NoError(t, s.SetCurrent(ctx, name(2), tag))
	now, _, err = s.Current(ctx)
	require.NoError(t, err)
	require.Equal(t, name(2), now)
}

func TestRollbackGoesToTheLastGoodRelease(t *testing.T) {
	s, _ := newStore()
	ctx := t.Context()
	for day := 1; day <= 5; day++ {
		require.NoError(t, put(t, s, name(day), fmt.Sprint(day)))
	}
	for _, day := range []int{2, 1, 5} {
		require.NoError(t, s.MarkGood(ctx, name(day)))
	}
	current := func(day int) {
		_, tag, err := s.Current(ctx)
		require.NoError(t, err)
		require.NoError(t, s.SetCurrent(ctx, name(day), tag))
	}
	for _, step := range [][2]int{{5, 2}, {4, 2}, {2, 1}} {
		current(step[0])
		previous, err := s.Previous(ctx)
		require.NoError(t, err)
		require.Equal(t, name(step[1]), previous)
	}
	current(1)
	_, err := s.Previous(ctx)
	require.ErrorIs(t, err, codedeploy.ErrNoGood)
	for day, good := range map[int]bool{1: true, 2: true, 3: false, 9: false} {
		was, err := s.IsGood(ctx, name(day))
		require.NoError(t, err)
		require.Equal(t, good, was, day)
	}
}

func TestPruneKeepsWhatARollbackNeeds(t *testing.T) {
	s, b := newStore()
	ctx := t.Context()
	for day := 1; day <= 7; day++ {
		require.NoError(t, put(t, s, name(day), fmt.Sprint(day)))
	}
	require.NoError(t, s.MarkGood(ctx, name(1)))
	require.NoError(t, s.MarkGood(ctx, name(2)))
	_, tag, err := s.Current(ctx)
	require.NoError(t, err)
	require.NoError(t, s.SetCurrent(ctx, name(4), tag))
	deleted, err := s.Prune(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, []string{name(1), name(3), name(5)}, deleted)
	list, err := s.List(ctx)
	require.NoError(t, err)
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	require.Equal(t, []string{name(2), name(4), name(6), name(7)}, names)
	require.Len(t, b.objects, 4*2+1, "a tarball and a manifest each, and current.json")
	previous, err := s.Previous(ctx)
	require.NoError(t, err)
	require.Equal(t, name(2), previous)

	deleted, err = s.Prune(ctx, 9)
	require.NoError(t, err)
	require.Empty(t, deleted)
	_, tag, err = s.Current(ctx)
	require.NoError(t, err)
	require.NoError(t, s.SetCurrent(ctx, name(7), tag))
	deleted, err = s.Prune(ctx, 9)
	require.NoError(t, err)
	require.Equal(t, []string{name(4), name(6)}, deleted, "they were never good")
}

func TestLostAnswersAndConflictsAreNobodyElse(t *testing.T) {
	s, b := newStore()
	ctx := t.Context()
	for day, mishap := range []*string{&b.lose, &b.refuse} {
		*mishap = name(day+1) + ".json"
		require.NoError(t, put(t, s, name(day+1), fmt.Sprint(day)), "a manifest")
		require.Empty(t, *mishap)
	}
	for day, mishap := range []*string{&b.lose, &b.refuse, &b.lose, &b.refuse} {
		_, tag, err := s.Current(ctx)
		require.NoError(t, err)
		*mishap = "current.json"
		require.NoError(t, s.SetCurrent(ctx, name(day%2+1), tag))
		require.Empty(t, *mishap)
		now, _, err := s.Current(ctx)
		require.NoError(t, err)
		require.Equal(t, name(day%2+1), now)
	}
	b.lose = "current.json"
	require.NoError(t, s.MarkGood(ctx, name(1)))
}

func TestNamesAreInTheOrderOfDeploys(t *testing.T) {
	s, _ := newStore()
	ctx := t.Context()
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var names []string
	// the second laptop's clock is six hours ahead, and the third deploy comes from the first again
	for _, clock := range []time.Time{noon, noon.Add(6*time.Hour - time.Second), noon.Add(time.Minute), noon.Add(time.Minute), noon.Add(24 * time.Hour)} {
		next, err := s.NextName(ctx, clock.In(time.FixedZone("CET", 3600)))
		require.NoError(t, err)
		require.NoError(t, put(t, s, next, next))
		_, tag, err := s.Current(ctx)
		require.NoError(t, err)
		require.NoError(t, s.SetCurrent(ctx, next, tag))
		require.NoError(t, s.MarkGood(ctx, next))
		if len(names) > 0 {
			previous, err := s.Previous(ctx)
			require.NoError(t, err)
			require.Equal(t, names[len(names)-1], previous, "a rollback goes to the deploy before")
		}
		names = append(names, next)
	}
	require.Equal(t, []string{"20261124120000", "20261124175959", "20261124180000", "20261124180001", "20261125120000"}, names)
}
