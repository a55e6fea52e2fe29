//go:build !linux || !amd64

package harness

import (
	"errors"
	"time"
)

// ShiftClock sets the wall clock of one running process off. It can where the processor is
// an amd64 and the system is Linux.
func ShiftClock(int, time.Duration) (right func() error, err error) {
	return nil, errors.New("shift the clock of a process: its code is written for Linux on amd64 alone")
}
