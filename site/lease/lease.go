// Package lease keeps two operators of one site apart with a single object in S3.
//
// The owner writes the object with a conditional put and renews it with a heartbeat. Whoever finds it tries again until
// it is released or has expired; age is measured between two timestamps of the S3 server, so the clocks of the
// operators' machines do not matter. A stale lease never needs a person: it is taken over once it has expired.
//
//	held, err := lease.Acquire(ctx, bucket, lease.Options{Owner: "ann@laptop", Purpose: "deploy"})
//	if err != nil {
//		return err
//	}
//	defer held.Release()
//	return deploy(held.Context()) // ended when the lease is lost
//
// It does not fence what an owner has already started: an owner that was suspended for longer than its expiry
// learns of the loss at its next heartbeat, not before.
package lease

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// minExpiry is five times the second in which S3 tells when an object was written: an owner gives up a fifth of an expiry
// before another one may take over.
const minExpiry = 5 * time.Second

// API is what a lease needs of S3: reads and conditional puts.
type API interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

var _ API = (*s3.Client)(nil)

// Bucket says where the lease lies.
type Bucket struct {
	S3   API
	Name string // the bucket
	Key  string // the lease's object, such as "lock.json"
}

// Options say who takes a lease, and for how long it stands without a heartbeat.
type Options struct {
	Owner   string // shown to whoever waits, such as "ann@laptop"
	Purpose string // what is being done, such as "deploy"

	// Wait bounds how long Acquire waits for another owner. Zero does not wait: it returns a *HeldError at once.
	Wait time.Duration

	// Expiry is how long a lease without heartbeat stands. Zero: 30 s. A heartbeat is sent every fifth of it.
	// It is whole seconds, 5 s at least: S3 tells the time in seconds.
	Expiry time.Duration

	// Waiting, if set, is called once for each owner that Acquire waits for.
	Waiting func(Record)

	// Log receives the loss of a lease. Nil is silent.
	Log *slog.Logger
}

// Record is the content of the lease's object. A person can read it.
type Record struct {
	Token    string    `json:"token"` // of one acquisition; random
	Owner    string    `json:"owner"`
	Purpose  string    `json:"purpose"`
	Since    time.Time `json:"since"`          // by the owner's clock; for people, never compared
	Beat     int       `json:"beat"`           // grows with every heartbeat
	Expiry   int64     `json:"expiry_seconds"` // after which anyone may take it
	Released bool      `json:"released,omitempty"`
}

// stands tells whether a record of that age keeps others out.
func (r Record) stands(age time.Duration) bool {
	return !r.Released && age < time.Duration(r.Expiry)*time.Second
}

// HeldError says that somebody else holds the lease.
type HeldError struct {
	Record Record
	Age    time.Duration // since the last heartbeat, by the server's clock
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lease: held by %s for %q since %s (last heartbeat %s ago, expires %s after it)", e.Record.Owner, e.Record.Purpose,
		e.Record.Since.Format(time.TimeOnly), e.Age.Round(time.Second), time.Duration(e.Record.Expiry)*time.Second)
}

// ErrLost is the cause of a lease's context when another owner took the lease or its heartbeat could not be renewed in time.
var ErrLost = errors.New("lease: lost")

// Lease is a lease that is held. Release it.
type Lease struct {
	bucket Bucket
	opts   Options
	record Record
	etag   string

	renewed time.Time // when the last record that stands was sent

	ctx    context.Context // ends with the lease; handed out by Context, kept for no call of its own
	cancel context.CancelCauseFunc
	once   sync.Once
	done   chan struct{}
}

// Acquire takes the lease, or waits for it up to Options.Wait. It returns a *HeldError when somebody else keeps it.
func Acquire(ctx context.Context, bucket Bucket, opts Options) (*Lease, error) {
	if opts.Expiry == 0 {
		opts.Expiry = 30 * time.Second
	}
	if opts.Expiry < minExpiry || opts.Expiry%time.Second != 0 {
		return nil, fmt.Errorf("lease: Expiry %s is not whole seconds, %s at least", opts.Expiry, minExpiry)
	}
	deadline := time.Now().Add(opts.Wait)
	var told string
	for {
		held, err := try(ctx, bucket, opts)
		var busy *HeldError
		if !errors.As(err, &busy) {
			return held, err
		}
		if !time.Now().Before(deadline) {
			return nil, err
		}
		if opts.Waiting != nil && told != busy.Record.Token {
			told = busy.Record.Token
			opts.Waiting(busy.Record)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-time.After(opts.Expiry / 30):
		}
	}
}

// try takes the lease if it is free, released or expired.
func try(ctx context.Context, bucket Bucket, opts Options) (*Lease, error) {
	last, etag, age, err := read(ctx, bucket)
	if err != nil {
		return nil, err
	}
	if etag != "" && last.stands(age) {
		return nil, &HeldError{last, age}
	}
	l := &Lease{bucket: bucket, opts: opts, etag: etag, done: make(chan struct{}), record: Record{
		Token: rand.Text(), Owner: opts.Owner, Purpose: opts.Purpose, Since: time.Now().UTC(), Expiry: int64(opts.Expiry / time.Second),
	}}
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	go l.beat()
	return l, nil
}

// takes is how often a put is tried that S3 refuses although nobody else has the lease.
const takes = 5

