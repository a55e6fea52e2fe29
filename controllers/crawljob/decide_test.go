package crawljob

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestPatience: the longer an order has waited, the longer it is until it is looked at again.
func TestPatience(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		waits  time.Duration // so far; less than 0 for an order that was not judged yet
		left   time.Duration // until the authorisation ends
		want   time.Duration
	}{
		"New":     {"Nothing was said of it yet.", -1, 24 * time.Hour, 15 * time.Second},
		"Now":     {"It may be put right at once.", 0, 24 * time.Hour, 15 * time.Second},
		"Again":   {"That is tried for as long as it has been so.", 30 * time.Second, 24 * time.Hour, 30 * time.Second},
		"Between": {"Each pause is twice the one before.", 31 * time.Second, 24 * time.Hour, time.Minute},
		"Days":    {"It has a bound.", 72 * time.Hour, 24 * time.Hour, 5 * time.Minute},
		"Ends":    {"The end of the authorisation is not missed.", 72 * time.Hour, time.Minute, time.Minute + soon},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := jobWith(func(job *v1alpha1.CrawlJob) {
				job.Spec.Authorization.NotAfter = metav1.NewTime(noon.Add(tc.left))
				if tc.waits >= 0 {
					job.Status.Conditions = []metav1.Condition{{
						Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse, Reason: "ApprovalMissing", LastTransitionTime: metav1.NewTime(noon.Add(-tc.waits)),
					}}
				}
			})
			o := Observation{Job: job, Now: noon, Asked: true, Outdated: true, Judged: &Standing{Mood: Waits, Reason: workflows.ReasonApprovalMissing}}
			if got := decide(o).Again; got != tc.want {
				t.Errorf("%s It is looked at again after %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	expired := func(job *v1alpha1.CrawlJob) {
		job.Spec.Authorization.NotAfter = metav1.NewTime(noon)
	}
	early := func(job *v1alpha1.CrawlJob) {
		at := metav1.NewTime(noon.Add(10 * time.Minute))
		job.Spec.Authorization.NotBefore = &at
	}
	known := Run{Known: true}
	tests := map[string]struct {
		reason  string
		o       Observation
		want    Decision
		message string // a part of the message
	}{
		"Start": {
			reason: "A new order with a valid authorisation is started, finalizer first.",
			o:      Observation{Job: jobWith(), Asked: true},
			want: Decision{Finalize: true, Start: true, Again: silence,
				Standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding}},
		},
		"NotYetValid": {
			reason:  "An order waits for its authorisation to begin, and then starts by itself.",
			o:       Observation{Job: jobWith(early), Asked: true},
			want:    Decision{Again: 10*time.Minute + soon, Standing: Standing{Mood: Waits, Reason: workflows.ReasonAuthorizationNotYetValid}},
			message: "begins at 2026-05-04T12:10:00Z. The crawl starts by itself",
		},
		"ExpiredBefore": {
			reason: "An order whose authorisation is over never runs, and that is final, because it cannot be prolonged.",
			o:      Observation{Job: jobWith(expired), Asked: true},
			want: Decision{Standing: Standing{Mood: Ended, Reason: workflows.ReasonAuthorizationExpired,
				Result: &workflows.RunResult{Verdict: workflows.VerdictFailed, Reason: workflows.ReasonAuthorizationExpired}}},
			message: "Create a new CrawlJob",
		},
		"ExpiredRunning": {
			reason: "A crawl that runs ends itself when the authorisation does; it must be sealed.",
			o:      Observation{Job: jobWith(expired), Run: known, Latest: crawling()},
			want: Decision{Finalize: true, Again: silence,
				Standing: Standing{Mood: Moves, Reason: workflows.ReasonCrawling}},
		},
		"Widened": {
			reason: "A crawl that goes by an order of before is told of the wider one.",
			o:      Observation{Job: jobWith(generation(5)), Run: known, Latest: crawling(func(r *workflows.Report) { r.Generation = 4 })},
			want: Decision{Finalize: true, Amend: true, Again: silence,
				Standing: Standing{Mood: Moves, Reason: workflows.ReasonCrawling}},
		},
		"WidenedWhileSeeding": {
			reason: "A crawl that has not begun is told later.",
			o: Observation{Job: jobWith(generation(5)), Run: known, Latest: crawling(func(r *workflows.Report) {
				r.Generation, r.Phase, r.Reason = 4, workflows.PhaseSeeding, workflows.ReasonSeeding
			})},
			want: Decision{Finalize: true, Again: silence,
				Standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding}},
		},
		"WidenedOfAnOldWorker": {
			reason: "One that does not say by which order it goes cannot be told.",
			o:      Observation{Job: jobWith(generation(5)), Run: known, Latest: crawling()},
			want: Decision{Finalize: true, Again: silence,
				Standing: Standing{Mood: Moves, Reason: workflows.ReasonCrawling}},
		},
		"CancelledBefore": {
			reason: "An order that is cancelled before it runs is over.",
			o:      Observation{Job: jobWith(state(v1alpha1.StateCancelled)), Asked: true},
			want: Decision{Standing: Standing{Mood: Ended, Reason: workflows.ReasonCancelled,
				Result: &workflows.RunResult{Verdict: workflows.VerdictCancelled, Reason: workflows.ReasonCancelled}}},
			message: "Nothing was captured",
		},
		"SuspendedBefore": {
			reason:  "A prepared order does not start, and is looked at again in case its authorisation ends.",
			o:       Observation{Job: jobWith(state(v1alpha1.StateSuspended)), Asked: true},
			want:    Decision{Again: time.Hour, Standing: Standing{Mood: Rests, Reason: workflows.ReasonSuspended}},
			message: "Set spec.state to Active",
		},
		"Refused": {
			reason:  "Seeds that cannot be read are looked at again until somebody has mended them.",
			o:       Observation{Job: jobWith(), Asked: true, Refusal: &Refusal{workflows.ReasonConfigMapMissing, "create it"}},
			want:    Decision{Again: again, Standing: Standing{Mood: Refused, Reason: workflows.ReasonConfigMapMissing}},
			message: "create it",
		},
		"TemporalDown": {
			reason:  "Without Temporal nothing can be known, so nothing is done.",
			o:       Observation{Job: jobWith(), Unreachable: errors.New("connection refused or lost")},
			want:    Decision{Again: again, Standing: Standing{Mood: Stalls, Reason: workflows.ReasonTemporalUnreachable}},
			message: "Temporal does not answer: connection refused or lost. Check",
		},
		"Running": {
			reason: "A crawl that reports is followed; it is looked at when it should have been heard of.",
			o:      Observation{Job: jobWith(), Run: known, Latest: crawling(), Quiet: 12 * time.Second},
			want:   Decision{Finalize: true, Again: 18 * time.Second, Standing: Standing{Mood: Moves, Reason: workflows.ReasonCrawling}},
		},
		"Suspend": {
			reason: "A running crawl is asked to rest.",
			o:      Observation{Job: jobWith(state(v1alpha1.StateSuspended)), Run: known, Latest: crawling()},
			want: Decision{Finalize: true, Again: silence, Steer: v1alpha1.StateSuspended,
				Standing: Standing{Mood: Moves, Reason: workflows.ReasonCrawling}},
		},
		"Suspended": {
			reason: "A crawl that is suspended is where it is wanted and is not asked again.",
			o: Observation{Job: jobWith(state(v1alpha1.StateSuspended)), Run: known, Latest: crawling(func(r *workflows.Report) {
				r.Phase, r.State, r.Reason = workflows.PhaseSuspended, workflows.StateSuspended, workflows.ReasonSuspended
			})},
			want: Decision{Finalize: true, Again: silence, Standing: Standing{Mood: Rests, Reason: workflows.ReasonSuspended}},
		},
		"Resume": {
			reason: "A suspended crawl is asked to go on.",
			o: Observation{Job: jobWith(), Run: known, Latest: crawling(func(r *workflows.Report) {
				r.Phase, r.State, r.Reason = workflows.PhaseSuspended, workflows.StateSuspended, workflows.ReasonSuspended
			})},
			want: Decision{Finalize: true, Again: silence, Steer: v1alpha1.StateActive,
				Standing: Standing{Mood: Rests, Reason: workflows.ReasonSuspended}},
		},
		"CancelIsAskedOnce": {
			reason: "A crawl that is being cancelled is not asked for anything again.",
			o: Observation{Job: jobWith(state(v1alpha1.StateCancelled)), Run: known, Latest: crawling(func(r *workflows.Report) {
				r.Phase, r.State, r.Reason = workflows.PhaseSealing, workflows.StateCancelled, workflows.ReasonSealing
			})},
			want: Decision{Finalize: true, Again: silence, Standing: Standing{Mood: Moves, Reason: workflows.ReasonSealing}},
		},
		"StoreDown": {
			reason: "What the workers cannot get over by themselves is a stall.",
			o: Observation{Job: jobWith(), Run: known, Latest: crawling(func(r *workflows.Report) {
				r.Stalled, r.Reason, r.Message, r.NextStep = true, workflows.ReasonStoreDenied, "The store refused the credentials.", "Check Secret crawlfleet-s3."
			})},
			want:    Decision{Finalize: true, Again: silence, Standing: Standing{Mood: Stalls, Reason: workflows.ReasonStoreDenied}},
			message: "The store refused the credentials. Check Secret crawlfleet-s3.",
		},
		"NoWorkers": {
			reason:  "A silent crawl whose queues nobody polls waits for workers.",
			o:       Observation{Job: jobWith(), Asked: true, Run: Run{Known: true, Idle: []string{"q1", "q2"}}, Quiet: silence},
			want:    Decision{Finalize: true, Again: again, Standing: Standing{Mood: Stalls, Reason: workflows.ReasonWaitingForWorkers}},
			message: "No worker answers on task queue q1 and q2",
		},
		"NoAnswer": {
			reason:  "Workers that were killed are still listed for a while, but do not answer.",
			o:       Observation{Job: jobWith(), Asked: true, Run: known, Latest: crawling(), Quiet: 40 * time.Second},
			want:    Decision{Finalize: true, Again: again, Standing: Standing{Mood: Stalls, Reason: workflows.ReasonWaitingForWorkers}},
			message: "No worker answers",
		},
		"QuietButThere": {
			reason: "A crawl that waits for a polite delay says nothing and is well.",
			o:      Observation{Job: jobWith(), Asked: true, Run: Run{Known: true, Answer: crawling()}, Latest: crawling(), Quiet: time.Hour},
			want:   Decision{Finalize: true, Again: again, Standing: Standing{Mood: Moves, Reason: workflows.ReasonCrawling}},
		},
		"JustStarted": {
			reason: "A crawl that has just been handed over gets its time before anybody worries.",
			o:      Observation{Job: jobWith(), Asked: true, Run: Run{Known: true, Idle: []string{"q"}}, Quiet: 5 * time.Second},
			want:   Decision{Finalize: true, Again: 25 * time.Second, Standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding}},
		},
		"Ended": {
			reason: "A verdict is written down; the finalizer goes in the next visit.",
			o:      Observation{Job: jobWith(), Asked: true, Run: Run{Known: true, Ended: completed()}},
			want: Decision{Again: soon, Standing: Standing{Mood: Ended, Reason: workflows.ReasonCompleted,
				Result: completed()}},
		},
		"Finished": {
			reason: "What is finished needs no finalizer.",
			o:      Observation{Job: jobWith(over, finalized)},
			want:   Decision{Release: true},
		},
		"FinishedLongAgo": {
			reason: "What is finished stays as it is.",
			o:      Observation{Job: jobWith(over)},
			want:   Decision{},
		},
		"Forgotten": {
			reason: "A crawl that Temporal has lost is not begun a second time.",
			o:      Observation{Job: jobWith(started(time.Hour)), Asked: true},
			want:   Decision{Again: soon, Standing: Standing{Mood: Ended, Reason: workflows.ReasonRunLost, Result: forgotten("crawl-" + string(uid)).Result}},
		},
		"FinishedThenPatched": {
			reason: "A change that comes too late is seen: kubectl wait would wait for ever else.",
			o:      Observation{Job: jobWith(over, finalized, func(job *v1alpha1.CrawlJob) { job.Generation++ })},
			want:   Decision{Observe: true, Again: soon},
		},
		"DeleteRunning": {
			reason: "A deletion cancels the crawl and waits for the seal.",
			o:      Observation{Job: jobWith(deleted(time.Second)), Run: known, Latest: crawling()},
			want: Decision{Steer: v1alpha1.StateCancelled, Again: 5 * time.Second,
				Standing: Standing{Mood: Moves, Reason: workflows.ReasonSealing}},
			message: "The archive is kept",
		},
		"DeleteUnstarted": {
			reason: "Nothing runs, so there is nothing to wait for.",
			o:      Observation{Job: jobWith(deleted(time.Second)), Asked: true},
			want:   Decision{Release: true},
		},
		"DeleteEnded": {
			reason: "It is sealed.",
			o:      Observation{Job: jobWith(deleted(time.Second)), Asked: true, Run: Run{Known: true, Ended: completed()}},
			want:   Decision{Release: true},
		},
		"DeleteWithoutTemporal": {
			reason: "The crawl may still run, so the deletion waits.",
			o:      Observation{Job: jobWith(deleted(time.Second)), Unreachable: errors.New("down")},
			want:   Decision{Again: 5 * time.Second, Standing: Standing{Mood: Stalls, Reason: workflows.ReasonTemporalUnreachable}},
		},
		"DeleteTooLong": {
			reason:  "A deletion does not wait for ever.",
			o:       Observation{Job: jobWith(deleted(releaseAfter)), Unreachable: errors.New("down")},
			want:    Decision{Release: true, Standing: Standing{Mood: Stalls, Reason: workflows.ReasonSealing}},
			message: "before the crawl was sealed",
		},
		"DeleteReleased": {
			reason: "Another finalizer holds it; this one is gone.",
			o: Observation{Job: jobWith(deleted(time.Second), func(job *v1alpha1.CrawlJob) {
				job.Finalizers = []string{"example.org/other"}
			}), Run: known},
			want: Decision{},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.o.Now = noon
			got := decide(tc.o)
			ignore := cmp.Options{cmpopts.IgnoreFields(Standing{}, "Message"), cmpopts.IgnoreFields(workflows.RunResult{}, "Message")}
			if diff := cmp.Diff(tc.want, got, ignore); diff != "" {
				t.Errorf("%s\ndecide (-want +got):\n%s", tc.reason, diff)
			}
			if !strings.Contains(got.Standing.Message, tc.message) {
				t.Errorf("%s\nmessage %q lacks %q", tc.reason, got.Standing.Message, tc.message)
			}
		})
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	for want, parts := range map[string][]string{
		"":                              {"", " "},
		"The store is full. Make room.": {"the store is full", "make room."},
		"Étrange!":                      {"étrange!"},
	} {
		if got := sentences(parts...); got != want {
			t.Errorf("sentences(%q) = %q, want %q", parts, got, want)
		}
	}
}

