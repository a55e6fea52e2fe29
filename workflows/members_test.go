package workflows

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func threeShards() *run {
	r := &run{shards: []*member{{}, {}, {}}}
	for i, m := range r.shards {
		m.last = ShardReport{Shard: i, Seq: int64(10 + i), Sent: make([]int64, 3), TakenIn: make([]int64, 3)}
	}
	return r
}

// TestDeliveries tells an idle shard at once, a busy one at the next epoch, and both again
// what they have not taken in after a while.
func TestDeliveries(t *testing.T) {
	r := threeShards()
	now := time.Unix(1000, 0)
	r.epochAt = now.Add(epoch)
	r.shards[1].last.Idle = true
	r.collect([]Exchange{
		{From: 0, Seq: 2, Key: "b", Parts: []ExchangePart{{1, 0, 7}, {2, 7, 5}}},
		{From: 0, Seq: 1, Key: "a", Parts: []ExchangePart{{1, 0, 3}, {2, 3, 4}}},
		{From: 0, Seq: 1, Key: "a", Parts: []ExchangePart{{1, 0, 3}, {2, 3, 4}}},
		{From: 9, Seq: 1, Key: "x", Parts: []ExchangePart{{1, 0, 3}, {2, 3, 4}}},
		{From: 0, Seq: 3, Key: "y", Parts: []ExchangePart{{3, 0, 1}}},
	})
	all := []Delivery{{From: 0, Seq: 1, Key: "a", Length: 3}, {From: 0, Seq: 2, Key: "b", Length: 7}}
	if diff := cmp.Diff(all, r.deliveries(1, now)); diff != "" {
		t.Errorf("an idle shard is told (-want +got):\n%s", diff)
	}
	if got := r.deliveries(1, now); len(got) > 0 {
		t.Errorf("it is told twice: %v", got)
	}
	if got := r.deliveries(2, now); len(got) > 0 {
		t.Errorf("a busy one is told at once: %v", got)
	}
	r.tick = true
	if got := r.deliveries(2, now); len(got) != 2 || got[0].Offset != 3 || got[1].Offset != 7 {
		t.Errorf("at the epoch a busy one is told %v", got)
	}
	r.shards[1].last.TakenIn[0] = 1
	if diff := cmp.Diff(all[1:], r.deliveries(1, now.Add(tryAgain))); diff != "" {
		t.Errorf("what was not taken in is told again (-want +got):\n%s", diff)
	}
	r.shards[1].last.TakenIn[0], r.shards[2].last.TakenIn[0] = 2, 1
	r.prune()
	if len(r.exchanges) != 1 || r.exchanges[0].Seq != 2 {
		t.Errorf("kept are %v, want the one that shard 2 has not taken in", r.exchanges)
	}
}

// TestResumed has a run that continues as new know what the one before it knew.
func TestResumed(t *testing.T) {
	r := threeShards()
	r.shards[0].granted, r.shards[0].grant = 100, 4
	r.shards[2].granted, r.shards[2].grant = 7, 1
	r.exchanges = []Exchange{{From: 1, Seq: 3, Key: "k", Parts: []ExchangePart{{0, 0, 1}}}}
	r.limit = ReasonByteLimit
	in := &RunResume{}
	r.suspend(in)
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out RunResume
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	members := resumed(&out)
	for i, m := range members {
		want := r.shards[i]
		if diff := cmp.Diff(want.last, m.last); diff != "" || m.granted != want.granted || m.grant != want.grant || m.told == 0 {
			t.Errorf("shard %d: %+v, want %+v; report (-want +got):\n%s", i, m, want, diff)
		}
	}
	if len(members) != 3 || len(out.Exchanges) != 1 || out.Limit != ReasonByteLimit {
		t.Errorf("%d members, %+v", len(members), out)
	}
}

// TestHindered tells of trouble that keeps the whole run from going on, and of no other.
func TestHindered(t *testing.T) {
	wait := &Waiting{Reason: ReasonHostUnreachable}
	tests := map[string]struct {
		reason  string
		reports []ShardReport
		want    bool
	}{
		"None":    {"Nothing is wrong.", []ShardReport{{}, {}}, false},
		"One":     {"The other goes on.", []ShardReport{{Trouble: wait}, {}}, false},
		"All":     {"None goes on.", []ShardReport{{Trouble: wait}, {Trouble: wait}}, true},
		"Idle":    {"The other has nothing to do.", []ShardReport{{Idle: true}, {Trouble: wait}}, true},
		"Stalled": {"What takes help from outside is told at once.", []ShardReport{{}, {Trouble: wait, Stalled: true}}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := &run{}
			for _, report := range tc.reports {
				r.shards = append(r.shards, &member{last: report})
			}
			if got := r.hindered().Trouble != nil; got != tc.want {
				t.Errorf("%s: got %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
}
