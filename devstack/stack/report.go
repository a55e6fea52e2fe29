package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// parentEnv tells a child whose child it is.
const parentEnv = "DEVSTACK_PARENT"

// reportFD is the descriptor on which a child writes its one report.
const reportFD = 3

// report is what a child tells its parent, once.
type report struct {
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"`
}

// Reporter is a child's line to its parent.
type Reporter struct {
	pipe *os.File
}

// NewReporter checks that this process was started by StartChild and that the
// parent still lives: it may have died before the kernel knew that its children
// are to die with it.
func NewReporter() (*Reporter, error) {
	parent, err := strconv.Atoi(os.Getenv(parentEnv))
	if err != nil {
		return nil, errors.New("this command is run by \"devstack start\", not by hand")
	}
	if os.Getppid() != parent {
		return nil, fmt.Errorf("the parent, process %d, is gone", parent)
	}
	// Processes that this one starts, if any, are not to hold the pipe open.
	syscall.CloseOnExec(reportFD)
	return &Reporter{pipe: os.NewFile(reportFD, "report")}, nil
}

// Ready tells the parent that the part serves.
func (r *Reporter) Ready() error { return r.send(report{Ready: true}) }

// Failed tells the parent why the part does not.
func (r *Reporter) Failed(err error) error { return r.send(report{Error: err.Error()}) }

func (r *Reporter) send(m report) error {
	if r.pipe == nil {
		return nil
	}
	err := json.NewEncoder(r.pipe).Encode(m)
	r.pipe.Close()
	r.pipe = nil
	if err != nil {
		return fmt.Errorf("report to the parent: %w", err)
	}
	return nil
}
