// Command crawlctl captures pages from the command line, with the same engine
// as the fleet and without Kubernetes, Temporal or a store: a machine with
// Chromium is enough.
//
// Exit codes: 0 when everything was archived, 1 when something was not, 2 when
// the command line made no sense, 130 when it was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/verify/command"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings passed in.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := cli.Signals(context.Background())
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return cli.Exit(stderr, cmd.CommandPath(), err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "crawlctl",
		Short: "Capture web pages as evidence",
		Long: `crawlctl captures web pages in a real headless Chrome and keeps everything
that was loaded: every request and response as it came over the wire, the
addresses and certificates of the connections, a screenshot, the rendered text,
the document and its links. The result is a WACZ file, which ReplayWeb.page and
other tools open.`,
		Example: `  # one page
  crawlctl capture https://example.org/

  # a list of pages, four at a time, one line of JSON a page
  crawlctl capture --pages pages.txt --concurrency 4 --out case-17.wacz --json

  # how long captures of a crawl are kept, and what a case needs of them
  crawlctl retention list research/board/UID
  crawlctl retention keep research/board/UID --case 17/2026 --until 2027-12-31 --why "evidence of case 17/2026"

  # what a CrawlJob would do, and why a page is in it or not
  crawlctl plan -f job.yaml
  crawlctl explain https://example.org/ads/1 -f job.yaml

  # find what was captured, and download it
  crawlctl snapshots list "room to let" --from 7d
  crawlctl snapshots get ID --wacz a.wacz

  # hand a run to another agency, and take one in
  crawlctl runs export research/board/UID --organization "An agency" --by desk --sign-key agency.pem --out board.zip
  crawlctl runs import board.zip --namespace research --trust-key sha256:...

  # approve what somebody else has ordered
  crawlctl approve board -n research

  # give an order elsewhere, and save those of a fleet
  crawlctl export job board -n research > board.yaml
  crawlctl export all -A > resources.yaml`,
		Version:       cli.ReadBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return &cli.Error{Code: cli.ExitUsage, Err: err}
	})
	root.AddCommand(newCapture(), newPlan(), newExplain(), newApprove(), newExport(), newProfile(), newSnapshots(), newRetention(), newRuns(), command.New("crawlctl verify"), newDossier(), newAudit(), newKeys(), newStamp(), newTSA(), newWACZ(), newVersion())
	strictArgs(root)
	return root
}

// strictArgs has the words of a command line that a command does not take be a usage error, in all
// commands: cobra's own errors do not know their exit code.
func strictArgs(cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		cmd.Args = noCommand
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if coded := (*cli.Error)(nil); err == nil || errors.As(err, &coded) {
				return err
			}
			return cli.Usage("%w", err)
		}
	}
	for _, sub := range cmd.Commands() {
		strictArgs(sub)
	}
}

// noCommand refuses words that are no command.
func noCommand(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usage("unknown command %q", args[0])
	}
	return nil
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "crawlctl", cli.ReadBuild())
			return err
		},
	}
}
