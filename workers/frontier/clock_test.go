package frontier

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
)

// fakeMachine is a machine whose clock may be wrong, and a server whose clock is right.
type fakeMachine struct {
	began, now time.Time // of the server
	off        time.Duration
}

func (m *fakeMachine) clock() *Clock {
	return &Clock{
		wall:   func() time.Time { return m.now.Add(m.off) },
		passed: func() time.Duration { return m.now.Sub(m.began) },
	}
}

// task is an activity that arrives so long after the server handed it out.
func (m *fakeMachine) task(c *Clock, late time.Duration) {
	handed := m.now
	m.now = m.now.Add(late)
	c.hear(handed)
}

func TestClock(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		reason string
		do     func(*fakeMachine, *Clock)
		want   time.Duration // how far the clock is off, against the server's
	}{
		{"nothing is known", func(m *fakeMachine, _ *Clock) { m.off = -5 * time.Minute }, -5 * time.Minute},
		{"a machine that is right is exact", func(m *fakeMachine, c *Clock) { m.task(c, 300*time.Millisecond) }, 0},
		{"ahead", func(m *fakeMachine, c *Clock) { m.off = 5 * time.Minute; m.task(c, time.Millisecond) }, -time.Millisecond},
		{"behind", func(m *fakeMachine, c *Clock) { m.off = -5 * time.Minute; m.task(c, time.Millisecond) }, -time.Millisecond},
		{"a little behind", func(m *fakeMachine, c *Clock) { m.off = -40 * time.Millisecond; m.task(c, time.Millisecond) }, -time.Millisecond},
		{"it jumps later", func(m *fakeMachine, c *Clock) {
			m.task(c, time.Millisecond)
			m.now = m.now.Add(time.Minute)
			m.off = 5 * time.Minute
		}, -time.Millisecond},
		{"the task that took least counts", func(m *fakeMachine, c *Clock) {
			m.off = -time.Hour
			for _, late := range []time.Duration{time.Second, 2 * time.Millisecond, 3 * time.Second} {
				m.task(c, late)
			}
		}, -2 * time.Millisecond},
		{"many tasks", func(m *fakeMachine, c *Clock) {
			m.off = -time.Hour
			m.task(c, 0)
			for range clockSamples {
				m.task(c, 10*time.Millisecond)
			}
		}, -10 * time.Millisecond},
		{"old tasks do not count", func(m *fakeMachine, c *Clock) {
			m.task(c, 0)
			m.now = m.now.Add(clockAge)
			m.task(c, 50*time.Millisecond)
			m.off = time.Hour
		}, -50 * time.Millisecond},
		{"a task without a time", func(m *fakeMachine, c *Clock) { c.hear(time.Time{}); m.off = time.Hour }, time.Hour},
	} {
		m := &fakeMachine{began: at, now: at}
		c := m.clock()
		tc.do(m, c)
		if got := c.Now().Sub(m.now); got != tc.want {
			t.Errorf("%s: it is %v off, want %v", tc.reason, got, tc.want)
		}
	}
}

// The clock learns from each activity, before that begins.
func TestClockHearsOfActivities(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	c := NewClock()
	c.wall = func() time.Time { return time.Now().Add(time.Hour) }
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{c.Interceptor()}})
	env.RegisterActivityWithOptions(func(context.Context) (time.Time, error) { return c.Now(), nil }, activity.RegisterOptions{Name: "Tell"})
	answer, err := env.ExecuteActivity("Tell")
	if err != nil {
		t.Fatal(err)
	}
	var told time.Time
	if err := answer.Get(&told); err != nil {
		t.Fatal(err)
	}
	if off := time.Since(told).Abs(); off > time.Minute {
		t.Errorf("the activity was told a time that is %v off", off)
	}
}
