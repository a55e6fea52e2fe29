package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/cluster/node"
)

// statusTimeout is how long the API server may take to answer.
const statusTimeout = 10 * time.Second

func newStatusCommand() *cobra.Command {
	var dir node.Dir
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether the cluster of a folder runs and is ready",
		Long:  `Status says whether the cluster runs, and whether its node and its pods are ready. Its exit status is 1 when the node is not.`,
		Args:  cobra.NoArgs,
	}
	dirFlag(cmd, &dir)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := node.Find(dir)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), statusTimeout)
		defer cancel()
		return status(ctx, cmd.OutOrStdout(), dir, s)
	}
	return cmd
}

func status(ctx context.Context, out io.Writer, dir node.Dir, s node.State) error {
	fmt.Fprintf(out, "process     %d\nserver      https://%s\nkubeconfig  %s\nlogs        %s\n", s.PID, s.Server, dir.Kubeconfig(), dir.Path("logs"))
	h, err := node.Ask(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "pods        %d, %d of them ready or done\n", h.Pods, h.Pods-len(h.Waiting))
	for _, w := range h.Waiting {
		fmt.Fprintf(out, "  waits     %s\n", w)
	}
	if !h.Ready {
		return errors.New("the node is not ready: " + h.Why)
	}
	fmt.Fprintln(out, "node        ready")
	return nil
}
