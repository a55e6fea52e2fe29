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
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/workers/browser"
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

// told implements Heartbeater.
type told struct{ last workflows.BundleProgress }

func (h *told) RecordActivityHeartbeat(_ context.Context, _ []byte, details ...any) error {
	h.last = details[0].(workflows.BundleProgress)
	return nil
}

// TestHeartbeatTellsWherePagesAre: with each page the phase that it is in, since when, and
// when it last showed a sign of life; and what is being stored.
func TestHeartbeatTellsWherePagesAre(t *testing.T) {
	t.Parallel()
	var got told
	l := newLease(&got, nil, workflows.BundleProgress{}, slog.New(slog.DiscardHandler), func(error) {})
	beat := func() workflows.BundleProgress {
		t.Helper()
		if err := l.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		return got.last
	}
	first, second := new(browser.Tracker), new(browser.Tracker)
	defer l.follow(7, first)()
	leave := l.follow(3, second)
	defer l.follow(9, new(browser.Tracker))() // not begun
	began := time.Now()
	first.Enter(browser.PhaseQueued)
	second.Enter(browser.PhaseOutputs)
	l.begin(3)
	l.storing(5)
	p := beat()
	if len(p.Pages) != 2 || p.Pages[0].Index != 3 || p.Pages[0].Phase != "Outputs" || p.Pages[1].Phase != "Queued" {
		t.Errorf("pages %+v", p.Pages)
	}
	for _, at := range p.Pages {
		if at.Since.Before(began) || at.Active.Before(at.Since) {
			t.Errorf("page %+v", at)
		}
	}
	if !slices.Equal(p.InProgress, []int{3}) || p.Storing != 5 || p.StoringSince.Before(began) {
		t.Errorf("progress %+v", p)
	}
	leave()
	l.storing(0)
	if p := beat(); len(p.Pages) != 1 || p.Storing != 0 || !p.StoringSince.IsZero() {
		t.Errorf("progress %+v", p)
	}
	// The next attempt takes over what it must know, and no page of this one.
	if next := resume(p); len(next.Pages) > 0 || next.Storing > 0 || next.Deaths[3] != 1 {
		t.Errorf("the next attempt begins with %+v", next)
	}
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
	for name, err := range map[string]error{
		"Cancelled": temporal.NewCanceledError(), "Paused": activity.ErrActivityPaused, "Reset": activity.ErrActivityReset,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, lost := hold(t, func() error { return err }, 2*time.Minute)
				if lost != nil || l.asked() == "" || !l.live() {
					t.Errorf("%v, asked %q: the bundle keeps its lease and comes to an end", lost, l.asked())
				}
			})
		})
	}
}

// TestLeaseInsists: only a heartbeat that the server accepted commits anything.
func TestLeaseInsists(t *testing.T) {
	t.Parallel()
	errDown := errors.New("unavailable")
	cases := map[string]struct {
		reason string
		beat   func(n int) error
		want   error
		beats  int
	}{
		"Outage": {reason: "it is sent until it is accepted", beats: 4, beat: func(n int) error {
			if n < 4 {
				return errDown
			}
			return nil
		}},
		"Refused": {reason: "it is not sent again to a server that refuses it", beats: 1, want: errLeaseLost, beat: func(int) error { return serviceerror.NewNotFound("gone") }},
		"Ended":   {reason: "the end of the attempt is no acceptance", beats: 10, want: errKilled, beat: func(int) error { return errDown }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithCancelCause(t.Context())
				defer end(nil)
				time.AfterFunc(9500*time.Millisecond, func() { end(errKilled) })
				beats := 0
				l := newLease(beatsFunc(func() error { beats++; return tc.beat(beats) }), nil, workflows.BundleProgress{}, slog.New(slog.DiscardHandler), func(error) {})
				if err := l.insist(ctx); !errors.Is(err, tc.want) || beats != tc.beats {
					t.Errorf("%s: %v after %d heartbeats, want %v after %d", tc.reason, err, beats, tc.want, tc.beats)
				}
			})
		})
	}
}

func TestResumeCountsDeaths(t *testing.T) {
	t.Parallel()
	p := resume(workflows.BundleProgress{Results: []string{"a"}, InProgress: []int{3, 5}, Deaths: map[int]int{3: 1}})
	if p.Deaths[3] != 2 || p.Deaths[5] != 1 || len(p.InProgress) != 0 || !slices.Equal(p.Results, []string{"a"}) {
		t.Errorf("%+v", p)
	}
}
