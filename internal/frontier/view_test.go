package frontier

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOpenView: what people see of a shard is what its state is at the manifest, without the order's rules.
func TestOpenView(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0).UTC()
	s := newState(t, Spec{Scope: "Host", PagesPerHost: 9, Seeds: []string{"https://a.example/1", "https://a.example/2", "https://b.example/1", "https://c.example/1"}})
	b := s.Choose(now, 3, "x")
	if len(b) != 3 || b[0].Hosts[0].Key != "a.example" || b[1].Hosts[0].Key != "b.example" {
		t.Fatalf("handed out: %+v", b)
	}
	page := b[1].Hosts[0].Pages[0]
	apply(t, s, b[1].ID, now, Outcome{FP: page.FP, Status: Failed, Reason: ReasonHostBusy, Retry: true, Ended: now, RetryAfter: time.Hour, Detail: "it answers 429", Delay: 5 * time.Second})
	apply(t, s, b[2].ID, now) // its worker came to nothing
	s.Rest([]HostRest{{Key: "c.example", Until: now.Add(time.Minute), Reason: ReasonHostShared, Detail: "another job is there"}}, now)
	m, objects, err := s.Seal("run", "n", "", "q/0", nil)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string][]byte{}
	for _, o := range objects {
		stored[o.Key] = o.Data
	}
	hosts, counts, err := OpenView(m, func(key string) ([]byte, error) { return stored[key], nil })
	if err != nil {
		t.Fatal(err)
	}
	a := HostView{Key: "a.example", Queued: 2 - int64(len(b[0].Hosts[0].Pages)), Leased: int64(len(b[0].Hosts[0].Pages))}
	want := []HostView{a,
		{Key: "b.example", Delayed: 1, Ready: hosts[1].Ready, Delay: 5 * time.Second, Failures: 1, Detail: "it answers 429"},
		{Key: "c.example", Queued: 1, Ready: now.Add(time.Minute), Reason: ReasonHostShared, Detail: "another job is there"},
	}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if rest := hosts[1].Ready.Sub(now); rest < 50*time.Minute {
		t.Errorf("b.example rests for %v", rest)
	}
	if counts.Discovered != 4 || counts.Leased != a.Leased || counts.Delayed != 1 {
		t.Errorf("the counts are %+v", counts)
	}
	away := errors.New("the store is away")
	if _, _, err := OpenView(m, func(string) ([]byte, error) { return nil, away }); !errors.Is(err, away) {
		t.Errorf("a store that is away: %v", err)
	}
}
