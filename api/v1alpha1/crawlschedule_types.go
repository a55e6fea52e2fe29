package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CrawlSchedule orders the same crawl again and again: at each of its times it
// creates a CrawlJob from its template. It is kept by Temporal as a Schedule, so
// that times are met while the operator is away. Each CrawlJob is an order of its
// own, with its own verdict and archive.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=crawlschedules,scope=Namespaced,shortName=crawlsched,categories=crawling
// +kubebuilder:printcolumn:name="Schedule",type=string,JSONPath=`.status.schedule`,description="When crawls begin"
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.spec.state`,description="Active or Suspended"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="How the schedule stands"
// +kubebuilder:printcolumn:name="Last",type=date,JSONPath=`.status.lastFiringTime`,description="When it last fired"
// +kubebuilder:printcolumn:name="Next",type=string,JSONPath=`.status.nextFiringTime`,description="When it fires next"
// +kubebuilder:printcolumn:name="Verdict",type=string,JSONPath=`.status.lastJob.reason`,description="Where the newest CrawlJob is, or its verdict"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 47 && !self.metadata.name.contains('.')",message="the name must have at most 47 characters and no dots: the names of the CrawlJobs are made of it and of their time"
type CrawlSchedule struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says when to crawl, and what.
	// +required
	Spec CrawlScheduleSpec `json:"spec,omitzero"`

	// status is what the operator last learned about the schedule.
	// +optional
	Status CrawlScheduleStatus `json:"status,omitempty,omitzero"`
}

// CrawlScheduleList is a list of CrawlSchedules.
//
// +kubebuilder:object:root=true
type CrawlScheduleList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the CrawlSchedules.
	Items []CrawlSchedule `json:"items"`
}

// CrawlScheduleSpec says when to crawl, and what. All of it may be changed; CrawlJobs
// that exist stay as they were ordered.
//
// +kubebuilder:validation:XValidation:rule="!has(self.startingAt) || !has(self.endingAt) || self.startingAt < self.endingAt",fieldPath=".endingAt",message="endingAt must be later than startingAt"
type CrawlScheduleSpec struct {
	// schedule says at which times a crawl begins.
	// +required
	Schedule CrawlTimes `json:"schedule,omitzero"` //nolint:kubeapilinter // a rule with a message that helps says that it may not be empty

	// timeZone is where the clock hangs by which cron is read: a name of the IANA
	// time zone database, such as Europe/Vienna. Where clocks are put forward, times
	// in the hour that is left out do not come; where they are put back, those in
	// the hour that comes twice come twice.
	// +optional
	// +default="UTC"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') && self != 'Local'",message="must be a name of the IANA time zone database, such as Europe/Vienna or UTC"
	TimeZone string `json:"timeZone,omitempty"`

	// jitterSeconds puts each time off by a random length up to this one, so that
	// sites are not visited to the second. It ends before the next time.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	JitterSeconds int32 `json:"jitterSeconds,omitempty"`

	// startingAt leaves out the times before it. As in RFC 3339, with capital
	// letters: 2035-01-01T00:00:00Z.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	StartingAt *metav1.Time `json:"startingAt,omitempty"`

	// endingAt leaves out the times after it. As in RFC 3339, with capital letters:
	// 2035-12-31T23:59:59Z.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	EndingAt *metav1.Time `json:"endingAt,omitempty"`

	// overlapPolicy says what happens when a time comes while the CrawlJob of an
	// earlier one is not over: Skip passes the time over, BufferOne begins one
	// crawl when that one is over, BufferAll one for each time, CancelOther cancels
	// that one, waits until it is sealed and begins then, AllowAll begins at once,
	// beside it.
	// +optional
	// +default="Skip"
	OverlapPolicy OverlapPolicy `json:"overlapPolicy,omitempty"`

	// catchUpWindowSeconds is how late a crawl may begin whose time came while
	// Temporal was away. What is later is missed, and counted.
	// +optional
	// +default=3600
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=31622400
	CatchUpWindowSeconds int32 `json:"catchUpWindowSeconds,omitempty"`

	// state is what the schedule should be doing: Active creates CrawlJobs, Suspended
	// creates none until it is Active again. Times that pass meanwhile are not made up
	// for; a backfill does that. CrawlJobs that exist go on.
	// +optional
	// +default="Active"
	State ScheduleState `json:"state,omitempty"`

	// backfill asks to crawl once for each time of the schedule in a range that has
	// passed, one after another.
	// +optional
	Backfill Backfill `json:"backfill,omitempty,omitzero"`

	// jobTemplate is what each CrawlJob is made from.
	// +required
	JobTemplate CrawlJobTemplate `json:"jobTemplate,omitzero"`

	// successfulJobsHistoryLimit is how many CrawlJobs are kept that have succeeded;
	// the oldest are deleted. What they archived stays in the store.
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	SuccessfulJobsHistoryLimit *int32 `json:"successfulJobsHistoryLimit,omitempty"`

	// failedJobsHistoryLimit is the same for those that have failed or were cancelled.
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	FailedJobsHistoryLimit *int32 `json:"failedJobsHistoryLimit,omitempty"`
}

// CrawlTimes are the times at which crawls begin: those of all its parts together.
//
// +kubebuilder:validation:XValidation:rule="(has(self.cron) && self.cron.size() > 0) || (has(self.intervals) && self.intervals.size() > 0)",message="give at least one time: schedule.cron or schedule.intervals"
type CrawlTimes struct {
	// cron are times by the clock and the calendar of timeZone.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Cron []CronExpression `json:"cron,omitempty"`

	// intervals are times at an equal distance, counted from 1970-01-01T00:00:00Z.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Intervals []Interval `json:"intervals,omitempty"`
}

// CronExpression is five fields: minute, hour, day of the month, month and day of the
// week. A day must match both of its fields, unlike in crontab(5), where one is enough
// when both are given.
//
// +kubebuilder:validation:MinLength=9
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9A-Za-z*,/-]+( [0-9A-Za-z*,/-]+){4}$')",message="must be five fields with one space in between, minute hour day-of-month month day-of-week, such as 30 3 * * MON-FRI"
type CronExpression string

// Interval is a distance between times.
//
// +kubebuilder:validation:XValidation:rule="!has(self.offsetSeconds) || self.offsetSeconds < self.everySeconds",fieldPath=".offsetSeconds",message="offsetSeconds must be less than everySeconds"
type Interval struct {
	// everySeconds is the distance.
	// +required
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=31622400
	EverySeconds int32 `json:"everySeconds,omitempty"`

	// offsetSeconds puts all of them off.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=31622400
	OffsetSeconds int32 `json:"offsetSeconds,omitempty"`
}

// OverlapPolicy says what happens at a time while an earlier CrawlJob is not over.
//
// +enum
// +kubebuilder:validation:Enum=Skip;BufferOne;BufferAll;CancelOther;AllowAll
type OverlapPolicy string

// The overlap policies.
const (
	// OverlapSkip passes the time over.
	OverlapSkip OverlapPolicy = "Skip"
	// OverlapBufferOne begins one crawl when the earlier one is over.
	OverlapBufferOne OverlapPolicy = "BufferOne"
	// OverlapBufferAll begins a crawl for each time, one after another.
	OverlapBufferAll OverlapPolicy = "BufferAll"
	// OverlapCancelOther cancels the earlier one and begins when it is sealed.
	OverlapCancelOther OverlapPolicy = "CancelOther"
	// OverlapAllowAll begins at once, beside it.
	OverlapAllowAll OverlapPolicy = "AllowAll"
)

// ScheduleState is what a schedule should be doing.
//
// +enum
// +kubebuilder:validation:Enum=Active;Suspended
type ScheduleState string

// The states that a schedule can be asked for.
const (
	// ScheduleActive creates CrawlJobs.
	ScheduleActive ScheduleState = "Active"
	// ScheduleSuspended creates none until it is Active again.
	ScheduleSuspended ScheduleState = "Suspended"
)

// Backfill asks to crawl for times that have passed. It is done once for a name: to
// ask again, give it another one.
//
// +kubebuilder:validation:XValidation:rule="self.from < self.to",fieldPath=".to",message="to must be later than from"
// +kubebuilder:validation:XValidation:rule="self.name != oldSelf.name || (self.from == oldSelf.from && self.to == oldSelf.to)",fieldPath=".name",reason=FieldValueForbidden,message="a backfill is done once for its name: give the new range another name"
type Backfill struct {
	// name tells this request from others.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="must be lower case letters, digits and dashes"
	Name string `json:"name,omitempty"`

	// from is where the range begins. As in RFC 3339, with capital letters.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	From metav1.Time `json:"from,omitempty,omitzero"` //nolint:kubeapilinter // a time cannot be empty but by being absent

	// to is where it ends. A range that ends later than now is waited for.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	To metav1.Time `json:"to,omitempty,omitzero"` //nolint:kubeapilinter // a time cannot be empty but by being absent
}

// CrawlJobTemplate is what CrawlJobs are made from.
type CrawlJobTemplate struct {
	// metadata is put on each CrawlJob.
	// +optional
	Metadata TemplateMetadata `json:"metadata,omitempty,omitzero"`

	// spec is the order. It is held to the same rules as that of a CrawlJob.
	// +required
	// +kubebuilder:validation:XValidation:rule="self.state == 'Active'",fieldPath=".state",message="leave state out: each CrawlJob begins Active; use spec.state of the CrawlSchedule for a pause"
	Spec CrawlJobSpec `json:"spec,omitzero"`
}

// TemplateMetadata are labels and annotations for CrawlJobs. Those that begin with
// crawlfleet.dev/ are the operator's own.
//
// +kubebuilder:validation:MinProperties=1
type TemplateMetadata struct {
	// labels are put on each CrawlJob.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('crawlfleet.dev/') && k.size() <= 317 && !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())",message="must be labels as Kubernetes knows them, and none that begins with crawlfleet.dev/"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations are put on each CrawlJob.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('crawlfleet.dev/') && k.size() <= 317 && !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="must be annotations as Kubernetes knows them, and none that begins with crawlfleet.dev/"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string