// take writes the first record.
func (l *Lease) take(ctx context.Context) error {
	var refused error
	for range takes {
		l.renewed = time.Now()
		err := l.put(ctx)
		if err == nil {
			return nil
		}
		if !conflict(err) {
			return fmt.Errorf("lease: write %q: %w", l.bucket.Key, err)
		}
		// somebody was faster; or our own put arrived and its answer was lost, which the SDK then repeated
		refused = err
		now, etag, age, err := read(ctx, l.bucket)
		switch {
		case err != nil:
			return err
		case etag != "" && now.Token == l.record.Token:
			l.etag = etag
			return nil
		case etag != "" && now.stands(age):
			return &HeldError{now, age}
		}
		l.etag = etag
	}
	return fmt.Errorf("lease: write %q: refused %d times, though nobody holds it: %w", l.bucket.Key, takes, refused)
}

// read returns the record with its ETag and its age by the server's clock; an empty ETag means that there is none.
func read(ctx context.Context, b Bucket) (r Record, etag string, age time.Duration, err error) {
	out, err := b.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Name, Key: &b.Key})
	if status(err) == http.StatusNotFound && !noBucket(err) {
		return r, "", 0, nil
	}
	if err != nil {
		return r, "", 0, fmt.Errorf("lease: read %q: %w", b.Key, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, 1<<16))
	if err != nil {
		return r, "", 0, fmt.Errorf("lease: read %q: %w", b.Key, err)
	}
	now, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok || out.LastModified == nil {
		return r, "", 0, fmt.Errorf("lease: read %q: the server sent no Date or Last-Modified", b.Key)
	}
	// an object that is not ours to read is no lease: it is replaced
	if json.Unmarshal(data, &r) != nil {
		r = Record{Owner: "unknown"}
	}
	return r, aws.ToString(out.ETag), now.Sub(*out.LastModified), nil
}

func (l *Lease) put(ctx context.Context) error {
	data, err := json.MarshalIndent(l.record, "", "  ")
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{Bucket: &l.bucket.Name, Key: &l.bucket.Key, Body: bytes.NewReader(data), ContentType: aws.String("application/json")}
	if l.etag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &l.etag
	}
	out, err := l.bucket.S3.PutObject(ctx, in)
	if err == nil {
		l.etag = aws.ToString(out.ETag)
	}
	return err
}

// beat renews the lease until it is released or lost.
func (l *Lease) beat() {
	defer close(l.done)
	tick := time.NewTicker(l.opts.Expiry / 5)
	defer tick.Stop()
	err := errors.New("no heartbeat was sent in time")
	for {
		end := l.renewed.Add(l.opts.Expiry * 4 / 5) // a fifth before anyone else may take it
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(time.Until(end)):
		case <-tick.C:
		}
		if !time.Now().Before(end) {
			l.lose(err)
			return
		}
		var gone bool
		if gone, err = l.renew(end); gone {
			l.lose(err)
			return
		}
	}
}

// renew sends one heartbeat. gone means that somebody else has the lease, or that its object was deleted.
func (l *Lease) renew(end time.Time) (gone bool, err error) {
	sent := time.Now()
	if limit := sent.Add(l.opts.Expiry / 5); limit.Before(end) {
		end = limit
	}
	ctx, cancel := context.WithDeadline(l.ctx, end)
	defer cancel()
	l.record.Beat++
	for range takes {
		if err = l.put(ctx); !conflict(err) {
			break
		}
		now, mine, readErr := l.ours(ctx)
		if readErr != nil || !mine {
			return readErr == nil, err
		}
		if now.Beat == l.record.Beat {
			err = nil
			break
		}
		// an older beat stands: this one was refused, and renews nothing until it is written
	}
	if err == nil {
		l.renewed = sent
	}
	return false, err
}

// ours reads what stands, and adopts its ETag if it is of this lease: a put may have arrived although its answer was lost.
func (l *Lease) ours(ctx context.Context) (now Record, mine bool, err error) {
	now, etag, _, err := read(ctx, l.bucket)
	if mine = err == nil && etag != "" && now.Token == l.record.Token; mine {
		l.etag = etag
	}
	return now, mine, err
}

func (l *Lease) lose(err error) {
	if l.ctx.Err() != nil {
		return
	}
	if l.opts.Log != nil {
		l.opts.Log.Error("lease lost", "key", l.bucket.Key, "err", err)
	}
	l.cancel(fmt.Errorf("%w: %w", ErrLost, err))
}

// Context ends when the lease is released or lost; the cause then wraps ErrLost.
func (l *Lease) Context() context.Context { return l.ctx }

// Release gives the lease back, so that the next owner need not wait for its expiry. It may be called twice.
// An error means only that the lease will expire by itself.
func (l *Lease) Release() error {
	var err error
	l.once.Do(func() {
		lost := errors.Is(context.Cause(l.ctx), ErrLost)
		l.cancel(nil)
		<-l.done
		if lost {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), 5*time.Second)
		defer cancel()
		l.record.Released = true
		for range takes {
			if err = l.put(ctx); !conflict(err) {
				return
			}
			if _, mine, _ := l.ours(ctx); !mine {
				return
			}
		}
	})
	if err != nil {
		return fmt.Errorf("lease: release %q: %w; it expires by itself after %s", l.bucket.Key, err, l.opts.Expiry)
	}
	return nil
}

// conflict tells the answer to a conditional put whose condition did not hold (412), raced with another (409),
// or whose object is gone (404).
func conflict(err error) bool {
	if noBucket(err) {
		return false
	}
	switch status(err) {
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusNotFound:
		return true
	}
	return false
}

// noBucket tells a bucket that is not there from an object that is not.
func noBucket(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchBucket"
}

// status returns the HTTP status of an S3 answer, or 0.
func status(err error) int {
	var re *awshttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}
