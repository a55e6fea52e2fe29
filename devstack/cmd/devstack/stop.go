package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// stopPoll is how often "stop" looks whether the stack is gone.
const stopPoll = 100 * time.Millisecond

func newStopCommand() *cobra.Command {
	var dir string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "stop --dir DIR",
		Short: "End the stack in DIR and wait until it is gone; nothing to do is no error",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			holder, held, err := stack.FindHolder(dir)
			if err != nil {
				return err
			}
			if !held {
				fmt.Fprintf(cmd.OutOrStdout(), "no stack is running in %s\n", dir)
				return nil
			}
			if holder.PID <= 0 {
				return fmt.Errorf("the stack in %s has only just begun to start; try again", dir)
			}
			if err := syscall.Kill(holder.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end process %d: %w", holder.PID, err)
			}
			for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(stopPoll) {
				if _, held, err = stack.FindHolder(dir); err != nil || !held {
					return err
				}
			}
			return fmt.Errorf("process %d has not ended after %s; see its logs in %s, or end it with kill -9: no state is lost",
				holder.PID, timeout, filepath.Join(dir, stack.LogDir))
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait")
	return cmd
}