// TestStallSettles asserts that a crawl which tries again is stalled until something
// has come of it.
func TestStallSettles(t *testing.T) {
	t.Parallel()
	unreachableSeed := func(r *workflows.Report) {
		r.Stalled, r.Reason, r.Message = true, workflows.ReasonSeedUnreachable, "the seed does not answer"
	}
	tests := map[string]struct {
		reason string
		before func(*workflows.Report)
		after  func(*workflows.Report)
		want   Mood
	}{
		"Trying": {
			reason: "A try is no progress.",
			before: unreachableSeed,
			after:  func(*workflows.Report) {},
			want:   Stalls,
		},
		"Archived": {
			reason: "A page that was archived is.",
			before: unreachableSeed,
			after:  func(r *workflows.Report) { r.Counts.Archived++ },
			want:   Moves,
		},
		"GivenUp": {
			reason: "So is a page that was given up.",
			before: unreachableSeed,
			after:  func(r *workflows.Report) { r.Counts.Failed["DNSFailed"]++ },
			want:   Moves,
		},
		"Sealing": {
			reason: "A crawl that ends moves.",
			before: unreachableSeed,
			after:  func(r *workflows.Report) { r.Phase = workflows.PhaseSealing },
			want:   Moves,
		},
		"Suspended": {
			reason: "A crawl that was suspended rests.",
			before: unreachableSeed,
			after: func(r *workflows.Report) {
				r.Phase, r.State, r.Reason = workflows.PhaseSuspended, workflows.StateSuspended, workflows.ReasonSuspended
			},
			want: Rests,
		},
		"WorkersAreBack": {
			reason: "A crawl that reports does not wait for workers.",
			before: func(r *workflows.Report) { r.Stalled, r.Reason = true, workflows.ReasonWaitingForWorkers },
			after:  func(*workflows.Report) {},
			want:   Moves,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Observation{Job: jobWith(started(time.Minute)), Now: noon, Run: Run{Known: true}, Latest: crawling(tc.before)}
			o.Job.Status = report(o, decide(o), Done{})
			o.Latest = crawling(tc.after)
			if got := decide(o).Standing; got.Mood != tc.want {
				t.Errorf("%s\ngot %+v, want mood %d", tc.reason, got, tc.want)
			}
		})
	}
}
