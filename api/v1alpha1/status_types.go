package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CrawlJobStatus is what the operator last learned about a crawl. The counters
// move on a slow beat (a few seconds at first, then ten); the conditions move at
// once.
//
// +kubebuilder:validation:MinProperties=1
type CrawlJobStatus struct {
	// conditions tell how the crawl is doing: Accepted, Sealed, Succeeded,
	// Finished, Reconciling and Stalled, and Retained once it is over. Wait for
	// Finished; Succeeded is the verdict.
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

	// progress is the number of pages with a final outcome and the number of
	// pages discovered so far, such as 34/80.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Progress string `json:"progress,omitempty"`

	// counters count pages and what was stored. Once the crawl has finished,
	// discovered = archived + failed + skipped.
	// +optional
	Counters *Counters `json:"counters,omitempty"`

	// failedByReason divides counters.failed by reason.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=64
	FailedByReason []ReasonCount `json:"failedByReason,omitempty"`

	// skippedByReason divides counters.skipped by reason.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=64
	SkippedByReason []ReasonCount `json:"skippedByReason,omitempty"`

	// pagesPerMinute is the present speed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000
	PagesPerMinute *int32 `json:"pagesPerMinute,omitempty"`

	// secondsLeft is how long the pages that are known now will take at the
	// present speed, or less when a limit or the authorisation ends the crawl
	// before. It is absent while that cannot be told.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	SecondsLeft *int64 `json:"secondsLeft,omitempty"`

	// startedAt is when the crawl was handed to the workers.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when the verdict was known.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// run names the Temporal workflow that does the crawl.
	// +optional
	Run RunReference `json:"run,omitempty,omitzero"`

	// archive says where the snapshots are.
	// +optional
	Archive *ArchiveReference `json:"archive,omitempty"`

	// profile says with which stored browser state the crawl visits pages.
	// +optional
	Profile *UsedProfile `json:"profile,omitempty"`

	// approvals are the CrawlApprovals that the crawl began with.
	// +optional
	// +listType=map
	// +listMapKey=uid
	// +kubebuilder:validation:MaxItems=64
	Approvals []CountedApproval `json:"approvals,omitempty"`
}

// Counters count pages by what became of them, and what was stored.
type Counters struct {
	// discovered counts every address that was found and looked at.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Discovered *int64 `json:"discovered,omitempty"`

	// queued counts pages that wait for their turn, those that wait for another
	// try among them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Queued *int64 `json:"queued,omitempty"`

	// inProgress counts pages that a worker has taken.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	InProgress *int64 `json:"inProgress,omitempty"`

	// archived counts pages whose snapshot is stored and whose checksum the store
	// has confirmed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Archived *int64 `json:"archived,omitempty"`

	// incomplete counts those archived pages of which something is missing that
	// should be there: a request that the browser made and nothing recorded, a
	// body that a limit cut off. The record urn:pageinfo: of each says what.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Incomplete *int64 `json:"incomplete,omitempty"`

	// unchanged counts those archived pages that are as the crawl has them that
	// spec.compareWith names, changed those that are not, new those that it has not,
	// notCompared those of which it cannot be said. The record urn:pageinfo: of each
	// says why. They are absent where there is nothing to compare with.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Unchanged *int64 `json:"unchanged,omitempty"`

	// changed is explained at unchanged.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Changed *int64 `json:"changed,omitempty"`

	// new is explained at unchanged.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	New *int64 `json:"new,omitempty"`

	// notCompared is explained at unchanged.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	NotCompared *int64 `json:"notCompared,omitempty"`

	// failed counts pages that were tried and given up.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Failed *int64 `json:"failed,omitempty"`

	// skipped counts pages that were left alone by a rule or a limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Skipped *int64 `json:"skipped,omitempty"`

	// bytes is the size of what was stored.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Bytes *int64 `json:"bytes,omitempty"`

	// chunks counts the stored WACZ files.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	Chunks *int64 `json:"chunks,omitempty"`
}

// ReasonCount counts pages with one reason.
type ReasonCount struct {
	// reason is the word for what happened; docs/reference/crawljob.md explains
	// each.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// count is the number of pages.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000000000000
	Count int64 `json:"count,omitempty"`
}

// RunReference names a Temporal workflow.
type RunReference struct {
	// workflowID of the workflow; it is derived from the UID of the CrawlJob.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	WorkflowID string `json:"workflowID,omitempty"`

	// runID of the first execution in the workflow's chain.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	RunID string `json:"runID,omitempty"`

	// screeningSeconds is the screening period that the crawl was started with. It is 0
	// of crawls that began before there was one: nothing of theirs is erased. It is
	// absent while the operator, which found the crawl begun, has not heard it yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000000000000
	ScreeningSeconds *int64 `json:"screeningSeconds,omitempty"`
}

// ArchiveReference says where the snapshots of a crawl are.
type ArchiveReference struct {
	// bucket that holds them.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Bucket string `json:"bucket,omitempty"`

	// prefix that the names of all their objects begin with.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Prefix string `json:"prefix,omitempty"`

	// statement is the name of the run's closing statement, once it is sealed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Statement string `json:"statement,omitempty"`

	// objectLock is what the bucket can do to keep the snapshots from being removed,
	// once that was looked at: when the crawl was over.
	// +optional
	ObjectLock ObjectLock `json:"objectLock,omitempty"`
}
