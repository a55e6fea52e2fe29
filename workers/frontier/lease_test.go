package frontier

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/workflows"
)

// beatsFunc implements Heartbeater.
type beatsFunc func() error

func (f beatsFunc) RecordActivityHeartbeat(context.Context, []byte, ...any) error { return f() }

// hold keeps a lease for a time on the made-up clock and returns it and how it ended.
func hold(t *testing.T, beat beatsFunc, d time.Duration) (*lease, error) {
	t.Helper()
	ctx, lose := context.WithCancelCause(t.Context())
	l := newLease(beat, nil, workflows.BundleProgress{}, slog.New(slog.DiscardHandler), lose)
	done := make(chan struct{})
	go func() { l.keep(ctx); close(done) }()
	time.Sleep(d)
	err := context.Cause(ctx)
	lose(nil)
	<-done
	return l, err
}

func TestLease(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		beat   func(since time.Duration) error
		after  time.Duration
		lost   bool
	}{
		"Kept":    {reason: "heartbeats renew it", beat: func(time.Duration) error { return nil }, after: time.Hour},
		"Silence": {reason: "it lasts 50 seconds without the server, which waits 60", beat: func(time.Duration) error { return errors.New("unavailable") }, after: 49 * time.Second},
		"Lost":    {reason: "then it is over, before the server gives the bundle away", beat: func(time.Duration) error { return errors.New("unavailable") }, after: 52 * time.Second, lost: true},
		"Refused": {reason: "the server says that it belongs to someone else", beat: func(time.Duration) error { return serviceerror.NewNotFound("gone") }, after: 16 * time.Second, lost: true},
		"Back": {reason: "a short outage changes nothing", after: time.Hour, beat: func(since time.Duration) error {
			if since > 20*time.Second && since < 55*time.Second {
				return errors.New("unavailable")
			}
			return nil
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := hold(t, func() error { return tc.beat(time.Since(began)) }, tc.after)
				if errors.Is(err, errLeaseLost) != tc.lost {
					t.Errorf("%s: after %s: %v", tc.reason, tc.after, err)
				}
			})
		})
	}
}

func TestLeaseCountsFromTheSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func() error { time.Sleep(9 * time.Second); return nil }
		l := newLease(beatsFunc(slow), nil, workflows.BundleProgress{}, slog.New(slog.DiscardHandler), func(error) {})
		sent := time.Now()
		if err := l.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := sent.Add(workflows.HeartbeatTimeout - leaseGuard); !l.until.Equal(want) {
			t.Errorf("the lease lasts until %s, want %s: the answer came later than the heartbeat counted", l.until, want)
		}
	})
}

func TestLeaseIsAskedToYield(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := hold(t, func() error { return temporal.NewCanceledError() }, 16*time.Second)
		if err != nil || l.asked() == "" || !l.live() {
			t.Errorf("%v, asked %q: a cancelled bundle keeps its lease and comes to an end", err, l.asked())
		}
	})
}

func TestResumeCountsDeaths(t *testing.T) {
	t.Parallel()
	p := resume(workflows.BundleProgress{Results: []string{"a"}, InProgress: []int{3, 5}, Deaths: map[int]int{3: 1}})
	if p.Deaths[3] != 2 || p.Deaths[5] != 1 || len(p.InProgress) != 0 || !slices.Equal(p.Results, []string{"a"}) {
		t.Errorf("%+v", p)
	}
}
