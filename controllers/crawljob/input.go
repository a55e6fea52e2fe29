package crawljob

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

// runInput says in the words of package workflows what a CrawlJob orders.
func runInput(job *v1alpha1.CrawlJob, seeds SeedList, scripts ScriptList, profile *workflows.SealedProfile) workflows.RunInput {
	in := workflows.RunInput{
		FormatVersion: workflows.FormatVersion,
		Run:           string(job.RunUID()),
		Restored:      job.Restored(),
		Namespace:     job.Namespace,
		Name:          job.Name,
		Generation:    job.Generation,
		Schedule:      scheduleOf(job),
		Spec:          order.Spec(&job.Spec),
		SeedList:      seeds.Packed,
		Scripts:       scripts.Packed,
		Profile:       profile,
		State:         workflows.State(job.Spec.State),
	}
	in.Spec.Capture.Behaviors = behaviors(&job.Spec.Capture.Behaviors, scripts)
	return in
}

// scheduleOf is the schedule that made a job, empty for none. A job that was restored belongs to no
// other object, and has the label alone.
func scheduleOf(job *v1alpha1.CrawlJob) string {
	if job.Restored() {
		return job.Labels[v1alpha1.LabelSchedule]
	}
	if owner := metav1.GetControllerOf(job); owner != nil && owner.APIVersion == v1alpha1.GroupVersion.String() && owner.Kind == "CrawlSchedule" {
		return owner.Name
	}
	return ""
}

// amendment is the part of an order that may be widened while its crawl runs.
func amendment(job *v1alpha1.CrawlJob) workflows.Amend {
	spec := order.Spec(&job.Spec)
	return workflows.Amend{Generation: job.Generation, Limits: spec.Limits, Seeds: spec.Seeds.URLs}
}
