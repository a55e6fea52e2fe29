package workflows

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestDemand: what a shard says that browsers could do for it is never more than it could hand out.
func TestDemand(t *testing.T) {
	t.Parallel()
	active := ShardInput{State: StateActive}
	out := func(hosts ...int) map[string]*openBundle {
		m := map[string]*openBundle{}
		for i, n := range hosts {
			m[string(rune('a'+i))] = &openBundle{ref: BundleRef{Hosts: n}}
		}
		return m
	}
	for name, tc := range map[string]struct {
		reason string
		shard  shard
		want   Demand
	}{
		"Nothing":   {"a shard at rest asks for nobody", shard{in: active}, Demand{}},
		"Out":       {"hosts in bundles ask for a tab each", shard{in: active, open: out(1, 3)}, Demand{Bundles: 2, Hosts: 4}},
		"Ready":     {"and so do those that come next", shard{in: active, open: out(1), ready: 7}, Demand{Bundles: 1, Hosts: 1, Ready: 7}},
		"Back":      {"hosts that have just come back are handed out again, most of them", shard{in: active, back: map[string]int{"a": 1, "b": 2}}, Demand{Ready: 3}},
		"Many":      {"a shard has no more out than its bundles hold", shard{in: active, open: out(20, 20), ready: MaxReady}, Demand{Bundles: 2, Hosts: 40, Ready: MaxReady - 40}},
		"Suspended": {"what is out ends, and nothing follows", shard{in: ShardInput{State: StateSuspended}, open: out(2), ready: 7, back: map[string]int{"x": 1}}, Demand{Bundles: 1, Hosts: 2}},
		"Finishing": {"the rest is dropped", shard{in: ShardInput{State: StateActive, Finish: ReasonCancelled}, ready: 7}, Demand{}},
		"Held":      {"the others have to catch up first", shard{in: ShardInput{State: StateActive, Hold: true}, ready: 7}, Demand{}},
		"Trouble":   {"one bundle finds out whether it is over", shard{in: active, open: out(1), ready: 7, trouble: troubles{visiting: true}}, Demand{Bundles: 1, Hosts: 1}},
		"LoggedOut": {"a person has to log in first", shard{in: active, ready: 7, expired: &Waiting{}}, Demand{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.shard.demand(); got != tc.want {
				t.Errorf("%s: %+v, want %+v", tc.reason, got, tc.want)
			}
		})
	}
}

// TestDemandOfARun is that of its shards, but for those that are done.
func TestDemandOfARun(t *testing.T) {
	t.Parallel()
	r := run{shards: []*member{
		{last: ShardReport{Demand: Demand{Bundles: 1, Hosts: 2, Ready: 3}}},
		{last: ShardReport{Demand: Demand{Bundles: 10, Hosts: 20, Ready: 30}}},
		{last: ShardReport{Done: true, Demand: Demand{Bundles: 100}}},
	}}
	if got, want := r.demand(), (Demand{Bundles: 11, Hosts: 22, Ready: 33}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestDemandIsOptional: who asks for nothing says what it always said, and what was said before
// demand was told is read.
func TestDemandIsOptional(t *testing.T) {
	t.Parallel()
	for _, payload := range []any{ShardReport{}, Report{}, PlanOutput{}} {
		b, err := json.Marshal(payload)
		if err != nil || strings.Contains(string(b), "demand") || strings.Contains(string(b), "ready") {
			t.Errorf("%s, %v", b, err)
		}
	}
	var r Report
	if err := json.Unmarshal([]byte(`{"run":"x","demand":{"bundles":1,"tabs":9}}`), &r); err != nil || r.Demand != (Demand{Bundles: 1}) {
		t.Errorf("of a later version: %+v, %v", r.Demand, err)
	}
}
