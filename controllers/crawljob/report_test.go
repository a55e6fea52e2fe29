package crawljob

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/plain"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/workflows"
)

// marks writes conditions as one line: + is True, - is False, ? is Unknown.
func marks(conditions []metav1.Condition) string {
	sign := map[metav1.ConditionStatus]string{metav1.ConditionTrue: "+", metav1.ConditionFalse: "-", metav1.ConditionUnknown: "?"}
	var all []string
	for _, c := range conditions {
		all = append(all, sign[c.Status]+c.Type+"="+c.Reason)
	}
	return strings.Join(all, " ")
}

func TestConditions(t *testing.T) {
	t.Parallel()
	accepted := func(job *v1alpha1.CrawlJob) {
		job.Status.Run = v1alpha1.RunReference{WorkflowID: "crawl-x"}
		job.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: "Accepted",
			LastTransitionTime: metav1.NewTime(noon.Add(-time.Hour)), Message: "The order was taken.",
		}}
	}
	tests := map[string]struct {
		reason   string
		job      *v1alpha1.CrawlJob
		standing Standing
		done     Done
		want     string
	}{
		"Started": {
			reason:   "The first visit starts the crawl and accepts the order.",
			job:      jobWith(),
			standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding},
			done:     Done{Started: &RunReference{WorkflowID: "crawl-x", RunID: "r", StartedAt: noon}},
			want:     "+Accepted=Accepted -Sealed=Seeding ?Succeeded=Seeding -Finished=Seeding +Reconciling=Seeding -Stalled=Seeding",
		},
		"Crawling": {
			reason:   "While it crawls, Succeeded is Unknown and says where it is.",
			job:      jobWith(accepted),
			standing: Standing{Mood: Moves, Reason: workflows.ReasonCrawling},
			want:     "+Accepted=Accepted -Sealed=Crawling ?Succeeded=Crawling -Finished=Crawling +Reconciling=Crawling -Stalled=Crawling",
		},
		"Waits": {
			reason:   "Waiting for a date is no stall.",
			job:      jobWith(),
			standing: Standing{Mood: Waits, Reason: workflows.ReasonAuthorizationNotYetValid},
			want:     "-Accepted=AuthorizationNotYetValid -Sealed=AuthorizationNotYetValid ?Succeeded=AuthorizationNotYetValid -Finished=AuthorizationNotYetValid +Reconciling=AuthorizationNotYetValid -Stalled=AuthorizationNotYetValid",
		},
		"Refused": {
			reason:   "Something must be mended by somebody.",
			job:      jobWith(),
			standing: Standing{Mood: Refused, Reason: workflows.ReasonConfigMapMissing},
			want:     "-Accepted=ConfigMapMissing -Sealed=ConfigMapMissing ?Succeeded=ConfigMapMissing -Finished=ConfigMapMissing -Reconciling=ConfigMapMissing +Stalled=ConfigMapMissing",
		},
		"RefusedByTemporal": {
			reason:   "What is too large is found out when it is handed over.",
			job:      jobWith(),
			standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding},
			done:     Done{Refusal: &Refusal{workflows.ReasonInvalidSeeds, "divide them"}},
			want:     "-Accepted=InvalidSeeds -Sealed=InvalidSeeds ?Succeeded=InvalidSeeds -Finished=InvalidSeeds -Reconciling=InvalidSeeds +Stalled=InvalidSeeds",
		},
		"TemporalDownBefore": {
			reason:   "Nobody has looked at the order yet.",
			job:      jobWith(),
			standing: unreachable(errors.New("down")),
			want:     "?Accepted=TemporalUnreachable -Sealed=TemporalUnreachable ?Succeeded=TemporalUnreachable -Finished=TemporalUnreachable -Reconciling=TemporalUnreachable +Stalled=TemporalUnreachable",
		},
		"TemporalDownAtStart": {
			reason:   "The same, found out by doing.",
			job:      jobWith(),
			standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding},
			done:     Done{Unreachable: errors.New("down")},
			want:     "?Accepted=TemporalUnreachable -Sealed=TemporalUnreachable ?Succeeded=TemporalUnreachable -Finished=TemporalUnreachable -Reconciling=TemporalUnreachable +Stalled=TemporalUnreachable",
		},
		"NoKeysAtStart": {
			reason:   "It is not Temporal's fault that nothing is sent to it.",
			job:      jobWith(),
			standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding},
			done:     Done{Unreachable: fmt.Errorf("start the workflow: %w", plain.Temporal(fmt.Errorf("encrypt: %w", payload.ErrKeys)))},
			want:     "?Accepted=PayloadKeysUnreadable -Sealed=PayloadKeysUnreadable ?Succeeded=PayloadKeysUnreadable -Finished=PayloadKeysUnreadable -Reconciling=PayloadKeysUnreadable +Stalled=PayloadKeysUnreadable",
		},
		"NobodyLooksAfter": {
			reason:   "Nor that nobody looks after captures.",
			job:      jobWith(accepted, started(time.Hour)),
			standing: Standing{Mood: Ended, Reason: workflows.ReasonRunLost},
			done:     Done{Unattended: payload.ErrKeys},
			want:     "+Accepted=Accepted -Sealed=PayloadKeysUnreadable ?Succeeded=PayloadKeysUnreadable -Finished=PayloadKeysUnreadable -Reconciling=PayloadKeysUnreadable +Stalled=PayloadKeysUnreadable ?Retained=PayloadKeysUnreadable",
		},
		"TemporalDownLater": {
			reason:   "What was accepted stays accepted.",
			job:      jobWith(accepted),
			standing: unreachable(errors.New("down")),
			want:     "+Accepted=Accepted -Sealed=TemporalUnreachable ?Succeeded=TemporalUnreachable -Finished=TemporalUnreachable -Reconciling=TemporalUnreachable +Stalled=TemporalUnreachable",
		},
		"Suspended": {
			reason:   "A suspended crawl is where it is wanted: neither moving nor stalled.",
			job:      jobWith(accepted),
			standing: Standing{Mood: Rests, Reason: workflows.ReasonSuspended},
			want:     "+Accepted=Accepted -Sealed=Suspended ?Succeeded=Suspended -Finished=Suspended -Reconciling=Suspended -Stalled=Suspended",
		},
		"PreparedSuspended": {
			reason:   "An order that is not to start yet was not looked at.",
			job:      jobWith(),
			standing: Standing{Mood: Rests, Reason: workflows.ReasonSuspended},
			want:     "?Accepted=Suspended -Sealed=Suspended ?Succeeded=Suspended -Finished=Suspended -Reconciling=Suspended -Stalled=Suspended",
		},
		"Completed": {
			reason:   "Success.",
			job:      jobWith(accepted),
			standing: ended(completed()),
			want:     "+Accepted=Accepted +Sealed=Completed +Succeeded=Completed +Finished=Completed -Reconciling=Completed -Stalled=Completed",
		},
		"Failed": {
			reason: "A failure is Finished, and Stalled for those who read kstatus.",
			job:    jobWith(accepted),
			standing: ended(&workflows.RunResult{
				Verdict: workflows.VerdictFailed, Reason: workflows.ReasonNothingArchived, Statement: "run.json",
			}),
			want: "+Accepted=Accepted +Sealed=NothingArchived -Succeeded=NothingArchived +Finished=NothingArchived -Reconciling=NothingArchived +Stalled=NothingArchived",
		},
		"Cancelled": {
			reason: "A cancellation is no success and no failure to look into.",
			job:    jobWith(accepted),
			standing: ended(&workflows.RunResult{
				Verdict: workflows.VerdictCancelled, Reason: workflows.ReasonCancelled, Statement: "run.json",
			}),
			want: "+Accepted=Accepted +Sealed=Cancelled -Succeeded=Cancelled +Finished=Cancelled -Reconciling=Cancelled -Stalled=Cancelled",
		},
		"ExpiredBefore": {
			reason:   "It never ran, so it was never accepted and there is nothing to seal.",
			job:      jobWith(),
			standing: neverRan(workflows.VerdictFailed, workflows.ReasonAuthorizationExpired, "over"),
			want:     "-Accepted=AuthorizationExpired -Sealed=AuthorizationExpired -Succeeded=AuthorizationExpired +Finished=AuthorizationExpired -Reconciling=AuthorizationExpired +Stalled=AuthorizationExpired",
		},
		"Lost": {
			reason:   "A workflow that was terminated has sealed nothing.",
			job:      jobWith(accepted),
			standing: ended(&workflows.RunResult{Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost}),
			want:     "+Accepted=Accepted -Sealed=RunLost -Succeeded=RunLost +Finished=RunLost -Reconciling=RunLost +Stalled=RunLost",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.job.Generation = 3
			got := report(Observation{Job: tc.job, Now: noon}, Decision{Standing: tc.standing}, tc.done)
			if diff := cmp.Diff(strings.Split(tc.want, " "), strings.Split(marks(got.Conditions), " ")); diff != "" {
				t.Errorf("%s\nconditions (-want +got):\n%s", tc.reason, diff)
			}
			for _, err := range kube.CheckStatus(got.Conditions, tc.job.Generation, got.ObservedGeneration) {
				t.Error(err)
			}
		})
	}
}

