package frontier

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/termination"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestShards crawls many hosts with four shards that share what they find, over a store:
// each page is loaded once, and the closing statement adds up.
func TestShards(t *testing.T) {
	var hosts []string
	for i := range 12 {
		hosts = append(hosts, fmt.Sprintf("h%d.example", i))
	}
	w := tree(4, hosts...)
	r := newRig(t, w)
	r.job.Spec.Scope = workflows.Scope{Type: "Custom", Include: []string{`^http://h\d+\.example/`}}
	r.job.Spec.Shards = 4
	seed := "http://h0.example/0"
	r.seed(seed)

	shards := make([]workflows.PlanOutput, 4)
	inbox := make([][]workflows.Delivery, 4)
	done := make([][]workflows.BundleDone, 4)
	for step := 0; ; step++ {
		if step > 500 {
			t.Fatal("the crawl does not end")
		}
		for i := range shards {
			out, err := activityOf(r, r.planner.Plan, workflows.PlanInput{
				Job: r.job, Shard: i, Shards: 4, Seq: shards[i].Seq, Slots: 4, Done: done[i], Inbox: inbox[i],
			})
			if err != nil {
				t.Fatal(err)
			}
			shards[i], inbox[i], done[i] = out, nil, nil
			if e := out.Exchange; e != nil {
				for _, p := range e.Parts {
					inbox[p.To] = append(inbox[p.To], workflows.Delivery{From: i, Seq: e.Seq, Key: e.Key, Offset: p.Offset, Length: p.Length})
				}
			}
			for _, ref := range out.Bundles {
				in := r.input(ref)
				in.Shard = i
				got, err := r.crawler.crawl(t.Context(), r.leases.lease(ref.ID), in)
				if err != nil {
					t.Fatal(err)
				}
				done[i] = append(done[i], workflows.BundleDone{ID: ref.ID, Results: got.Results})
			}
		}
		standing := make([]termination.Standing, 4)
		for i, out := range shards {
			standing[i] = termination.Standing{Idle: out.Idle, Sent: out.Sent, Applied: out.TakenIn}
		}
		if termination.Reached(standing) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if diff := cmp.Diff(w.reachable(seed), slices.Sorted(maps.Keys(w.loads))); diff != "" || w.repeated() > 0 {
		t.Errorf("pages, %d of them loaded again (-walk +loaded):\n%s", w.repeated(), diff)
	}
	seqs := make([]int64, 4)
	used := 0
	for i, out := range shards {
		seqs[i] = out.Seq
		if out.Counts.Archived > 0 {
			used++
		}
	}
	if used < 3 {
		t.Errorf("%d shards had something to do", used)
	}
	seal := workflows.SealInput{Job: r.job, Archive: r.archive, Seqs: seqs, Verdict: workflows.VerdictSucceeded, Reason: workflows.ReasonCompleted}
	out, err := activityOf(r, r.planner.Seal, seal)
	if err != nil || !out.Balanced || out.Counts.Archived != int64(len(w.loads)) || out.Counts.Discovered != out.Counts.Archived {
		t.Errorf("sealed: %+v, %v", out, err)
	}
}

// TestShardsNotAllTakenIn seals a run in which a shard did not hear of what another found:
// the books of each balance, those of the run do not.
func TestShardsNotAllTakenIn(t *testing.T) {
	w := tree(1, "h0.example", "h1.example", "h2.example", "h3.example", "h4.example", "h5.example")
	r := newRig(t, w)
	r.job.Spec.Scope = workflows.Scope{Type: "Custom", Include: []string{`^http://h\d\.example/`}}
	r.job.Spec.Shards = 2
	r.seed("http://h0.example/0")
	seqs := make([]int64, 2)
	var done []workflows.BundleDone
	for range 2 {
		for i := range seqs {
			in := workflows.PlanInput{Job: r.job, Shard: i, Shards: 2, Seq: seqs[i], Slots: 4}
			if i == frontier.ShardOf("h0.example", 2) {
				in.Done = done
				if len(done) > 0 {
					in.Finish = workflows.ReasonCancelled
				}
			}
			out, err := activityOf(r, r.planner.Plan, in)
			if err != nil {
				t.Fatal(err)
			}
			seqs[i] = out.Seq
			for _, ref := range out.Bundles {
				input := r.input(ref)
				input.Shard = i
				got, err := r.crawler.crawl(t.Context(), r.leases.lease(ref.ID), input)
				if err != nil {
					t.Fatal(err)
				}
				done = append(done, workflows.BundleDone{ID: ref.ID, Results: got.Results})
			}
		}
	}
	seal := workflows.SealInput{Job: r.job, Archive: r.archive, Seqs: seqs, Verdict: workflows.VerdictSucceeded, Reason: workflows.ReasonCompleted}
	if out := r.sealUnbalanced(seal, workflows.VerdictFailed, workflows.ReasonBooksUnbalanced); !strings.Contains(out.Message, "has not taken in") {
		t.Errorf("sealed: %+v; want to hear that a shard has not taken in everything", out)
	}
}

// TestStatementOfALostShard: the statement of a run that lost a shard gives the verdict that
// the run gives, and lists what does not balance.
func TestStatementOfALostShard(t *testing.T) {
	t.Parallel()
	for reason, verdict := range map[workflows.Reason]workflows.Verdict{
		workflows.ReasonRunLost: workflows.VerdictFailed, workflows.ReasonCancelled: workflows.VerdictCancelled,
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tree(2, "a.example"))
			r.seed("http://a.example/0")
			r.plan(1) // and nothing is heard of the bundle
			r.sealUnbalanced(workflows.SealInput{Job: r.job, Archive: r.archive, Seqs: []int64{r.seq}, Verdict: verdict, Reason: reason, Lost: true}, verdict, reason)
		})
	}
}

