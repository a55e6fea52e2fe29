// Devstack starts, from one binary, what crawlfleet has as separate services in
// production: a Kubernetes API server with etcd, a Temporal server and an S3
// store. All are real and keep their state in one folder.
//
//	devstack start --dir DIR     run until Ctrl-C or devstack stop
//	devstack status --dir DIR    what runs, and whether it answers
//	devstack env --dir DIR       shell exports for clients
//	devstack stop --dir DIR      end it
//	devstack run --dir DIR       make run: the stack, the fleet and a crawl
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/devstack/run"
	"crawlfleet.dev/crawlfleet/devstack/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
		stop()
		os.Exit(exitCode(err))
	}
}

// exitCode is that of a shell for what was interrupted (128 and the signal's number).
func exitCode(err error) int {
	if errors.Is(err, run.ErrInterrupted) {
		return 128 + int(syscall.SIGINT)
	}
	return 1
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "devstack",
		Short:         "Kubernetes API server, Temporal and S3 in one binary, for development and tests",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newStartCommand(),
		newStatusCommand(),
		newEnvCommand(),
		newStopCommand(),
		newRunCommand(),
		newPartCommand(stack.Kube),
		newPartCommand(stack.Temporal),
		newPartCommand(stack.S3),
	)
	return root
}

// dirFlag adds --dir, which every command needs.
func dirFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "the stack's folder")
	if err := cmd.MarkFlagRequired("dir"); err != nil {
		panic(err) // the flag was added on the line before
	}
}
