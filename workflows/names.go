package workflows

import (
	"fmt"
	"time"
)

// Namespace is the Temporal namespace that is used where none is configured.
const Namespace = "crawlfleet"

// Deployment is the name of the Worker Deployment that the versions of the workers of TaskQueueRun
// belong to, where none is configured. The other task queues have no versions.
const Deployment = "crawlfleet"

// The task queues. Each kind of work has its own, so that a pool can be scaled
// and limited for itself.
const (
	// TaskQueueRun is where the workflows run.
	TaskQueueRun = "crawlfleet-run"
	// TaskQueuePlan takes Preflight, StoreProfile, Restore, Seed, Plan, Sweep, Seal, Stamp and Erase:
	// store work without a browser.
	TaskQueuePlan = "crawlfleet-plan"
	// TaskQueueBrowser takes CrawlBundle.
	TaskQueueBrowser = "crawlfleet-browser"
	// TaskQueueOperator takes ReportStatus and ReportRetention, and all of CrawlFiring; the operator polls it.
	TaskQueueOperator = "crawlfleet-operator"
)

// The names under which workflows, activities and handlers are registered. They
// are part of every history: none may change.
const (
	WorkflowCrawlRun      = "CrawlRun"
	WorkflowFrontierShard = "FrontierShard"
	WorkflowCrawlFiring   = "CrawlFiring"
	WorkflowRetain        = "Retain"
	WorkflowStampRun      = "StampRun"

	ActivityPreflight    = "Preflight"
	ActivitySeed         = "Seed"
	ActivityPlan         = "Plan"
	ActivityCrawlBundle  = "CrawlBundle"
	ActivityAmend        = "Amend"
	ActivityRestore      = "Restore"
	ActivitySweep        = "Sweep"
	ActivitySeal         = "Seal"
	ActivityStamp        = "Stamp"
	ActivityReportStatus = "ReportStatus"
	ActivityStoreProfile = "StoreProfile"
	// ActivityErase erases what is due of a run, ActivityReportRetention tells the operator
	// what is left.
	ActivityErase           = "Erase"
	ActivityReportRetention = "ReportRetention"
	// ActivityFireCrawlJob creates the CrawlJob of a firing, ActivityFollowCrawlJob asks
	// how it is.
	ActivityFireCrawlJob   = "FireCrawlJob"
	ActivityFollowCrawlJob = "FollowCrawlJob"

	QueryProgress  = "Progress"
	UpdateSetState = "SetState"
	// UpdateSetProfile gives a run the stored browser state of a new log-in.
	UpdateSetProfile = "SetProfile"
	// UpdateAmend has a run go by an order that was widened.
	UpdateAmend = "Amend"

	// SignalShardReport carries a ShardReport from a shard to its run,
	// SignalShardControl a ShardControl from the run to a shard.
	SignalShardReport  = "ShardReport"
	SignalShardControl = "ShardControl"
	// SignalLook tells a firing that its CrawlJob has changed. It carries nothing.
	SignalLook = "Look"
	// SignalDecided tells a Retain that something was decided about its run. It carries
	// nothing: what was decided lies in the store.
	SignalDecided = "Decided"
	// SignalVersion wakes a workflow, so that it finds out that another version of the workers
	// has become current. It carries nothing.
	SignalVersion = "Version"
)

// RunWorkflowID is the id of the CrawlRun of the CrawlJob with this UID.
func RunWorkflowID(uid string) string { return "crawl-" + uid }

// ShardWorkflowID is the id of a shard of a run.
func ShardWorkflowID(uid string, shard int) string { return fmt.Sprintf("crawl-%s-s%d", uid, shard) }

// StampWorkflowID is the id of what fetches the time stamps that a run is owed.
func StampWorkflowID(uid string) string { return "crawl-" + uid + "-stamps" }

// ScheduleID is the id of the Temporal Schedule of the CrawlSchedule with this UID.
func ScheduleID(uid string) string { return "schedule-" + uid }

// FiringActionID is what the ids of its firings begin with.
func FiringActionID(uid string) string { return "firing-" + uid }

// FiringWorkflowID is the id of its CrawlFiring for a time: Temporal appends it so.
func FiringWorkflowID(uid string, at time.Time) string {
	return FiringActionID(uid) + "-" + at.UTC().Truncate(time.Second).Format(time.RFC3339)
}
