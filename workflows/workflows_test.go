package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// world plays the store and the sites: a frontier of pages that are all visited in
// bundles of three.
type world struct {
	owed     int // time stamps
	total    int64
	queued   int64
	leased   map[string]int64
	archived int64
	seq      int64
	finish   Reason

	storeDown  int    // how many checks of the store fail first
	sealDown   int    // how many closing statements fail first
	unbalanced string // why the books do not balance, empty when they do
	sealed     SealInput
	lose       int  // how many bundles fail
	stuck      bool // bundles bring nothing back
	stopped    int  // how many bundles are given back by a worker that ends
	dead       bool // bundles end with their worker, whose last heartbeat tells
	planned    func()
	bundles    int
	reports    []Report
	preflights int
}

func (w *world) counts() Counts {
	leased := int64(0)
	for _, n := range w.leased {
		leased += n
	}
	c := Counts{Discovered: w.total, Queued: w.queued, Leased: leased, Archived: w.archived}
	if rest := w.total - w.queued - leased - w.archived; rest > 0 {
		c.Skipped = map[Reason]int64{w.finish: rest}
	}
	return c
}

func (w *world) preflight(context.Context, PreflightInput) (PreflightOutput, error) {
	w.preflights++
	if w.storeDown > 0 {
		w.storeDown--
		return PreflightOutput{}, NewTrouble(ReasonStoreUnreachable, "the store does not answer", nil)
	}
	return PreflightOutput{Archive: Archive{Bucket: "archive", Prefix: "ns/name/uid/"}}, nil
}

func (w *world) seed(context.Context, SeedInput) (SeedOutput, error) {
	w.queued = w.total
	return SeedOutput{Seq: 0, Counts: w.counts()}, nil
}

func (w *world) plan(_ context.Context, in PlanInput) (PlanOutput, error) {
	if in.Seq != w.seq {
		return PlanOutput{}, fmt.Errorf("plan continues from %d, the frontier is at %d", in.Seq, w.seq)
	}
	w.seq++
	if w.planned != nil {
		w.planned()
	}
	for _, d := range in.Done {
		n := w.leased[d.ID]
		delete(w.leased, d.ID)
		if d.Lost || len(d.Results) == 0 {
			w.queued += n
			continue
		}
		w.archived += n
	}
	if in.Finish != "" {
		w.finish, w.queued = in.Finish, 0
	}
	out := PlanOutput{Seq: w.seq}
	for _, d := range in.Done {
		out.Applied = append(out.Applied, d.ID)
	}
	for range in.Slots {
		n := min(w.queued, 3)
		if n == 0 {
			break
		}
		id := fmt.Sprintf("b%d-%d", w.seq, len(out.Bundles))
		w.leased[id] = n
		w.queued -= n
		out.Bundles = append(out.Bundles, BundleRef{ID: id, Key: id, Pages: int(n)})
	}
	out.Counts = w.counts()
	out.Idle = w.queued == 0 && len(w.leased) == 0
	return out, nil
}

func (w *world) bundle(ctx context.Context, in BundleInput) (BundleOutput, error) {
	w.bundles++
	if w.dead {
		return BundleOutput{}, temporal.NewHeartbeatTimeoutError(BundleProgress{Results: []string{in.Bundle.ID + "/c0"}})
	}
	if w.stuck {
		return BundleOutput{Yielded: "made for a test"}, nil
	}
	if w.stopped > 0 {
		w.stopped--
		return BundleOutput{Yielded: "the worker stops", Stopped: true}, nil
	}
	if w.lose > 0 {
		w.lose--
		return BundleOutput{}, temporal.NewNonRetryableApplicationError("made for a test", "Test", nil)
	}
	if err := ctx.Err(); err != nil {
		return BundleOutput{Yielded: "cancelled"}, nil
	}
	return BundleOutput{Results: []string{in.Bundle.ID + "/c0"}}, nil
}

func (w *world) seal(_ context.Context, in SealInput) (SealOutput, error) {
	if w.sealDown > 0 {
		w.sealDown--
		return SealOutput{}, NewTrouble(ReasonStoreUnreachable, "the store does not answer", nil)
	}
	w.sealed = in
	return SealOutput{Statement: "run.json", Counts: w.counts(), Balanced: w.unbalanced == "", Message: w.unbalanced, Owed: w.owed}, nil
}

func (w *world) report(_ context.Context, r Report) error {
	w.reports = append(w.reports, r)
	return nil
}

