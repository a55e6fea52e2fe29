package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// shardAlone runs one shard of a world of several by itself; told is what its run is told.
func shardAlone(t *testing.T, w *shardWorld, shard int) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	env := w.env(t)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", shard), TaskQueue: TaskQueueRun})
	return env
}

// owner is the shard of a world's first page.
func (w *shardWorld) owner(t *testing.T) int {
	t.Helper()
	if _, err := w.seed(t.Context(), SeedInput{}); err != nil {
		t.Fatal(err)
	}
	for i, s := range w.states {
		if s.Counts().Queued > 0 {
			return i
		}
	}
	t.Fatal("no shard has the first page")
	return 0
}

// TestShardTakesAlongWhatDidNotArrive: a report that is on its way when a shard continues as
// new may never arrive. The next run says again what was sent.
func TestShardTakesAlongWhatDidNotArrive(t *testing.T) {
	t.Parallel()
	w := &shardWorld{t: t, shards: 4, hosts: 40, pages: 4}
	shard := w.owner(t)
	env := shardAlone(t, w, shard)
	env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).After(100 * time.Hour).Return(
		func(_, _, _, _ string, _ any) error { return nil })
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, 20*time.Second)
	env.ExecuteWorkflow(WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shard: shard, Shards: 4})
	var again *workflow.ContinueAsNewError
	if err := env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want to continue as new", err)
	}
	var next ShardInput
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &next); err != nil {
		t.Fatal(err)
	}
	sent := w.states[shard].Sent()
	var last int64
	for _, seq := range sent {
		last = max(last, seq)
	}
	if last == 0 || int64(len(next.Exchanges)) != last {
		t.Errorf("%d exchanges were sent, %d are taken along", last, len(next.Exchanges))
	}
}

// TestShardSaysAgainWhatDidNotArrive, though it has nothing else to do.
func TestShardSaysAgainWhatDidNotArrive(t *testing.T) {
	t.Parallel()
	w := &shardWorld{t: t, shards: 4, hosts: 40, pages: 4}
	shard := w.owner(t)
	env := shardAlone(t, w, shard)
	var mu sync.Mutex
	failed, heard := 0, map[int64]bool{}
	env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
		func(_, _, _, _ string, arg any) error {
			mu.Lock()
			defer mu.Unlock()
			if r := arg.(ShardReport); len(r.Exchanges) > 0 && failed < 2 {
				failed++
				return errors.New("made for a test")
			}
			for _, e := range arg.(ShardReport).Exchanges {
				heard[e.Seq] = true
			}
			return nil
		})
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive, Close: true}) }, 30*time.Minute)
	env.ExecuteWorkflow(WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shard: shard, Shards: 4})
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	for _, seq := range w.states[shard].Sent() {
		if seq > 0 && !heard[seq] {
			t.Errorf("exchange %d was never heard of", seq)
		}
	}
	if failed == 0 || len(heard) == 0 {
		t.Errorf("%d reports failed, %d exchanges were heard of: the test shows nothing", failed, len(heard))
	}
}

// TestShardWithoutARun finds out that its run is gone, though it has nothing to do.
func TestShardWithoutARun(t *testing.T) {
	t.Parallel()
	w := &shardWorld{t: t, shards: 4, hosts: 40, pages: 4}
	shard := (w.owner(t) + 1) % 4 // one that is idle from the beginning
	env := shardAlone(t, w, shard)
	env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
		func(_, _, _, _ string, _ any) error { return nil })
	env.ExecuteWorkflow(WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shard: shard, Shards: 4})
	var again *workflow.ContinueAsNewError
	if err := env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want it to continue as new in time, and to report then", err)
	}
}

// TestMostAllowance: a shard tells the larger allowance as long as a plan that was given it may
// have handed out as much.
func TestMostAllowance(t *testing.T) {
	small, large := int64(10), int64(100)
	s := &shard{in: ShardInput{Shards: 2, Allowance: &large, Grant: 1}}
	s.planWith()
	s.take(ShardControl{Allowance: &small, Grant: 2})
	var r ShardReport
	if s.fill(&r); *r.Allowance != large || r.Grant != 2 {
		t.Errorf("with a plan under way it keeps to %d, of grant %d", *r.Allowance, r.Grant)
	}
	s.planWith() // the answer was lost; this one may get that of the one before
	if s.fill(&r); *r.Allowance != large {
		t.Errorf("after a lost answer it keeps to %d", *r.Allowance)
	}
	s.exchanged(PlanOutput{Used: 60})
	if s.fill(&r); *r.Allowance != small || r.Used != 60 {
		t.Errorf("after the answer it keeps to %d, with %d used", *r.Allowance, r.Used)
	}
}

