// Command verify checks, offline, what crawlfleet keeps. It is "crawlctl verify" alone: a small
// program without a browser, to be handed over with what it checks.
//
// Exit codes: 0 when everything holds, 1 when something does not, 2 when the command line made
// no sense, 3 when something could not be checked, 130 when it was interrupted.
package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/verify/command"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings passed in.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := cli.Signals(context.Background())
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return cli.Exit(stderr, "verify", root.ExecuteContext(ctx))
}

func newRoot() *cobra.Command {
	root := command.New("verify")
	root.Version = cli.ReadBuild().String()
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return &cli.Error{Code: cli.ExitUsage, Err: err}
	})
	return root
}