// newWorld is a world in which nothing has happened yet.
func newWorld(w *world) *world {
	w.leased = map[string]int64{}
	return w
}

// activities are what a world does, one thing at a time.
func (w *world) activities() map[string]any {
	mu := &sync.Mutex{}
	return map[string]any{
		ActivityPreflight: locked(mu, w.preflight), ActivitySeed: locked(mu, w.seed), ActivityPlan: locked(mu, w.plan),
		ActivityCrawlBundle: locked(mu, w.bundle), ActivitySeal: locked(mu, w.seal),
		ActivityReportStatus: func(ctx context.Context, r Report) error {
			mu.Lock()
			defer mu.Unlock()
			return w.report(ctx, r)
		},
	}
}

func locked[In, Out any](mu *sync.Mutex, f func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		mu.Lock()
		defer mu.Unlock()
		return f(ctx, in)
	}
}

func newEnv(t *testing.T, w *world) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	if w.leased == nil {
		w.leased = map[string]int64{}
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartWorkflowOptions(startOptions("uid"))
	Register(env)
	for name, f := range w.activities() {
		env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	env.SetTestTimeout(30 * time.Second)
	return env
}

func order() RunInput {
	return RunInput{
		FormatVersion: FormatVersion, Run: "uid", Namespace: "ns", Name: "name", State: StateActive,
		Spec: Spec{Priority: 3, Authorization: Authorization{NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}
}

func finish(t *testing.T, env *testsuite.TestWorkflowEnvironment) RunResult {
	t.Helper()
	if !env.IsWorkflowCompleted() {
		t.Fatal("the workflow did not end")
	}
	var result RunResult
	if err := env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	return result
}

// next is the input of the run that the present one continues as.
func next(t *testing.T, env *testsuite.TestWorkflowEnvironment) (in RunInput) {
	t.Helper()
	var again *workflow.ContinueAsNewError
	if err := env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want to continue as new", err)
	}
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		world   world
		change  func(*RunInput)
		verdict Verdict
		word    Reason
		counts  Counts
	}{
		"All":     {reason: "every page is visited", world: world{total: 100}, verdict: VerdictSucceeded, word: ReasonCompleted, counts: Counts{Discovered: 100, Archived: 100}},
		"Nothing": {reason: "a crawl without a page did not succeed", world: world{}, verdict: VerdictFailed, word: ReasonNothingArchived},
		"StoreComesBack": {reason: "trouble with the store is waited out", world: world{total: 5, storeDown: 20},
			verdict: VerdictSucceeded, word: ReasonCompleted, counts: Counts{Discovered: 5, Archived: 5}},
		"LostBundles": {reason: "the pages of a bundle that was lost are visited by another", world: world{total: 30, lose: 4},
			verdict: VerdictSucceeded, word: ReasonCompleted, counts: Counts{Discovered: 30, Archived: 30}},
		"DeadWorkers": {reason: "the last heartbeat of a worker that died says what is committed", world: world{total: 30, dead: true},
			verdict: VerdictSucceeded, word: ReasonCompleted, counts: Counts{Discovered: 30, Archived: 30}},
		"Expired": {reason: "no page is loaded without a valid authorisation", world: world{total: 5},
			change:  func(in *RunInput) { in.Spec.Authorization.NotAfter = time.Unix(1, 0) },
			verdict: VerdictFailed, word: ReasonAuthorizationExpired},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, &tc.world)
			in := order()
			if tc.change != nil {
				tc.change(&in)
			}
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			got := finish(t, env)
			if got.Verdict != tc.verdict || got.Reason != tc.word {
				t.Errorf("%s: %s %s (%s), want %s %s", tc.reason, got.Verdict, got.Reason, got.Message, tc.verdict, tc.word)
			}
			if diff := cmp.Diff(tc.counts, got.Counts); tc.verdict == VerdictSucceeded && diff != "" {
				t.Errorf("%s: counts (-want +got):\n%s", tc.reason, diff)
			}
			last := tc.world.reports[len(tc.world.reports)-1]
			if last.Phase != PhaseFinished || last.Result == nil || last.Result.Reason != tc.word {
				t.Errorf("%s: the last report is %+v", tc.reason, last)
			}
		})
	}
}

// update sends an update and returns how it was answered.
func update(env *testsuite.TestWorkflowEnvironment, state State, answered func(Report, error)) {
	env.UpdateWorkflow(UpdateSetState, fmt.Sprint(state, env.Now().UnixNano()), &testsuite.TestUpdateCallback{
		OnReject: func(err error) { answered(Report{}, err) },
		OnAccept: func() {},
		OnComplete: func(v any, err error) {
			r, _ := v.(Report)
			answered(r, err)
		},
	}, SetState{State: state})
}

