package lease

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

// store is one S3 object with conditional puts, on the test's clock.
type store struct {
	mu       sync.Mutex
	data     []byte
	version  int
	modified time.Time
	down     bool // every call fails
	deaf     bool // puts arrive, their answers are lost
}

// RoundTrip answers as S3 does, so that the SDK's own client, retries and error types are in the test.
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("connection refused")
	}
	if r.Method == http.MethodPut {
		return s.put(r), nil
	}
	if s.version == 0 {
		return answer(http.StatusNotFound, "", nil), nil
	}
	resp := answer(http.StatusOK, strconv.Itoa(s.version), s.data)
	resp.Header.Set("Last-Modified", s.modified.UTC().Format(http.TimeFormat))
	return resp, nil
}

func (s *store) put(r *http.Request) *http.Response {
	tag := r.Header.Get("If-Match")
	if r.Header.Get("If-None-Match") != "" && s.version != 0 || tag != "" && tag != strconv.Itoa(s.version) {
		return answer(http.StatusPreconditionFailed, "", nil)
	}
	s.data, _ = io.ReadAll(r.Body)
	s.version++
	s.modified = time.Now()
	if s.deaf {
		return answer(http.StatusServiceUnavailable, "", nil) // the SDK repeats the put
	}
	return answer(http.StatusOK, strconv.Itoa(s.version), nil)
}

func answer(status int, etag string, body []byte) *http.Response {
	h := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	if etag != "" {
		h.Set("ETag", etag)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
}

func (s *store) set(down, deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.deaf = down, deaf
}

func (s *store) bucket() Bucket {
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://192.0.2.1"), UsePathStyle: true, HTTPClient: &http.Client{Transport: s},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	return Bucket{S3: client, Name: "shop", Key: "lock.json"}
}

func TestSecondOwnerIsToldWhoHoldsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		first, err := Acquire(t.Context(), st.bucket(), Options{Owner: "ann@laptop", Purpose: "deploy"})
		require.NoError(t, err)
		defer first.Release()
		time.Sleep(10 * time.Minute) // heartbeats keep it

		_, err = Acquire(t.Context(), st.bucket(), Options{Owner: "bob"})
		var held *HeldError
		require.ErrorAs(t, err, &held)
		require.Equal(t, "ann@laptop", held.Record.Owner)
		require.Less(t, held.Age, 7*time.Second)
		require.ErrorContains(t, err, `held by ann@laptop for "deploy"`)
		require.NoError(t, first.Context().Err())
	})
}

func TestReleaseLetsTheNextOneIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		first, err := Acquire(t.Context(), st.bucket(), Options{Owner: "ann"})
		require.NoError(t, err)
		go func() {
			time.Sleep(3 * time.Second)
			_ = first.Release()
		}()
		var waited []string
		start := time.Now()
		second, err := Acquire(t.Context(), st.bucket(), Options{Owner: "bob", Wait: time.Minute, Waiting: func(r Record) { waited = append(waited, r.Owner) }})
		require.NoError(t, err)
		require.Equal(t, []string{"ann"}, waited)
		require.Less(t, time.Since(start), 5*time.Second)
		require.NoError(t, second.Release())
		require.NoError(t, second.Release(), "a second time")
	})
}

func TestStaleLeaseIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		ctx, kill := context.WithCancel(t.Context())
		_, err := Acquire(ctx, st.bucket(), Options{Owner: "killed"})
		require.NoError(t, err)
		kill() // no heartbeat, no release
		start := time.Now()
		next, err := Acquire(t.Context(), st.bucket(), Options{Owner: "bob", Wait: time.Minute})
		require.NoError(t, err)
		require.InDelta(t, 30, time.Since(start).Seconds(), 2)
		require.NoError(t, next.Release())
	})
}

func TestLossEndsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		held, err := Acquire(t.Context(), st.bucket(), Options{Owner: "ann"})
		require.NoError(t, err)
		st.set(true, false)
		start := time.Now()
		<-held.Context().Done()
		require.Less(t, time.Since(start), 30*time.Second, "before anyone else may take it")
		require.ErrorIs(t, context.Cause(held.Context()), ErrLost)
		require.NoError(t, held.Release())
	})
}

func TestShortOutageIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		held, err := Acquire(t.Context(), st.bucket(), Options{Owner: "ann"})
		require.NoError(t, err)
		st.set(true, false)
		time.Sleep(13 * time.Second)
		st.set(false, true) // answers are lost, and the repeated put is refused
		time.Sleep(13 * time.Second)
		st.set(false, false)
		time.Sleep(5 * time.Minute)
		require.NoError(t, held.Context().Err())
		require.NoError(t, held.Release())
	})
}

func TestOneOfManyGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		var wg sync.WaitGroup
		var mu sync.Mutex
		inside, most, done := 0, 0, 0
		for i := range 8 {
			wg.Go(func() {
				held, err := Acquire(t.Context(), st.bucket(), Options{Owner: fmt.Sprint(i), Wait: 10 * time.Minute})
				if !errorless(t, err) {
					return
				}
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				time.Sleep(7 * time.Second)
				mu.Lock()
				inside--
				done++
				mu.Unlock()
				errorless(t, held.Release())
			})
		}
		wg.Wait()
		require.Equal(t, 1, most)
		require.Equal(t, 8, done)
	})
}

func errorless(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
