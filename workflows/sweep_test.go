package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
)

// TestSweepOfALongCrawl: a run that continues one of days has its frontier swept, each shard
// at the manifest that it told, and with the exchanges that are under way; a short one never.
func TestSweepOfALongCrawl(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		age  time.Duration
		want []SweepInput
	}{
		"Long":  {SweepAge + time.Hour, []SweepInput{{Shard: 0, Seq: 7, Unread: []string{"x0"}}, {Shard: 1, Seq: 9}}},
		"Short": {SweepAge - time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{total: 5}
			env := newEnv(t, &w)
			var swept []SweepInput
			env.RegisterActivityWithOptions(func(_ context.Context, in SweepInput) (SweepOutput, error) {
				in.Job = Job{}
				swept = append(swept, in)
				return SweepOutput{}, NewTrouble(ReasonStoreUnreachable, "made for a test", nil)
			}, activity.RegisterOptions{Name: ActivitySweep})
			for shard := range 2 {
				env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", shard), "", SignalShardControl, anything).Return(
					func(_, _, _, _ string, _ any) error { return nil })
			}
			env.RegisterDelayedCallback(func() {
				for shard := range 2 {
					env.SignalWorkflow(SignalShardReport, ShardReport{Shard: shard, Number: 99, Done: true, Counts: Counts{Discovered: 1, Archived: 1}})
				}
			}, 10*time.Minute)
			in := order()
			in.Resume = &RunResume{
				Phase: PhaseCrawling, StartedAt: env.Now().Add(-tc.age), Shard: ShardReport{Seq: 7}, Shards: []ShardReport{{Shard: 1, Seq: 9}},
				Exchanges: []Exchange{{From: 0, Seq: 3, Key: "x0", Parts: []ExchangePart{{1, 0, 5}}}},
			}
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			if got := finish(t, env); got.Reason != ReasonCompleted {
				t.Errorf("%+v: a sweep that does not succeed ends no crawl", got)
			}
			var once []SweepInput
			for _, in := range swept { // each is tried a few times
				if n := len(once); n == 0 || once[n-1].Shard != in.Shard {
					once = append(once, in)
				}
			}
			if diff := cmp.Diff(tc.want, once); diff != "" {
				t.Errorf("swept (-want +got):\n%s", diff)
			}
		})
	}
}