func TestControl(t *testing.T) {
	t.Parallel()
	w := world{total: 30}
	env := newEnv(t, &w)
	in := order()
	in.State = StateSuspended
	var archivedWhileSuspended int64 = -1
	env.RegisterDelayedCallback(func() {
		archivedWhileSuspended = w.archived
		update(env, StateActive, func(r Report, err error) {
			if err != nil || r.State != StateActive {
				t.Errorf("resume answered %+v, %v", r, err)
			}
		})
	}, time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	got := finish(t, env)
	if archivedWhileSuspended != 0 {
		t.Errorf("%d pages were archived while the crawl was suspended", archivedWhileSuspended)
	}
	if got.Reason != ReasonCompleted || got.Counts.Archived != 30 {
		t.Errorf("after resuming: %+v", got)
	}
}

// TestReportsSayWhenTimeIsOver: the limit on duration or the authorisation, whichever is first,
// without the time that the crawl was suspended.
func TestReportsSayWhenTimeIsOver(t *testing.T) {
	t.Parallel()
	for name, notAfter := range map[string]time.Duration{"Limit": 10 * time.Hour, "Authorisation": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{total: 3}
			env := newEnv(t, &w)
			env.OnActivity(ActivityCrawlBundle, anything, anything).After(90 * time.Minute).Return(w.bundle)
			in := order()
			start := env.Now()
			in.Spec.Limits.Duration, in.Spec.Authorization.NotAfter = 3*time.Hour, start.Add(notAfter)
			in.State = StateSuspended
			env.RegisterDelayedCallback(func() { update(env, StateActive, func(Report, error) {}) }, time.Hour)
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			finish(t, env)
			var said []time.Time
			for _, r := range w.reports {
				if !r.EndsBy.IsZero() {
					said = append(said, r.EndsBy)
				}
			}
			want := start.Add(min(4*time.Hour, notAfter))
			if len(said) == 0 || said[len(said)-1].Sub(want).Abs() > time.Second {
				t.Errorf("the reports say %v, want %v at last", said, want)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := world{total: 30, stuck: true}
	env := newEnv(t, &w)
	refused := false
	env.RegisterDelayedCallback(func() {
		update(env, StateCancelled, func(_ Report, err error) {
			if err != nil {
				t.Errorf("cancel: %v", err)
			}
			update(env, StateActive, func(_ Report, err error) { refused = err != nil })
		})
	}, 10*time.Minute)
	env.ExecuteWorkflow(WorkflowCrawlRun, order())
	got := finish(t, env)
	if got.Verdict != VerdictCancelled || got.Statement == "" {
		t.Errorf("cancelled run: %+v, want the verdict Cancelled and a closing statement", got)
	}
	if got.Counts.Skipped[ReasonCancelled] != 30 {
		t.Errorf("skipped %v, want 30 for Cancelled", got.Counts.Skipped)
	}
	if !refused {
		t.Error("a cancelled crawl was made active again")
	}
	if w.bundles > 300 {
		t.Errorf("%d bundles were handed out within ten minutes, though none brought anything back", w.bundles)
	}
}

// TestWorkersEnd: what workers give back that have to end is taken by others at once, however much it is.
func TestWorkersEnd(t *testing.T) {
	t.Parallel()
	w := world{total: 3 * openBundles, stopped: 3 * openBundles}
	env := newEnv(t, &w)
	began := env.Now()
	env.ExecuteWorkflow(WorkflowCrawlRun, order())
	if got := finish(t, env); got.Reason != ReasonCompleted {
		t.Errorf("%+v", got)
	}
	if took := env.Now().Sub(began); took > 15*time.Second {
		t.Errorf("it took %v, of which nobody needed more than some steps", took)
	}
}

func TestCancelledBeforeItBegan(t *testing.T) {
	t.Parallel()
	w := world{total: 30}
	env := newEnv(t, &w)
	in := order()
	in.State = StateSuspended
	env.RegisterDelayedCallback(func() { update(env, StateCancelled, func(Report, error) {}) }, time.Minute)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	got := finish(t, env)
	if got.Verdict != VerdictCancelled || got.Statement != "" || w.preflights != 0 {
		t.Errorf("%+v after %d looks at the store: want Cancelled, and nothing done", got, w.preflights)
	}
}

func TestNotYetAuthorized(t *testing.T) {
	t.Parallel()
	w := world{total: 3}
	env := newEnv(t, &w)
	in := order()
	in.Spec.Authorization.NotBefore = env.Now().Add(time.Hour)
	env.RegisterDelayedCallback(func() {
		if w.preflights != 0 || w.bundles != 0 {
			t.Errorf("%d looks at the store and %d bundles before the authorisation is valid", w.preflights, w.bundles)
		}
	}, 59*time.Minute)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted {
		t.Errorf("after the authorisation began: %+v", got)
	}
	if w.reports[0].Reason != ReasonAuthorizationNotYetValid {
		t.Errorf("the first report says %s", w.reports[0].Reason)
	}
}

func TestDurationLimit(t *testing.T) {
	t.Parallel()
	w := world{total: 30}
	env := newEnv(t, &w)
	in := order()
	in.Spec.Limits.Duration = time.Hour
	in.State = StateSuspended
	env.RegisterDelayedCallback(func() { update(env, StateActive, func(Report, error) {}) }, 3*time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted {
		t.Errorf("%+v: the time of a pause must not count", got)
	}
}

// TestShardContinuesAsNew follows a whole chain of runs of a shard, with the bundles of
// each in flight when it ends.
func TestShardContinuesAsNew(t *testing.T) {
	t.Parallel()
	w := world{total: 300, queued: 300}
	in := ShardInput{Job: Job{Run: "uid"}, State: StateActive}
	var mu sync.Mutex
	var reports []ShardReport
	for runs := 1; ; runs++ {
		env := newEnv(t, &w)
		env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", 0), TaskQueue: TaskQueueRun})
		plans := 0
		w.planned = func() {
			if plans++; plans == 3 {
				env.SetContinueAsNewSuggested(true)
			}
		}
		env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
			func(_, _, _, _ string, arg any) error {
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, arg.(ShardReport))
				return nil
			})
		env.ExecuteWorkflow(WorkflowFrontierShard, in)
		var again *workflow.ContinueAsNewError
		err := env.GetWorkflowError()
		if !errors.As(err, &again) {
			if err != nil || runs < 3 {
				t.Fatalf("ended after %d runs: %v", runs, err)
			}
			break
		}
		if n := len(again.Input.GetPayloads()[0].GetData()); n > 50_000 {
			t.Errorf("a run hands %d bytes to the next", n)
		}
		in = ShardInput{}
		if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
			t.Fatal(err)
		}
	}
	// The environment hands out what is sent at about one time in any order.
	slices.SortFunc(reports, func(a, b ShardReport) int { return int(a.Number - b.Number) })
	last := reports[len(reports)-1]
	if !last.Done || last.Counts.Archived != 300 || w.archived != 300 {
		t.Errorf("the last report is %+v, want 300 archived", last)
	}
	for i := range reports[1:] {
		if reports[i+1].Number != reports[i].Number+1 {
			t.Errorf("report %d follows report %d", reports[i+1].Number, reports[i].Number)
		}
	}
}

func TestRunContinuesAsNew(t *testing.T) {
	t.Parallel()
	w := world{total: 5}
	env := newEnv(t, &w)
	// What is suggested here is suggested to the shard too, whose own chain is another test.
	env.OnWorkflow(WorkflowFrontierShard, anything, anything).Return(func(ctx workflow.Context, _ ShardInput) error {
		return workflow.Sleep(ctx, 24*time.Hour)
	})
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, 10*time.Minute)
	in := order()
	in.SeedList = []byte("seeds")
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	in = next(t, env)
	if in.Resume == nil || in.Resume.Phase != PhaseCrawling || in.SeedList != nil {
		t.Fatalf("the next run is told %+v", in)
	}

	later := world{total: 5}
	env = newEnv(t, &later)
	told := 0
	env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", 0), "", SignalShardControl, anything).Return(
		func(_, _, _, _ string, _ any) error { told++; return nil })
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(SignalShardReport, ShardReport{Number: in.Resume.Shard.Number, Done: true}) // an old one
		env.SignalWorkflow(SignalShardReport, ShardReport{Number: in.Resume.Shard.Number + 1, Done: true, Seq: 9, Counts: Counts{Discovered: 5, Archived: 5}})
	}, time.Minute)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted || later.preflights != 0 || told == 0 {
		t.Errorf("%+v after %d looks at the store, shard told %d times", got, later.preflights, told)
	}
}

