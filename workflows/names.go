package workflows

import "fmt"

// Namespace is the Temporal namespace that is used where none is configured.
const Namespace = "crawlfleet"

// The task queues. Each kind of work has its own, so that a pool can be scaled
// and limited for itself.
const (
	// TaskQueueRun is where the workflows run.
	TaskQueueRun = "crawlfleet-run"
	// TaskQueuePlan takes Preflight, StoreProfile, Seed, Plan and Seal: store work without a
	// browser.
	TaskQueuePlan = "crawlfleet-plan"
	// TaskQueueBrowser takes CrawlBundle.
	TaskQueueBrowser = "crawlfleet-browser"
	// TaskQueueOperator takes ReportStatus; the operator polls it.
	TaskQueueOperator = "crawlfleet-operator"
)

// The names under which workflows, activities and handlers are registered. They
// are part of every history: none may change.
const (
	WorkflowCrawlRun      = "CrawlRun"
	WorkflowFrontierShard = "FrontierShard"

	ActivityPreflight    = "Preflight"
	ActivitySeed         = "Seed"
	ActivityPlan         = "Plan"
	ActivityCrawlBundle  = "CrawlBundle"
	ActivitySeal         = "Seal"
	ActivityReportStatus = "ReportStatus"
	ActivityStoreProfile = "StoreProfile"

	QueryProgress  = "Progress"
	UpdateSetState = "SetState"
	// UpdateSetProfile gives a run the stored browser state of a new log-in.
	UpdateSetProfile = "SetProfile"

	// SignalShardReport carries a ShardReport from a shard to its run,
	// SignalShardControl a ShardControl from the run to a shard.
	SignalShardReport  = "ShardReport"
	SignalShardControl = "ShardControl"
)

// RunWorkflowID is the id of the CrawlRun of the CrawlJob with this UID.
func RunWorkflowID(uid string) string { return "crawl-" + uid }

// ShardWorkflowID is the id of a shard of a run.
func ShardWorkflowID(uid string, shard int) string { return fmt.Sprintf("crawl-%s-s%d", uid, shard) }