// TestHold has a shard hand out nothing while the others do not keep up with it.
func TestHold(t *testing.T) {
	r := threeShards()
	for seq := range int64(holdAbove + 1) {
		r.exchanges = append(r.exchanges, Exchange{From: 1, Seq: seq + 1, Parts: []ExchangePart{{To: 0, Length: 1}}})
	}
	held := func() []bool {
		r.prune()
		r.hold()
		return []bool{r.shards[0].held, r.shards[1].held, r.shards[2].held}
	}
	if got := held(); got[0] || !got[1] || got[2] || r.shards[1].told != -1 {
		t.Errorf("held are %v, want the second, and that it is told", got)
	}
	r.shards[0].last.TakenIn[1] = holdAbove - holdBelow
	if got := held(); !got[1] {
		t.Error("it is let go too soon")
	}
	r.shards[0].last.TakenIn[1]++
	if got := held(); got[1] {
		t.Error("it is not let go")
	}
}

// TestHoldByParts holds a shard whose exchanges have many parts, so that what a run of the most shards
// takes along stays below what Temporal refuses.
func TestHoldByParts(t *testing.T) {
	const shards = 64
	r := &run{sharding: sharding{gaps: true}}
	for range shards {
		r.shards = append(r.shards, &member{last: ShardReport{TakenIn: make([]int64, shards)}})
	}
	for from := range shards {
		// After it is held, bundles that are out bring a few more.
		for seq, more := int64(1), 6; more > 0; seq++ {
			e := Exchange{From: from, Seq: seq, Key: fmt.Sprintf("0f8fad5b-d9cb-469f-a165-70867728950e/x/%d/%d-abcdefghij", from, seq)}
			for to := range shards - 1 {
				e.Parts = append(e.Parts, ExchangePart{To: to, Offset: int64(to) * 350, Length: 350})
			}
			if r.exchanges = append(r.exchanges, e); seq > holdAbove {
				t.Fatal("it is never held")
			}
			if r.hold(); r.shards[from].held {
				more--
			}
		}
	}
	data, err := json.Marshal(r.exchanges)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 1_900_000 {
		t.Errorf("%d exchanges are %d bytes", len(r.exchanges), len(data))
	}
	for from := range shards {
		r.shards[from].last.TakenIn = slices.Repeat([]int64{20}, shards)
	}
	r.prune()
	if r.hold(); r.shards[1].held || len(r.exchanges) > 0 {
		t.Errorf("%d exchanges are kept, and a shard is held", len(r.exchanges))
	}
}

// TestExchangePart reads parts as they are written, and as they once were.
func TestExchangePart(t *testing.T) {
	want := []ExchangePart{{To: 3, Offset: 5, Length: 7}, {To: 4, Length: 1}}
	data, err := json.Marshal(want)
	if err != nil || string(data) != "[[3,5,7],[4,0,1]]" {
		t.Errorf("wrote %s, %v", data, err)
	}
	for _, text := range []string{string(data), `[{"to":3,"offset":5,"length":7},{"to":4,"length":1}]`} {
		var got []ExchangePart
		if err := json.Unmarshal([]byte(text), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
	}
	var part ExchangePart
	if err := json.Unmarshal([]byte(`"3"`), &part); err == nil {
		t.Error("a text is taken for a part")
	}
}

// TestSilentShardsAreAsked, so that one that was ended from outside is found out.
func TestSilentShardsAreAsked(t *testing.T) {
	r := threeShards()
	now := time.Unix(1000, 0)
	r.ask(now)
	r.shards[1].asked = now.Add(time.Minute) // it reported
	r.ask(now.Add(askEvery))
	if r.shards[0].told != -1 || r.shards[1].told == -1 || r.shards[2].told != -1 {
		t.Errorf("told are %d, %d and %d; want the silent ones to be asked", r.shards[0].told, r.shards[1].told, r.shards[2].told)
	}
}

// TestHeard: of two reports under way, what neither said is not forgotten.
func TestHeard(t *testing.T) {
	s := &shard{in: ShardInput{Shards: 2}}
	send := func(seq int64) { s.in.Exchanges = append(s.in.Exchanges, Exchange{Seq: seq}) }
	var first, second ShardReport
	send(1)
	send(2)
	s.fill(&first)
	send(3)
	s.fill(&second)
	s.heard(first.Exchanges)
	send(4)
	s.heard(second.Exchanges)
	if len(s.in.Exchanges) != 1 || s.in.Exchanges[0].Seq != 4 {
		t.Errorf("to be told are %v, want the fourth", s.in.Exchanges)
	}
}
