package frontier

import (
	"testing"
	"time"
)

// TestHostBusy: a page that is answered by a plea for patience is asked for again, ever
// later, and at last that answer is the page. Its host rests meanwhile.
func TestHostBusy(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/1"}})
	now := time.Unix(1000, 0)
	visit := func(o Outcome) {
		t.Helper()
		out := s.Choose(now, 1, "x"+itoa(int(now.Unix())))
		if len(out) != 1 {
			t.Fatalf("nothing is handed out at %s; the next is due at %s", now, s.NextDue())
		}
		page := out[0].Hosts[0].Pages[0]
		o.FP, o.Ended, o.Reason = page.FP, now, ReasonHostBusy
		if page.Tries+1 == MaxTries {
			o.Status, o.Retry = Archived, false
		}
		apply(t, s, out[0].ID, now, o)
	}
	for try := 1; try < MaxTries; try++ {
		visit(Outcome{Status: Failed, Retry: true, Detail: "it answers 429", RetryAfter: 10 * time.Second})
		h, hindered := s.Hindered()
		if !hindered || h.Reason != ReasonHostBusy || h.Detail != "it answers 429" || !h.Seed {
			t.Fatalf("after visit %d: %+v, %v", try, h, hindered)
		}
		if c := s.Counts(); c.Delayed != 1 || c.Archived != 0 {
			t.Fatalf("after visit %d: %+v", try, c)
		}
		if wait := s.NextDue().Sub(now); wait < 7*time.Second {
			t.Errorf("after visit %d the host is asked again in %s", try, wait)
		}
		now = now.Add(10 * time.Minute)
	}
	visit(Outcome{})
	if c := s.Counts(); c.Archived != 1 || !s.Idle() {
		t.Errorf("books: %+v", c)
	}
	if s.hosts["a.example"].failures != MaxTries {
		t.Errorf("the host counts as reached: %+v", s.hosts["a.example"])
	}
}

// TestLongPleas: a host that names hours is left alone for hours, a day at most, whoever was told.
func TestLongPleas(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for asked, want := range map[time.Duration]time.Duration{20 * time.Hour: 20 * time.Hour, 48 * time.Hour: 24 * time.Hour} {
		s := newState(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/1"}})
		b := s.Choose(now, 1, "x")[0]
		apply(t, s, b.ID, now, Outcome{FP: b.Hosts[0].Pages[0].FP, Status: Failed, Reason: ReasonHostBusy, Retry: true, Ended: now, RetryAfter: asked})
		if wait := s.NextDue().Sub(now) + leastHorizon; wait < want-time.Second || wait > want+time.Second {
			t.Errorf("asked for %v: it waits %v", asked, wait)
		}
		s.Rest([]HostRest{{Key: "a.example", Until: now.Add(asked), Reason: ReasonHostBusy}}, now)
		if wait := s.NextDue().Sub(now) + leastHorizon; wait < want-time.Second || wait > want+time.Second {
			t.Errorf("told of %v: it waits %v", asked, wait)
		}
	}
}
