package payload

import (
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
)

// failures encodes what went wrong. The SDK's converter panics when it cannot encrypt the text of
// a failure, and then the server is told nothing until the task has timed out.
type failures struct {
	converter.FailureConverter
	keys *Keys
}

// ErrorToFailure implements converter.FailureConverter. Without keys the failure says that alone. It is
// one of an activity or of a task: workflows do not fail then.
func (f failures) ErrorToFailure(err error) *failurepb.Failure {
	if err == nil || f.keys.Ready() == nil {
		return f.FailureConverter.ErrorToFailure(err)
	}
	return &failurepb.Failure{
		Message: "what failed cannot be said: the payload keys are missing or broken, see the program's log",
		Source:  "GoSDK",
		FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
			ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "PayloadKeysMissing"},
		},
	}
}
