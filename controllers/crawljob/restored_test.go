package crawljob

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// before is the run that a restored CrawlJob had in the cluster it was saved in.
const before types.UID = "0b0e3c1e-0000-4000-8000-00000000000b"

func restored(job *v1alpha1.CrawlJob) {
	job.Annotations = map[string]string{v1alpha1.AnnotationRun: string(before)}
	job.Labels = map[string]string{v1alpha1.LabelSchedule: "nightly"}
}

// TestRestoredOrders: an order that was restored is handed over as the run that it had, also when it
// is over, so that how its run ended is found.
func TestRestoredOrders(t *testing.T) {
	t.Parallel()
	expired := func(job *v1alpha1.CrawlJob) { job.Spec.Authorization.NotAfter = metav1.NewTime(noon) }
	for name, tc := range map[string]struct {
		reason string
		change []func(*v1alpha1.CrawlJob)
		judged *Standing
		want   Decision
	}{
		"Active":    {reason: "It goes on.", want: Decision{Start: true, Standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding}}},
		"Cancelled": {reason: "It is looked how it ended.", change: []func(*v1alpha1.CrawlJob){state(v1alpha1.StateCancelled)}, want: Decision{Start: true, Standing: Standing{Mood: Moves, Reason: workflows.ReasonSealing}}},
		"Expired":   {reason: "It is sealed.", change: []func(*v1alpha1.CrawlJob){expired}, want: Decision{Start: true, Standing: Standing{Mood: Moves, Reason: workflows.ReasonSealing}}},
		"ExpiredAndNotApproved": {reason: "To seal it takes no approval.", change: []func(*v1alpha1.CrawlJob){expired}, judged: &Standing{Mood: Waits, Reason: workflows.ReasonApprovalMissing},
			want: Decision{Start: true, Standing: Standing{Mood: Moves, Reason: workflows.ReasonSealing}}},
		"NotApproved": {reason: "No page is visited before it is approved.", judged: &Standing{Mood: Waits, Reason: workflows.ReasonApprovalMissing},
			want: Decision{Standing: Standing{Mood: Waits, Reason: workflows.ReasonApprovalMissing}}},
		"Suspended": {reason: "It rests.", change: []func(*v1alpha1.CrawlJob){state(v1alpha1.StateSuspended)}, want: Decision{Standing: Standing{Mood: Rests, Reason: workflows.ReasonSuspended}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := jobWith(append(tc.change, restored)...)
			got := decide(Observation{Job: job, Now: noon, Asked: true, Judged: tc.judged})
			if got.Start != tc.want.Start || got.Standing.Mood != tc.want.Standing.Mood || got.Standing.Reason != tc.want.Standing.Reason {
				t.Errorf("%s It is %+v, want %+v", tc.reason, got, tc.want)
			}
		})
	}
}

// TestRestoredInput: the run has its name of before, and says what made it.
func TestRestoredInput(t *testing.T) {
	t.Parallel()
	in := runInput(jobWith(restored), SeedList{}, ScriptList{}, nil)
	if in.Run != string(before) || !in.Restored || in.Schedule != "nightly" {
		t.Errorf("the input is run %q, restored %t, of schedule %q", in.Run, in.Restored, in.Schedule)
	}
	if in := runInput(jobWith(), SeedList{}, ScriptList{}, nil); in.Run != string(uid) || in.Restored {
		t.Errorf("the input of what was not restored is run %q, restored %t", in.Run, in.Restored)
	}
}
