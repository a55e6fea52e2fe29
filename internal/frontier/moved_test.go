package frontier

import (
	"slices"
	"testing"
	"time"
)

// TestSeedThatMoved: the links of a seed that is redirected to another name of its owner are
// followed there, also by whoever opens the next manifest.
func TestSeedThatMoved(t *testing.T) {
	t.Parallel()
	const seed, link = "https://example.org/", "https://www.example.org/a"
	cases := map[string]struct {
		reason  string
		scope   string
		final   string
		link    string
		exclude []string
		want    bool
	}{
		"Host":      {reason: "the site's own name", scope: "Host", final: "https://www.example.org/", link: link, want: true},
		"HostThird": {reason: "no other name of the owner", scope: "Host", final: "https://www.example.org/", link: "https://x.example.org/a"},
		"Prefix":    {reason: "below the folder it moved to", scope: "Prefix", final: "https://www.example.org/en/", link: "https://www.example.org/en/a", want: true},
		"Beside":    {reason: "not beside it", scope: "Prefix", final: "https://www.example.org/en/", link: link},
		"Owner":     {reason: "another owner is not who the order names", scope: "Host", final: "https://other.example.net/", link: "https://other.example.net/a"},
		"Page":      {reason: "the seeds alone", scope: "Page", final: "https://www.example.org/", link: link},
		"Excluded":  {reason: "an exclusion wins", scope: "Host", final: "https://www.example.org/", link: link, exclude: []string{"/a$"}},
		"NotMoved":  {reason: "without a redirect it is another host", scope: "Host", final: seed, link: link},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := mustRules(t, Spec{Scope: tc.scope, Seeds: []string{seed, "https://example.org/late"}, Exclude: tc.exclude})
			s := New(rules)
			if err := s.Add(rules.spec.Seeds[:1]); err != nil {
				t.Fatal(err)
			}
			now := time.Unix(1000, 0)
			b := s.Choose(now, 1, "x")[0]
			apply(t, s, b.ID, now, Outcome{FP: b.Hosts[0].Pages[0].FP, Status: Archived, Final: tc.final, Ended: now, Links: []string{tc.link}})
			if got := s.Counts().Queued == 1; got != tc.want {
				t.Errorf("%s: followed is %v", tc.reason, got)
			}
			store := map[string][]byte{}
			m, objects, err := s.Seal("run", "n", "", "s/0", nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects {
				store[o.Key] = slices.Clone(o.Data)
			}
			again, err := Open(rules, m, func(key string) ([]byte, error) { return store[key], nil })
			if err != nil {
				t.Fatal(err)
			}
			if got := again.decide(tc.link, 1, 0).In; got != tc.want {
				t.Errorf("%s: followed is %v after the next manifest", tc.reason, got)
			}
		})
	}
}

// TestTroubleElsewhere: a page that leads to a host which is not reached says nothing about
// its own.
func TestTroubleElsewhere(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/out", "https://a.example/in"}})
	now := time.Unix(1000, 0)
	b := s.Choose(now, 1, "x")[0]
	apply(t, s, b.ID, now, Outcome{FP: b.Hosts[0].Pages[0].FP, Status: Failed, Reason: "DNSFailed", Retry: true, Final: "https://gone.example/", Ended: now})
	if h := s.hosts["a.example"]; h.failures != 0 || h.outage.visits != 0 {
		t.Errorf("the host has %d failures", h.failures)
	}
	if c := s.Counts(); c.Delayed != 1 {
		t.Errorf("books: %+v", c)
	}
}