// TestBooksDoNotBalance: a run whose recount does not agree did not succeed, whatever it was
// about to say, and says why. One that lost its shard is told from that already.
func TestBooksDoNotBalance(t *testing.T) {
	t.Parallel()
	const why = "the books do not balance (5 pages have no outcome); see run.json in the archive"
	tests := map[string]struct {
		reason  string
		gone    bool // the shard is terminated
		cancel  bool
		verdict Verdict
		word    Reason
		message string
	}{
		"Completed":     {"It was about to succeed.", false, false, VerdictFailed, ReasonBooksUnbalanced, why},
		"Cancelled":     {"That it was asked to end excuses no book.", false, true, VerdictFailed, ReasonBooksUnbalanced, why},
		"Lost":          {"What the shard did last nobody has booked.", true, false, VerdictFailed, ReasonRunLost, "ended from outside"},
		"LostCancelled": {"Its last word was that it is to end.", true, true, VerdictCancelled, ReasonCancelled, "cancelled"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{total: 5, stuck: tc.cancel, unbalanced: why}
			env := newEnv(t, w)
			if tc.gone {
				env.OnWorkflow(WorkflowFrontierShard, anything, anything).Return(func(ctx workflow.Context, _ ShardInput) error {
					_ = workflow.Sleep(ctx, time.Minute)
					return errors.New("made for a test")
				})
			}
			if tc.cancel {
				env.RegisterDelayedCallback(func() { update(env, StateCancelled, func(Report, error) {}) }, 30*time.Second)
			}
			env.ExecuteWorkflow(WorkflowCrawlRun, order())
			got := finish(t, env)
			if got.Verdict != tc.verdict || got.Reason != tc.word || !strings.Contains(got.Message, tc.message) {
				t.Errorf("%s: %s %s (%s), want %s %s (%s)", tc.reason, got.Verdict, got.Reason, got.Message, tc.verdict, tc.word, tc.message)
			}
			if got.Statement != "run.json" || w.sealed.Lost != tc.gone {
				t.Errorf("%s: statement %q, told that the shard is lost: %t", tc.reason, got.Statement, w.sealed.Lost)
			}
		})
	}
}

