package versions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// told is a Temporal that remembers what it was told.
type told struct {
	state *State
	err   map[string]error // by what is asked
	done  []string
}

func (t *told) do(what string) error {
	t.done = append(t.done, what)
	return t.err[strings.Fields(what)[0]]
}

func (t *told) Observe(context.Context) (*State, error)              { return t.state, t.err["observe"] }
func (t *told) MakeCurrent(_ context.Context, build string) error    { return t.do("current " + build) }
func (t *told) Forget(_ context.Context, build string) error         { return t.do("forget " + build) }
func (t *told) Wake(_ context.Context, b string, n int) (int, error) { return n, t.do("wake " + b) }

func TestSettle(t *testing.T) {
	t.Parallel()
	wrong := errors.New("made for a test")
	upgrade := &State{Versions: []Version{
		{Build: "a", Status: Current, Polled: true}, {Build: "b", Status: Inactive, Polled: true},
		{Build: "old", Status: Drained, Since: since(time.Hour)}, {Build: "older", Status: Draining, Since: since(time.Hour), Open: 1, Polled: true},
	}}
	deployed := []Deployment{{"a", true}, {"b", true}, {"older", true}, {"spare", true}}
	all := []string{"current b", "wake older", "forget old"}
	for name, tc := range map[string]struct {
		reason  string
		err     map[string]error
		done    []string
		current string
		removed []string
		fails   bool
	}{
		"Whole": {reason: "all goes well", done: all, current: "b", removed: []string{"spare"}},
		"Away":  {reason: "Temporal does not answer: nothing goes", err: map[string]error{"observe": wrong}, fails: true},
		"NotCurrent": {
			reason: "the build is not taken: workflows stay where they are", err: map[string]error{"current": wrong},
			done: all[:1], current: "a", removed: []string{"spare"}, fails: true,
		},
		"InUse":    {reason: "its workers have just stopped", err: map[string]error{"forget": fmt.Errorf("forget: %w", ErrInUse)}, done: all, current: "b", removed: []string{"spare"}},
		"NotWoken": {reason: "it is told again later", err: map[string]error{"wake": wrong}, done: all, current: "b", removed: []string{"spare"}, fails: true},
	} {
		temporal := &told{state: upgrade, err: tc.err}
		s := &Settler{Temporal: temporal, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return at }}
		p, err := s.Settle(t.Context(), "b", deployed)
		if (err != nil) != tc.fails {
			t.Errorf("%s: %s: %v", name, tc.reason, err)
		}
		if diff := cmp.Diff(tc.done, temporal.done); diff != "" {
			t.Errorf("%s: %s: Temporal was told (-want +got):\n%s", name, tc.reason, diff)
		}
		if p.Current != tc.current || !cmp.Equal(p.Remove, tc.removed) {
			t.Errorf("%s: %s: %+v", name, tc.reason, p)
		}
	}
}

// TestWakesNowAndThen: a workflow that cannot go over just now is told again, and not at each visit.
func TestWakesNowAndThen(t *testing.T) {
	t.Parallel()
	draining := Version{Build: "a", Status: Draining, Since: since(time.Hour), Open: 1, Polled: true}
	temporal := &told{state: &State{Versions: []Version{{Build: "b", Status: Current, Polled: true}, draining}}}
	now := at
	s := &Settler{Temporal: temporal, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	for range 10 {
		if _, err := s.Settle(t.Context(), "b", []Deployment{{"a", true}, {"b", true}}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(wakeEvery / 4)
	}
	if n := len(temporal.done); n != 3 {
		t.Errorf("woken %d times in %v: %v", n, 10*wakeEvery/4, temporal.done)
	}
}
