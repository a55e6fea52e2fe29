package frontier

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"crawlfleet.dev/crawlfleet/workers/archive"
)

const (
	// clockSamples is how many of the last activities a Clock judges the time by, and
	// clockAge how old they may be.
	clockSamples = 32
	clockAge     = 10 * time.Minute
	// clockTrust is how far a machine's own clock may be ahead of what the Clock finds
	// out, to be taken for right: the time that a task takes to arrive is in it.
	clockTrust = time.Second
)

// Clock tells the time that all workers of a run agree about, however wrong the clocks of
// their machines are: that of the Temporal server. The times in a frontier are compared by
// other workers than wrote them, so with clocks that differ a site would be visited too
// soon, or be left to wait until one clock has come to where the other one was.
//
// The server says with each activity when it handed it out. Since then as much time has
// passed as the monotonic clock of this machine tells, and a little more, which the task
// took to arrive: the latest of these times is the closest to the truth, and never beyond
// it. As long as the machine's own clock agrees with it, that one is told, which is exact.
//
// It is not for the times in records: those are when this machine saw something.
type Clock struct {
	// wall is the machine's clock, passed its monotonic one.
	wall   func() time.Time
	passed func() time.Duration

	mu      sync.Mutex
	samples []clockSample
}

// clockSample is a time of the server, and when this machine learned it.
type clockSample struct {
	server time.Time
	heard  time.Duration
}

// NewClock makes the clock of a program, which its workers share.
func NewClock() *Clock {
	began := time.Now()
	return &Clock{wall: time.Now, passed: func() time.Duration { return time.Since(began) }}
}

// Interceptor has the clock learn from the activities of a worker.
func (c *Clock) Interceptor() interceptor.WorkerInterceptor { return &clockInterceptor{clock: c} }

// Now is the time. Before the first activity it is the machine's.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, server := c.wall(), c.server()
	if ahead := wall.Round(0).Sub(server); server.IsZero() || ahead >= 0 && ahead <= clockTrust {
		return wall
	}
	return server
}

// check compares the machine's own clock with the server's, nil when that one was not heard of
// lately.
func (c *Clock) check() *archive.ClockCheck {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, server := c.wall().Round(0), c.server()
	if server.IsZero() {
		return nil
	}
	return &archive.ClockCheck{With: "the Temporal server", At: wall.UTC(), AheadMs: wall.Sub(server).Milliseconds()}
}

// server is the closest time to the truth that follows from what the server said, zero when it
// said nothing lately. c.mu is held.
func (c *Clock) server() (latest time.Time) {
	passed := c.passed()
	for _, s := range c.samples {
		since := passed - s.heard
		if t := s.server.Add(since); since <= clockAge && t.After(latest) {
			latest = t
		}
	}
	return latest
}

// hear notes when the server handed out what has just arrived.
func (c *Clock) hear(server time.Time) {
	if server.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) == clockSamples {
		c.samples = c.samples[1:]
	}
	c.samples = append(c.samples, clockSample{server: server.Round(0), heard: c.passed()})
}

type clockInterceptor struct {
	interceptor.WorkerInterceptorBase
	clock *Clock
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (i *clockInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &clockInbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, clock: i.clock}
}

type clockInbound struct {
	interceptor.ActivityInboundInterceptorBase
	clock *Clock
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (i *clockInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	i.clock.hear(activity.GetInfo(ctx).StartedTime)
	return i.Next.ExecuteActivity(ctx, in)
}