func TestStatusOfRunningCrawl(t *testing.T) {
	t.Parallel()
	o := Observation{Job: jobWith(started(time.Minute)), Now: noon, Latest: crawling(), Run: Run{Known: true}}
	got := report(o, decide(o), Done{})
	got.Conditions = nil
	want := v1alpha1.CrawlJobStatus{
		ObservedGeneration: 1,
		Progress:           "34/80",
		Counters: &v1alpha1.Counters{
			Discovered: new(int64(80)), Queued: new(int64(42)), InProgress: new(int64(4)), Archived: new(int64(30)), Incomplete: new(int64(2)),
			Failed: new(int64(1)), Skipped: new(int64(3)), Bytes: new(int64(123456)), Chunks: new(int64(2)),
		},
		FailedByReason:  []v1alpha1.ReasonCount{{Reason: "DNSFailed", Count: 1}},
		SkippedByReason: []v1alpha1.ReasonCount{{Reason: "RobotsDisallowed", Count: 2}, {Reason: "TrapQuery", Count: 1}},
		PagesPerMinute:  new(int32(30)),
		SecondsLeft:     new(int64(92)),
		StartedAt:       o.Job.Status.StartedAt,
		Run:             o.Job.Status.Run,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// TestSecondsLeft: a limit ends a crawl before it has visited all that it knows.
func TestSecondsLeft(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		limits v1alpha1.Limits
		change func(*workflows.Report)
		want   int64
	}{
		"Known":    {"Nothing ends it sooner: 100,000 wait at 2 a second.", v1alpha1.Limits{Pages: 1_000_000, Megabytes: 1_000_000}, nil, 50_000},
		"Pages":    {"100 of 500 are visited, 4 of them still being so.", v1alpha1.Limits{Pages: 500, Megabytes: 1_000_000}, nil, 202},
		"Visiting": {"The last are being visited.", v1alpha1.Limits{Pages: 100, Megabytes: 1_000_000}, nil, 2},
		"Over":     {"More were visited than an order of before allowed.", v1alpha1.Limits{Pages: 50, Megabytes: 1_000_000}, nil, 2},
		"Bytes":    {"80 pages were 80 MB, and 100 may be stored.", v1alpha1.Limits{Pages: 1_000_000, Megabytes: 100}, nil, 12},
		"Nothing": {"What a page takes is not known yet.", v1alpha1.Limits{Pages: 1_000_000, Megabytes: 100}, func(r *workflows.Report) {
			r.Counts.Bytes, r.Counts.Archived = 0, 0
		}, 50_000},
		"Deadline": {"Its time is over before.", v1alpha1.Limits{Pages: 1_000_000, Megabytes: 1_000_000}, func(r *workflows.Report) {
			r.At, r.EndsBy = noon.Add(-time.Minute), noon.Add(9*time.Minute)
		}, 600},
		"Answer": {"A report that was asked for has no time.", v1alpha1.Limits{Pages: 1_000_000, Megabytes: 1_000_000}, func(r *workflows.Report) {
			r.EndsBy = noon.Add(9 * time.Minute)
		}, 540},
		"Late": {"It is ending.", v1alpha1.Limits{Pages: 1_000_000, Megabytes: 1_000_000}, func(r *workflows.Report) {
			r.At, r.EndsBy = noon, noon.Add(-time.Second)
		}, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := jobWith(started(time.Minute), func(job *v1alpha1.CrawlJob) { job.Spec.Limits = tc.limits })
			latest := crawling(func(r *workflows.Report) {
				r.PagesPerSecond = 2
				r.Counts = workflows.Counts{
					Queued: 99_990, Delayed: 6, Leased: 4, Archived: 80, Bytes: 80_000_000,
					Failed: map[workflows.Reason]int64{workflows.ReasonDNSFailed: 16},
				}
				if tc.change != nil {
					tc.change(r)
				}
			})
			o := Observation{Job: job, Now: noon, Latest: latest, Run: Run{Known: true}}
			if got := report(o, decide(o), Done{}).SecondsLeft; got == nil || *got != tc.want {
				t.Errorf("%s: %d seconds are left, want %d", tc.reason, *got, tc.want)
			}
		})
	}
}

