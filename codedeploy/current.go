package codedeploy

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// state is current.json.
type state struct {
	Release string   `json:"release"`
	Good    []string `json:"good"` // releases that were healthy on every server, sorted

	// Write is random, of one write. By it a writer whose answer was lost finds its own.
	Write string `json:"write,omitempty"`
}

const stateName = "current.json"

// Current is the release that the servers are to run, and the ETag for SetCurrent. Both are empty before the first deploy.
func (s Store) Current(ctx context.Context) (name, etag string, err error) {
	st, etag, err := s.state(ctx)
	return st.Release, etag, err
}

func (s Store) state(ctx context.Context) (state, string, error) {
	var st state
	etag, err := s.getJSON(ctx, stateName, &st)
	if errors.Is(err, ErrNotFound) {
		return state{}, "", nil
	}
	if err != nil {
		return state{}, "", fmt.Errorf("codedeploy: read current release: %w", err)
	}
	return st, etag, nil
}

// SetCurrent says which release the servers are to run, on condition that nothing has changed since etag was read: else
// ErrChanged. An empty etag means that there is none yet. MarkGood and Prune change the ETag too.
func (s Store) SetCurrent(ctx context.Context, name, etag string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, err := s.release(ctx, name); err != nil {
		return err
	}
	st, now, err := s.state(ctx)
	if err != nil {
		return err
	}
	if now != etag {
		return fmt.Errorf("codedeploy: set current release %q: %w", name, ErrChanged)
	}
	st.Release = name
	return s.setState(ctx, st, etag)
}

func (s Store) setState(ctx context.Context, st state, etag string) error {
	st.Write = rand.Text()
	if err := s.putState(ctx, st, etag); err != nil {
		return fmt.Errorf("codedeploy: write current release %q: %w", st.Release, err)
	}
	return nil
}

// putState writes the state over the one with this ETag. Where S3 refuses, it may be for a write of this very call that
// arrived, its answer lost, and that the SDK repeated.
func (s Store) putState(ctx context.Context, st state, etag string) error {
	body, err := json.Marshal(st)
	if err != nil {
		return err
	}
	for range attempts {
		in := &s3.PutObjectInput{Bucket: &s.Bucket, Key: s.key(stateName), Body: bytes.NewReader(body), IfMatch: &etag}
		if etag == "" {
			in.IfMatch, in.IfNoneMatch = nil, aws.String("*")
		}
		if _, err = s.S3.PutObject(ctx, in); !conditionFailed(err) {
			return err
		}
		now, tag, readErr := s.state(ctx)
		switch {
		case readErr != nil:
			return errors.Join(ErrChanged, readErr)
		case now.Write == st.Write:
			return nil
		case tag != etag:
			return ErrChanged
		}
	}
	return err
}

// MarkGood records that a release was healthy on every server, so that a rollback may go back to it.
func (s Store) MarkGood(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return s.change(ctx, func(st *state) bool {
		if slices.Contains(st.Good, name) {
			return false
		}
		st.Good = append(st.Good, name)
		slices.Sort(st.Good)
		return true
	})
}

// IsGood tells whether a release was healthy on every server once: see MarkGood.
func (s Store) IsGood(ctx context.Context, name string) (bool, error) {
	st, _, err := s.state(ctx)
	return slices.Contains(st.Good, name), err
}

// change reads, changes and writes the state until nobody came between, five times at most.
func (s Store) change(ctx context.Context, f func(*state) bool) error {
	for range 5 {
		st, etag, err := s.state(ctx)
		if err != nil {
			return err
		}
		if !f(&st) {
			return nil
		}
		if err = s.setState(ctx, st, etag); !errors.Is(err, ErrChanged) {
			return err
		}
	}
	return fmt.Errorf("codedeploy: write current release: five times: %w", ErrChanged)
}

// Previous is the newest good release before the current one that is still stored: where a rollback goes. ErrNoGood where there
// is none.
func (s Store) Previous(ctx context.Context) (string, error) {
	st, _, err := s.state(ctx)
	if err != nil {
		return "", err
	}
	names, err := s.names(ctx)
	if err != nil {
		return "", err
	}
	if name := lastGood(st, names); name != "" {
		return name, nil
	}
	return "", fmt.Errorf("codedeploy: find release before %q: %w", st.Release, ErrNoGood)
}

func lastGood(st state, stored []string) string {
	for _, name := range slices.Backward(st.Good) {
		if name < st.Release && slices.Contains(stored, name) {
			return name
		}
	}
	return ""
}

// Prune deletes all but the newest keep releases (at least 1), and those before the current one that were never good: a
// deploy that failed or was killed left them. It never deletes the current one nor the one that a rollback would go back
// to. It returns the names of those that it deleted.
func (s Store) Prune(ctx context.Context, keep int) (deleted []string, err error) {
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	st, _, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	back := lastGood(st, names)
	for i, name := range names {
		old, failed := i < len(names)-max(1, keep), name < st.Release && !slices.Contains(st.Good, name)
		if name == st.Release || name == back || !old && !failed {
			continue
		}
		if err := s.Remove(ctx, name); err != nil {
			return deleted, err
		}
		deleted = append(deleted, name)
	}
	if names, err = s.names(ctx); err != nil {
		return deleted, err
	}
	return deleted, s.change(ctx, func(st *state) bool {
		before := len(st.Good)
		st.Good = slices.DeleteFunc(st.Good, func(name string) bool { return !slices.Contains(names, name) })
		return len(st.Good) != before
	})
}

// Remove deletes a release that nothing needs any more. One that is not there is no error.
func (s Store) Remove(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	r, err := s.release(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, object := range []string{name + ".json", tarballName(r)} { // without its manifest a release is not listed
		if _, err := s.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: s.key(object)}); err != nil {
			return fmt.Errorf("codedeploy: delete release %q: %w", name, err)
		}
	}
	return nil
}