// sealUnbalanced seals a run whose books do not balance, and looks what its statement says.
func (r *rig) sealUnbalanced(in workflows.SealInput, verdict workflows.Verdict, reason workflows.Reason) workflows.SealOutput {
	r.t.Helper()
	out, err := activityOf(r, r.planner.Seal, in)
	if err != nil || out.Balanced || out.Message == "" {
		r.t.Fatalf("sealed: %+v, %v; want to hear what does not balance", out, err)
	}
	st := r.statement(out.Statement)
	if st.Verdict != verdict || st.Reason != reason || len(st.Problems) == 0 || !strings.Contains(out.Message, st.Problems[0]) {
		r.t.Errorf("the statement says %s %s, problems %q, the answer %q; want %s %s", st.Verdict, st.Reason, st.Problems, out.Message, verdict, reason)
	}
	return out
}

func TestShardsFor(t *testing.T) {
	seeds := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("http://h%d.example/", i))
		}
		return list
	}
	tests := map[string]struct {
		reason string
		shards int
		scope  workflows.Scope
		pages  int64
		hosts  int
		want   int
	}{
		"Small":     {"The ordinary job has one.", 0, workflows.Scope{Type: "Domain"}, 0, 1, 1},
		"Asked":     {"What the order says counts.", 7, workflows.Scope{Type: "Host"}, 0, 1, 7},
		"TooMany":   {"There is a most.", 4000, workflows.Scope{Type: "Host"}, 0, 1, frontier.MaxShards},
		"Limit":     {"At most 100,000 pages a shard.", 0, workflows.Scope{Type: "Custom"}, 100_001, 1, 4},
		"Large":     {"Powers of four.", 0, workflows.Scope{Type: "Custom"}, 10_000_000, 1, 64},
		"Edge":      {"100,000 pages are one shard's.", 0, workflows.Scope{Type: "Custom"}, 100_000, 1, 1},
		"OneHost":   {"No shard would have anything to do beside that of the only host.", 0, workflows.Scope{Type: "Host"}, 10_000_000, 1, 1},
		"Leaves":    {"A hop out of the scope can lead anywhere.", 0, workflows.Scope{Type: "Host", ExtraHops: 1}, 1_000_000, 1, 16},
		"ManySeeds": {"Hosts count when pages do not.", 0, workflows.Scope{Type: "Host"}, 0, 100, 4},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := workflows.Spec{Shards: tc.shards, Scope: tc.scope, Limits: workflows.Limits{Pages: tc.pages}}
			if got := ShardsFor(spec, seeds(tc.hosts)); got != tc.want {
				t.Errorf("%s: got %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}
