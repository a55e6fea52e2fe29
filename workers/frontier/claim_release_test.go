package frontier

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// unwilling is a store that removes nothing at first.
type unwilling struct {
	*blob.Bucket
	refusals int
}

func (u *unwilling) Remove(ctx context.Context, key blob.Key) error {
	if u.refusals--; u.refusals >= 0 {
		return fmt.Errorf("remove %q: %w", key, blob.ErrUnreachable)
	}
	return u.Bucket.Remove(ctx, key)
}

// A claim is given back also when the store has trouble just then: others would wait for
// minutes.
func TestClaimIsGivenBackInTheEnd(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason   string
		refusals int
		lasts    time.Duration
		left     int
	}{
		{"the store is back", 2, time.Minute, 0},
		{"its time is over first", 1000, time.Second, 1},
	} {
		c := &claim{store: &unwilling{client.Bucket("frontier"), tc.refusals}, now: time.Now, longest: time.Second, again: 10 * time.Millisecond, mine: claimKey{
			run: "run", bundle: "b", attempt: 1, lasts: tc.lasts, hosts: []string{hostTag("a")},
		}}
		if err := c.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		var done sync.WaitGroup
		c.release(t.Context(), time.Now(), &done)
		done.Wait()
		if left := server.Keys("/frontier/" + claimsPrefix); len(left) != tc.left {
			t.Errorf("%s: claims are left: %q", tc.reason, left)
		}
	}
}