// TestShardIsGone: a shard that was terminated sends no last report, and the run ends all
// the same, with what it knows.
func TestShardIsGone(t *testing.T) {
	t.Parallel()
	w := world{total: 5}
	env := newEnv(t, &w)
	env.OnWorkflow(WorkflowFrontierShard, anything, anything).Return(func(ctx workflow.Context, _ ShardInput) error {
		_ = workflow.Sleep(ctx, time.Minute)
		return errors.New("made for a test")
	})
	env.ExecuteWorkflow(WorkflowCrawlRun, order())
	if got := finish(t, env); got.Verdict != VerdictFailed || got.Reason != ReasonRunLost || got.Statement == "" {
		t.Errorf("got %+v, want a sealed run that is lost", got)
	}
}

// TestShardIsGoneAfterContinueAsNew: a run that did not start the shard itself learns it
// from what it tells the shard.
func TestShardIsGoneAfterContinueAsNew(t *testing.T) {
	t.Parallel()
	w := world{total: 5}
	env := newEnv(t, &w)
	in := order()
	in.Resume = &RunResume{Phase: PhaseCrawling, StartedAt: env.Now()}
	env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", 0), "", SignalShardControl, anything).Return(
		&temporal.UnknownExternalWorkflowExecutionError{})
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonRunLost {
		t.Errorf("got %+v, want a run that is lost", got)
	}
}

// TestRunIsGone: a shard whose run was terminated visits nothing more.
func TestRunIsGone(t *testing.T) {
	t.Parallel()
	const total = 3000
	w := world{total: total, queued: total}
	env := newEnv(t, &w)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", 0), TaskQueue: TaskQueueRun})
	// The environment answers a signal in its own time, which on a busy machine was later than that of all
	// pages: only the first plan is made before there is an answer.
	answered, plans := make(chan struct{}), 0
	once := sync.OnceFunc(func() { close(answered) })
	w.planned = func() {
		if plans++; plans > 1 {
			<-answered
		}
	}
	env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
		func(string, string, string, string, any) error {
			once()
			return &temporal.UnknownExternalWorkflowExecutionError{}
		})
	env.ExecuteWorkflow(WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateActive})
	if !env.IsWorkflowCompleted() {
		t.Fatal("the shard goes on")
	}
	if w.archived == total {
		t.Error("every page was visited for a run that is gone")
	}
}
