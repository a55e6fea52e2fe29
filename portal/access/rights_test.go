package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// reviewer allows what is in its table: "name verb resource/subresource namespace".
type reviewer struct {
	mu      sync.Mutex
	allows  map[string]bool
	asked   []string
	trouble error
}

func (r *reviewer) May(_ context.Context, p Person, right Right, namespace string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := fmt.Sprintf("%s %s %q", p.Name, right, namespace)
	r.asked = append(r.asked, q)
	return r.allows[q], r.trouble
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var ann = Person{Name: "ann"}

func TestRightsAreAskedForEveryTenSeconds(t *testing.T) {
	t.Parallel()
	at := newClock()
	kube := &reviewer{allows: map[string]bool{`ann get snapshots.crawlfleet.dev "zeden"`: true}}
	rights := &Rights{Reviewer: kube, Now: at.now}
	for range 3 {
		for namespace, want := range map[string]bool{"zeden": true, "fraude": false} {
			if got, err := rights.May(t.Context(), ann, Look, namespace); err != nil || got != want {
				t.Errorf("%s: %v %v, want %v", namespace, got, err, want)
			}
		}
	}
	if len(kube.asked) != 2 {
		t.Errorf("asked %v, want each once", kube.asked)
	}
	kube.allows = nil
	at.pass(rightsFor)
	if got, err := rights.May(t.Context(), ann, Look, "zeden"); err != nil || got {
		t.Errorf("a right that was taken away: %v %v", got, err)
	}
	other := ann
	other.Groups = []string{"g"}
	if _, err := rights.May(t.Context(), other, Look, "zeden"); err != nil || len(kube.asked) != 4 {
		t.Errorf("somebody of other groups is somebody else: %v %v", kube.asked, err)
	}
}

func TestTroubleIsNeverAllowed(t *testing.T) {
	t.Parallel()
	trouble := errors.New("connection refused")
	for name, rights := range map[string]*Rights{
		"fails":                 {Reviewer: &reviewer{trouble: trouble}},
		"says yes and fails":    {Reviewer: &reviewer{allows: map[string]bool{`ann get snapshots.crawlfleet.dev "n"`: true}, trouble: trouble}},
		"nobody to ask":         {},
		"nothing was wired (*)": nil,
	} {
		may, err := rights.May(t.Context(), ann, Look, "n")
		var p *Problem
		if may || !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.Reason != ReasonRightsUnknown {
			t.Errorf("%s: %v %v, want a 503", name, may, err)
		}
		if list, err := rights.Namespaces(t.Context(), ann, Find, []string{"n"}); err == nil || list != nil {
			t.Errorf("%s: namespaces %v %v", name, list, err)
		}
	}
	kube := &reviewer{trouble: trouble}
	rights := &Rights{Reviewer: kube}
	_, _ = rights.May(t.Context(), ann, Look, "n")
	kube.trouble, kube.allows = nil, map[string]bool{`ann get snapshots.crawlfleet.dev "n"`: true}
	if may, err := rights.May(t.Context(), ann, Look, "n"); err != nil || !may {
		t.Errorf("after the trouble: %v %v: trouble is no answer to remember", may, err)
	}
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	all := []string{"c", "a", "", "b"}
	for _, tc := range []struct {
		reason string
		person Person
		allows map[string]bool
		want   []string
	}{
		{"nowhere", ann, nil, []string{}},
		{"somewhere", ann, map[string]bool{`ann list snapshots.crawlfleet.dev "b"`: true, `ann list snapshots.crawlfleet.dev "c"`: true}, []string{"c", "b"}},
		{"everywhere", ann, map[string]bool{`ann list snapshots.crawlfleet.dev ""`: true}, all},
		{"nobody", Person{}, map[string]bool{` list snapshots.crawlfleet.dev ""`: true}, []string{}},
		{"the local person", localPerson, nil, all},
	} {
		rights := &Rights{Reviewer: &reviewer{allows: tc.allows}}
		got, err := rights.Namespaces(t.Context(), tc.person, Find, all)
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", tc.reason, err, diff)
		}
	}
}

func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	r, now := newRecent[int, int](3), time.Now()
	for i := range 3 {
		r.put(i, i, now.Add(time.Minute))
	}
	r.get(0, now)
	r.put(3, 3, now.Add(time.Second))
	known := []int{}
	for i := range 4 {
		if _, ok := r.get(i, now); ok {
			known = append(known, i)
		}
	}
	if diff := cmp.Diff([]int{0, 2, 3}, known); diff != "" {
		t.Error(diff)
	}
	if _, ok := r.get(3, now.Add(time.Second)); ok || len(r.entries) != 2 || r.order.Len() != 2 {
		t.Errorf("what is over is known: %d entries", len(r.entries))
	}
}

// slow is a Reviewer that answers when it is let, and counts.
type slow struct {
	let        chan struct{}
	mu         sync.Mutex
	asked      int
	now, atMax int
}

func (s *slow) May(ctx context.Context, _ Person, _ Right, namespace string) (bool, error) {
	s.mu.Lock()
	s.asked++
	s.now++
	s.atMax = max(s.atMax, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	select {
	case <-s.let:
		return namespace != "", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// TestNoIsKeptLonger: what somebody may not is asked for again after a minute, what they may after ten seconds.
func TestNoIsKeptLonger(t *testing.T) {
	t.Parallel()
	at := newClock()
	kube := &reviewer{allows: map[string]bool{`ann list snapshots.crawlfleet.dev "b"`: true}}
	rights := &Rights{Reviewer: kube, Now: at.now}
	all := []string{"a", "b", "c"}
	for _, step := range []struct{ after, questions int }{{0, 4}, {9, 0}, {1, 1}, {10, 1}, {39, 1}, {1, 3}, {9, 1}} {
		kube.asked = nil
		at.pass(time.Duration(step.after) * time.Second)
		if got, err := rights.Namespaces(t.Context(), ann, Find, all); err != nil || len(got) != 1 || len(kube.asked) != step.questions {
			t.Errorf("%+v: %v, %v; asked %q", step, got, err, kube.asked)
		}
	}
}

// TestOneQuestionForMany: who asks the same at the same time waits for one answer, of whoever goes away meanwhile.
func TestOneQuestionForMany(t *testing.T) {
	t.Parallel()
	kube := &slow{let: make(chan struct{})}
	rights := &Rights{Reviewer: kube}
	gone, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := rights.May(gone, ann, Look, "n")
		first <- err
	}()
	for asked := 0; asked == 0; {
		kube.mu.Lock()
		asked = kube.asked
		kube.mu.Unlock()
		runtime.Gosched()
	}
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone: %v", err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if may, err := rights.May(t.Context(), ann, Look, "n"); err != nil || !may {
				t.Errorf("%v, %v", may, err)
			}
		})
	}
	close(kube.let)
	wg.Wait()
	if kube.asked > 1 {
		t.Errorf("asked %d times", kube.asked)
	}
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprint("n", i))
	}
	if some, err := rights.Namespaces(t.Context(), ann, Find, many); err != nil || len(some) != len(many) || kube.atMax > rightsAtOnce {
		t.Errorf("%d namespaces, %v; %d questions at once", len(some), err, kube.atMax)
	}
}
