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
	refuse   int  // so many puts are refused with 409, as where two are written at once
	absent   bool // there is no bucket
}

// RoundTrip answers as S3 does, so that the SDK's own client, retries and error types are in the test.
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("connection refused")
	}
	if s.absent {
		return answer(http.StatusNotFound, "", []byte("<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>")), nil
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
	if s.refuse--; s.refuse >= 0 {
		return answer(http.StatusConflict, "", []byte("<Error><Code>ConditionalRequestConflict</Code></Error>"))
	}
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

// via is a way to the store.
type via func(*http.Request) (*http.Response, error)

func (v via) RoundTrip(r *http.Request) (*http.Response, error) { return v(r) }

func (s *store) bucket() Bucket { return via(s.RoundTrip).bucket() }

func (v via) bucket() Bucket {
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://192.0.2.1"), UsePathStyle: true, HTTPClient: &http.Client{Transport: v},
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

func TestMissingBucketIsItsOwnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{absent: true}
		start := time.Now()
		_, err := Acquire(t.Context(), st.bucket(), Options{Owner: "ann", Wait: 10 * time.Minute})
		require.ErrorContains(t, err, "NoSuchBucket")
		var held *HeldError
		require.False(t, errors.As(err, &held))
		require.Less(t, time.Since(start), time.Second, "no wait brings it")
	})
}

func TestRefusedPutIsTriedAgainWhereNobodyHoldsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{refuse: 1}
		first, err := Acquire(t.Context(), st.bucket(), Options{Owner: "ann"})
		require.NoError(t, err)
		st.refuse = 1
		require.NoError(t, first.Release(), "so is the one that releases it")
		st.refuse = 1
		second, err := Acquire(t.Context(), st.bucket(), Options{Owner: "bob"})
		require.NoError(t, err, "over one that was released")
		require.NoError(t, second.Release())

		st.refuse = 1000
		_, err = Acquire(t.Context(), st.bucket(), Options{Owner: "ann", Wait: time.Minute})
		require.ErrorContains(t, err, "refused 5 times, though nobody holds it")
		require.ErrorContains(t, err, "ConditionalRequestConflict")
	})
}

func TestRefusedHeartbeatRenewsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		ann, err := Acquire(t.Context(), st.bucket(), Options{Owner: "ann"})
		require.NoError(t, err)
		st.mu.Lock()
		st.refuse = 3
		st.mu.Unlock()
		time.Sleep(5 * time.Minute)
		require.NoError(t, ann.Context().Err(), "a few are survived")

		st.mu.Lock()
		st.refuse = 1000
		st.mu.Unlock()
		bob := make(chan error)
		go func() {
			<-ann.Context().Done()
			st.mu.Lock()
			st.refuse = 0
			left := 30*time.Second - time.Since(st.modified)
			st.mu.Unlock()
			if left <= time.Second {
				t.Errorf("the loss came %s before another owner may take it", left)
			}
			next, err := Acquire(t.Context(), st.bucket(), Options{Owner: "bob", Wait: 5 * time.Minute})
			if err == nil {
				err = next.Release()
			}
			bob <- err
		}()
		require.NoError(t, <-bob)
		require.ErrorIs(t, context.Cause(ann.Context()), ErrLost)
		require.ErrorContains(t, context.Cause(ann.Context()), "ConditionalRequestConflict")
	})
}

func TestSlowHeartbeatsDoNotPutTheLossOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{}
		slow := func(r *http.Request) (*http.Response, error) {
			answer, err := st.RoundTrip(r)
			if r.Method == http.MethodPut {
				select { // written long before it is answered
				case <-time.After(5 * time.Second):
				case <-r.Context().Done():
				}
			}
			return answer, err
		}
		ann, err := Acquire(t.Context(), via(slow).bucket(), Options{Owner: "ann"})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		st.set(true, false)
		<-ann.Context().Done()
		require.Less(t, time.Since(st.modified), 25*time.Second)
	})
}

func TestExpiryThatS3CannotMeasureIsRefused(t *testing.T) {
	for _, expiry := range []time.Duration{-time.Second, 900 * time.Millisecond, 4 * time.Second, 5500 * time.Millisecond} {
		_, err := Acquire(t.Context(), (&store{}).bucket(), Options{Owner: "ann", Expiry: expiry})
		require.ErrorContains(t, err, "is not whole seconds, 5s at least", expiry)
	}
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
