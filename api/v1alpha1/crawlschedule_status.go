package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// LabelSchedule is the label of a CrawlJob that names the CrawlSchedule which
	// created it.
	LabelSchedule = "crawlfleet.dev/schedule"
	// AnnotationScheduledFor is the annotation of such a CrawlJob that says for which
	// time it was created, as in RFC 3339.
	AnnotationScheduledFor = "crawlfleet.dev/scheduled-for"
	// ScheduleFinalizer keeps a deleted CrawlSchedule until Temporal has let go of it.
	ScheduleFinalizer = "crawlfleet.dev/schedule"
)

// CrawlScheduleStatus is what the operator last learned about a CrawlSchedule.
//
// +kubebuilder:validation:MinProperties=1
type CrawlScheduleStatus struct {
	// conditions has one: Ready, which tells whether CrawlJobs are created as the spec
	// says.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status speaks
	// about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000000000000
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// schedule sums up at which times crawls begin, for people.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Schedule string `json:"schedule,omitempty"`

	// scheduleID names the Schedule in Temporal; it is derived from the UID of the
	// CrawlSchedule.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ScheduleID string `json:"scheduleID,omitempty"`

	// lastFiringTime is when the schedule last fired.
	// +optional
	LastFiringTime *metav1.Time `json:"lastFiringTime,omitempty"`

	// nextFiringTime is when it fires next. It is absent while it is suspended, and
	// when no time is left.
	// +optional
	NextFiringTime *metav1.Time `json:"nextFiringTime,omitempty"`

	// active are the CrawlJobs that are not over, the newest of them when there are
	// more than a hundred.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Active []ScheduledJob `json:"active,omitempty"`

	// lastJob is the CrawlJob of the latest time. It stays here when that CrawlJob is
	// gone.
	// +optional
	LastJob LastJob `json:"lastJob,omitempty,omitzero"`

	// lastSealed is the CrawlJob that ended last with a closing statement and archived
	// pages. The next one compares its pages with those. It stays here when that CrawlJob is
	// gone.
	// +optional
	LastSealed SealedJob `json:"lastSealed,omitempty,omitzero"`

	// lastSkipped is the last time for which no CrawlJob was created although the
	// schedule fired, and why. Times that the overlap policy passes over are counted in
	// firings.
	// +optional
	LastSkipped *SkippedFiring `json:"lastSkipped,omitempty"`

	// firings counts times by what became of them.
	// +optional
	Firings *FiringCounts `json:"firings,omitempty"`

	// backfill is the request that was handed to Temporal last.
	// +optional
	Backfill FiredBackfill `json:"backfill,omitempty,omitzero"`
}

// ScheduledJob names a CrawlJob of a schedule.
type ScheduledJob struct {
	// name of the CrawlJob.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// scheduledFor is the time that it was created for.
	// +optional
	ScheduledFor *metav1.Time `json:"scheduledFor,omitempty"`
}

// SealedJob names a CrawlJob whose snapshots others can be compared with.
type SealedJob struct {
	// name of the CrawlJob.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the CrawlJob.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	UID string `json:"uid,omitempty"`

	// finishedAt is when its verdict was known.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
}

// LastJob tells of a CrawlJob.
type LastJob struct {
	// name of the CrawlJob.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// scheduledFor is the time that it was created for.
	// +optional
	ScheduledFor *metav1.Time `json:"scheduledFor,omitempty"`

	// succeeded is its condition Succeeded: True or False once it is over, Unknown
	// before.
	// +optional
	// +kubebuilder:validation:Enum=True;False;Unknown
	Succeeded metav1.ConditionStatus `json:"succeeded,omitempty"`

	// reason is that of the condition once the CrawlJob is over, and Running before;
	// docs/reference/crawljob.md explains each.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
}

// SkippedFiring says why a time was passed over.
type SkippedFiring struct {
	// scheduledFor is the time.
	// +optional
	ScheduledFor *metav1.Time `json:"scheduledFor,omitempty"`

	// reason is a word that docs/reference/crawlschedule.md explains.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says what happened and what to do.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// FiringCounts counts times by what became of them, since the schedule exists in
// Temporal.
type FiringCounts struct {
	// fired counts times at which the schedule fired, those of backfills among them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Fired *int64 `json:"fired,omitempty"`

	// overlapped counts times that the overlap policy passed over.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Overlapped *int64 `json:"overlapped,omitempty"`

	// missed counts times that were later than the catch-up window allows.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Missed *int64 `json:"missed,omitempty"`
}

// FiredBackfill is a backfill that was handed to Temporal.
type FiredBackfill struct {
	// name of the request.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// from is where its range begins.
	// +optional
	From *metav1.Time `json:"from,omitempty"`

	// to is where it ends.
	// +optional
	To *metav1.Time `json:"to,omitempty"`

	// firedAt is when it was handed over. Its CrawlJobs follow one after another.
	// +optional
	FiredAt *metav1.Time `json:"firedAt,omitempty"`
}