// TestStatusIsStable asserts that a visit that finds nothing new writes nothing
// new: conditions do not flap and times do not move.
func TestStatusIsStable(t *testing.T) {
	t.Parallel()
	o := Observation{Job: jobWith(started(time.Minute)), Now: noon, Latest: crawling(), Run: Run{Known: true}}
	first := report(o, decide(o), Done{})
	o.Job.Status = first
	o.Now, o.Quiet = noon.Add(7*time.Second), 7*time.Second
	if diff := cmp.Diff(first, report(o, decide(o), Done{})); diff != "" {
		t.Errorf("the second visit changed the status (-first +second):\n%s", diff)
	}
	o.Latest = crawling(func(r *workflows.Report) { r.Stalled, r.Reason = true, workflows.ReasonStoreUnreachable })
	third := report(o, decide(o), Done{})
	for i, c := range third.Conditions {
		same := c.Status == first.Conditions[i].Status
		if same != c.LastTransitionTime.Equal(&first.Conditions[i].LastTransitionTime) {
			t.Errorf("%s: status %s → %s, transition %s → %s", c.Type, first.Conditions[i].Status, c.Status,
				first.Conditions[i].LastTransitionTime, c.LastTransitionTime)
		}
	}
}

func TestStatusOfEndedCrawl(t *testing.T) {
	t.Parallel()
	result := completed()
	result.Archive = workflows.Archive{Bucket: "archive", Prefix: "research/board/x"}
	o := Observation{Job: jobWith(started(time.Hour)), Now: noon, Latest: crawling(), Run: Run{Known: true, Ended: result}}
	got := report(o, decide(o), Done{})
	if got.Progress != "3/3" || *got.Counters.Archived != 2 {
		t.Errorf("progress is %s with %d archived, want the counts of the verdict: 3/3 with 2", got.Progress, *got.Counters.Archived)
	}
	if got.SecondsLeft != nil || got.PagesPerMinute != nil {
		t.Error("a crawl that is over has a speed")
	}
	if got.FinishedAt == nil || !got.FinishedAt.Time.Equal(noon) {
		t.Errorf("finished at %v, want %v", got.FinishedAt, noon)
	}
	want := &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "research/board/x", Statement: result.Statement}
	if diff := cmp.Diff(want, got.Archive); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	o := Observation{Job: jobWith(started(time.Minute)), Now: noon, Latest: crawling(), Run: Run{Known: true}}
	status := report(o, decide(o), Done{})
	if got := announce(o.Job, status); len(got) != 1 || got[0].Reason != "Crawling" || got[0].Type != "Normal" {
		t.Errorf("first report: events %v, want one Normal Crawling", got)
	}
	o.Job.Status = status
	o.Latest = crawling(func(r *workflows.Report) { r.Counts.Archived++; r.Message = "Still going." })
	if got := announce(o.Job, report(o, decide(o), Done{})); len(got) != 0 {
		t.Errorf("progress alone: events %v, want none", got)
	}
	o.Latest = crawling(func(r *workflows.Report) { r.Stalled, r.Reason = true, workflows.ReasonStoreFull })
	if got := announce(o.Job, report(o, decide(o), Done{})); len(got) != 1 || got[0].Type != "Warning" {
		t.Errorf("stall: events %v, want one Warning", got)
	}
	o.Job.Status = report(o, decide(o), Done{})
	o.Now, o.Latest = noon.Add(95*time.Second), crawling(func(r *workflows.Report) { r.Counts.Archived++ })
	if got := announce(o.Job, report(o, decide(o), Done{})); len(got) != 1 || got[0].Type != "Normal" || !strings.HasPrefix(got[0].Note, "StoreFull is over after 1m35s. ") {
		t.Errorf("end of a stall: events %v, want one Normal that says how long it lasted", got)
	}
}
