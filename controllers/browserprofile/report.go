package browserprofile

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
)

// report writes the status of a BrowserProfile. It is pure.
func report(o Observation, d Decision) v1alpha1.BrowserProfileStatus {
	status := *o.Profile.Status.DeepCopy()
	status.ObservedGeneration = o.Profile.Generation
	c := kube.NewConditions(o.Profile.Status.Conditions, o.Profile.Generation, o.Now)
	c.Set(v1alpha1.ConditionReady, d.Status, string(d.Reason), d.Message)
	status.Conditions = c.List()
	status.Expired = d.Expired
	status.State = nil
	if o.Problem == nil {
		status.State = &v1alpha1.ProfileState{
			SHA256: o.SHA256, Cookies: new(int32(o.Summary.Cookies)), ExpiredCookies: new(int32(o.Summary.Expired)),
			Origins: new(int32(o.Summary.Origins)), EarliestExpiry: seconds(o.Summary.Earliest),
		}
	}
	for _, u := range o.Uses {
		if u.StartedAt != nil && (status.LastUsed == nil || status.LastUsed.Before(u.StartedAt)) {
			status.LastUsed = u.StartedAt
		}
	}
	return status
}

func seconds(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	s := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &s
}

// changed reports whether a new status is worth an event.
func changed(p *v1alpha1.BrowserProfile, d Decision) bool {
	before := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	return before == nil || before.Status != d.Status || before.Reason != string(d.Reason)
}
