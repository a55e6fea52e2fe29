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

// quiet implements the SDK's log.Logger.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
