package crawlfleet

import "crawlfleet.dev/crawlfleet/workflows"

// The reasons of a CrawlFleet, beside those that it shares with CrawlJobs.
// docs/reference/crawlfleet.md explains each.
const (
	// ReasonRunning is that of an instance that does all that its spec asks for.
	ReasonRunning workflows.Reason = "Running"
	// ReasonPolicyOnly is that of one that asks for no pods.
	ReasonPolicyOnly workflows.Reason = "PolicyOnly"
	// ReasonNotTheFleet is that of a CrawlFleet that does not count.
	ReasonNotTheFleet workflows.Reason = "NotTheFleet"
	// ReasonRollingOut is that of pods that are being made.
	ReasonRollingOut workflows.Reason = "RollingOut"
	// ReasonPodsNotReady is that of pods that do not become ready.
	ReasonPodsNotReady workflows.Reason = "PodsNotReady"
	// ReasonImageMissing is that of pods whose image nobody has named.
	ReasonImageMissing workflows.Reason = "ImageMissing"
	// ReasonObjectRefused is that of an object that the API server does not take.
	ReasonObjectRefused workflows.Reason = "ObjectRefused"
	// ReasonVersionsUnknown is that of versions of conductors that Temporal does not tell about.
	ReasonVersionsUnknown workflows.Reason = "VersionsUnknown"

	// ReasonAnswering is that of a Temporal that answers.
	ReasonAnswering workflows.Reason = "Answering"
	// ReasonNamespaceMissing is that of a Temporal namespace that there is not.
	ReasonNamespaceMissing workflows.Reason = "NamespaceMissing"
	// ReasonTemporalDenied is that of a Temporal that does not let the operator in.
	ReasonTemporalDenied workflows.Reason = "TemporalDenied"

	// ReasonUsable is that of a store that takes and gives what workers ask for.
	ReasonUsable workflows.Reason = "Usable"
	// ReasonProbing is that of a store that is being tried.
	ReasonProbing workflows.Reason = "Probing"
	// ReasonProbeFailed is that of a store of which the pod that was to try it tells nothing.
	ReasonProbeFailed workflows.Reason = "ProbeFailed"

	// ReasonScaled is that of an event: a pool has another number of pods.
	ReasonScaled workflows.Reason = "Scaled"
	// ReasonRemoved is that of an event: an object is not asked for any more.
	ReasonRemoved workflows.Reason = "Removed"
)
