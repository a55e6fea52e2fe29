package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register makes the workflows known to a worker under their fixed names.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(CrawlRun, workflow.RegisterOptions{Name: WorkflowCrawlRun})
	r.RegisterWorkflowWithOptions(FrontierShard, workflow.RegisterOptions{Name: WorkflowFrontierShard})
	r.RegisterWorkflowWithOptions(Retain, workflow.RegisterOptions{Name: WorkflowRetain})
	r.RegisterWorkflowWithOptions(StampRun, workflow.RegisterOptions{Name: WorkflowStampRun})
}
