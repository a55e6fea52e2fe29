package workflows

import (
	"encoding/json"
	"fmt"
)

// StoreVerdict is what came of trying the store with a worker's rights, as one line of JSON that
// `worker probe` leaves as its message of termination.
type StoreVerdict struct {
	// As is by whose rights it was tried: conductor or browser.
	As string `json:"as"`
	// Reason is empty when the store can be used.
	Reason Reason `json:"reason,omitempty"`
	// Bucket and Step say where it failed.
	Bucket string `json:"bucket,omitempty"`
	Step   string `json:"step,omitempty"`
	// Message says what went wrong.
	Message string `json:"message,omitempty"`
	// ClockAheadSeconds is how far the pod's clock is ahead of the store's.
	ClockAheadSeconds int64 `json:"clockAheadSeconds,omitempty"`
}

// maxVerdictMessage is how many bytes the message may have: Kubernetes keeps 4096 of a container's
// message of termination, and one may take six when it is quoted.
const maxVerdictMessage = 512

// Line is the verdict as one line, which Kubernetes keeps whole.
func (v StoreVerdict) Line() string {
	if len(v.Message) > maxVerdictMessage {
		v.Message = v.Message[:maxVerdictMessage] + " ..."
	}
	raw, err := json.Marshal(v)
	if err != nil { // a struct of words and a number can be written
		return "{}"
	}
	return string(raw) + "\n"
}

// ParseStoreVerdict reads a message of termination.
func ParseStoreVerdict(message string) (StoreVerdict, error) {
	var v StoreVerdict
	if err := json.Unmarshal([]byte(message), &v); err != nil || v.As == "" {
		return v, fmt.Errorf("%.200q is no verdict about the store", message)
	}
	return v, nil
}
