package workflows

import (
	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/client"
)

// anything matches any payload.
const anything = mock.Anything

func startOptions(uid string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: RunWorkflowID(uid), TaskQueue: TaskQueueRun}
}
