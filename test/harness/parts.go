package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
)

// KillPart is kill -9 of one part of the stack ("kube", "temporal" or "s3"), which the stack starts again. It returns when
// the part is back.
func (f *Fleet) KillPart(ctx context.Context, part string) error {
	pid, err := f.signalPart(part, syscall.SIGKILL)
	if err != nil {
		return err
	}
	err = f.poll(ctx, readyTimeout, f.Stack, func() error {
		s, err := f.readState()
		if err == nil && s.PIDs[part] == pid {
			err = errors.New("it is not back yet")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for %s to come back: %w", part, err)
	}
	return nil
}

// FreezePart stops one part of the stack (SIGSTOP): it keeps its connections and answers nothing. thaw has it go on, and
// does nothing when it is called again.
func (f *Fleet) FreezePart(part string) (thaw func() error, err error) {
	pid, err := f.signalPart(part, syscall.SIGSTOP)
	if err != nil {
		return nil, err
	}
	return sync.OnceValue(func() error {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			return fmt.Errorf("thaw %s: %w", part, err)
		}
		return nil
	}), nil
}

// signalPart sends a signal to a part of the stack, and returns its process.
func (f *Fleet) signalPart(part string, signal syscall.Signal) (pid int, err error) {
	s, err := f.readState()
	if err != nil {
		return 0, fmt.Errorf("signal %s: %w", part, err)
	}
	pid = s.PIDs[part]
	ours, err := marked(f.mark)
	if err != nil {
		return 0, fmt.Errorf("signal %s: %w", part, err)
	}
	if !slices.Contains(ours, pid) {
		return 0, fmt.Errorf("signal %s: process %d is not of this stack", part, pid)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return 0, fmt.Errorf("signal %s: %w", part, err)
	}
	return pid, nil
}
