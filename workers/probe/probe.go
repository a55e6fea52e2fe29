// Package probe tries the store as workers use it: it puts, reads, lists and removes a small object in
// each bucket, as far as the rights of a role go, and compares the clocks.
package probe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Bucket is what is tried of one. *blob.Bucket is it.
type Bucket interface {
	blob.Store
	Name() string
	Time(ctx context.Context) (time.Time, error)
	Remove(ctx context.Context, key blob.Key) error
}

// A Role is by whose rights the store is tried.
type Role string

// The roles.
const (
	// Conductor must be able to do everything.
	Conductor Role = "conductor"
	// Browser must be able to put and to read what it has put: what it may not do beside is as it
	// should be.
	Browser Role = "browser"
)

// Prefix is below what the objects lie that are put. One of a role that may not remove it stays.
const Prefix = "crawlfleet-probes/"

// maxSkew is how far the clocks may be apart: an answer tells the time to the second.
const maxSkew = 30 * time.Second

// Store tries buckets. Now is the clock.
type Store struct {
	Buckets []Bucket
	Role    Role
	Now     func() time.Time
}

// Run tries all buckets, until one of them fails.
func (s *Store) Run(ctx context.Context) workflows.StoreVerdict {
	verdict := workflows.StoreVerdict{As: string(s.Role)}
	for _, b := range s.Buckets {
		ahead, step, err := s.try(ctx, b)
		if ahead.Abs() > time.Duration(verdict.ClockAheadSeconds).Abs()*time.Second {
			verdict.ClockAheadSeconds = int64(ahead / time.Second)
		}
		if err != nil {
			verdict.Reason, verdict.Bucket, verdict.Step, verdict.Message = ReasonOf(err), b.Name(), step, err.Error()
			return verdict
		}
	}
	return verdict
}

// try tries one bucket, and says how far the clock is ahead, and at what it failed.
func (s *Store) try(ctx context.Context, b Bucket) (ahead time.Duration, failed string, err error) {
	began := s.Now()
	switch at, err := b.Time(ctx); {
	case s.Role == Browser && errors.Is(err, blob.ErrDenied): // it need not list
	case err != nil:
		return 0, "look", err
	default:
		ahead = skew(began, s.Now(), at)
	}
	if ahead.Abs() > maxSkew {
		return ahead, "clock", fmt.Errorf("%w by %s", blob.ErrClock, ahead.Abs().Truncate(time.Second))
	}
	key := blob.Key(Prefix + string(s.Role))
	for _, step := range []struct {
		name   string
		needed bool
		do     func() error
	}{
		// What a probe that was killed has left, and any worker may see.
		{"remove", s.Role == Conductor, func() error { return b.Remove(ctx, key) }},
		{"put", true, func() error { _, err := b.Put(ctx, key, content()); return err }},
		{"read", s.Role == Conductor, func() error { return s.read(ctx, b, key) }},
		{"list", s.Role == Conductor, func() error { return s.list(ctx, b, key) }},
		{"remove", s.Role == Conductor, func() error { return b.Remove(ctx, key) }},
	} {
		err := step.do()
		if err != nil && (step.needed || !errors.Is(err, blob.ErrDenied)) {
			return ahead, step.name, err
		}
	}
	return ahead, "", nil
}

// skew is how far a clock is ahead of another that said a time, cut to the second, between two
// moments of its own; 0 where it may be none.
func skew(before, after, other time.Time) time.Duration {
	switch {
	case other.Add(time.Second).Before(before):
		return before.Sub(other.Add(time.Second))
	case other.After(after):
		return after.Sub(other)
	}
	return 0
}

// text is what is put: the same each time, so that one that could not be removed is none of
// somebody else's.
const text = "What crawlfleet tries the store with. It may be removed.\n"

func content() blob.Content {
	sum := sha256.Sum256([]byte(text))
	return blob.Content{Body: bytes.NewReader([]byte(text)), Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Type: "text/plain"}
}

func (s *Store) read(ctx context.Context, b Bucket, key blob.Key) error {
	got, err := blob.ReadAll(ctx, b, key, int64(2*len(text)))
	if err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("read %q: it is not what was put: %w", key, blob.ErrCorrupt)
	}
	return nil
}

func (s *Store) list(ctx context.Context, b Bucket, key blob.Key) error {
	found := false
	if err := b.List(ctx, string(key), func(i blob.Info) bool {
		found = i.Key == key
		return !found
	}); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("list %q: what was just put is not listed: %w", key, blob.ErrUnfit)
	}
	return nil
}

// reasons are what the errors of the store are called.
var reasons = []struct {
	kind   error
	reason workflows.Reason
}{
	{blob.ErrUnreachable, workflows.ReasonStoreUnreachable},
	{blob.ErrDenied, workflows.ReasonStoreDenied},
	{blob.ErrClock, workflows.ReasonClocksDiffer},
	{blob.ErrNoBucket, workflows.ReasonBucketMissing},
	{blob.ErrFull, workflows.ReasonStoreFull},
}

// ReasonOf is what an error of the store is called. What has no name of its own makes it unfit.
func ReasonOf(err error) workflows.Reason {
	for _, r := range reasons {
		if errors.Is(err, r.kind) {
			return r.reason
		}
	}
	return workflows.ReasonStoreUnfit
}
