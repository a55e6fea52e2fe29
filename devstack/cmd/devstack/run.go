package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/devstack/run"
)

func newRunCommand() *cobra.Command {
	var o run.Options
	cmd := &cobra.Command{
		Use:   "run --dir DIR",
		Short: "Start all of crawlfleet on this machine and crawl a site: what make run does",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
			return run.Run(cmd.Context(), o)
		},
	}
	dirFlag(cmd, &o.Dir)
	flags := cmd.Flags()
	flags.StringVar(&o.Bin, "bin", "bin", "folder of crawlfleet's programs and kubectl")
	flags.StringVar(&o.Config, "config", "config", "folder of the resource definitions")
	flags.StringVar(&o.Replay, "replay", "", "folder of ReplayWeb.page's files")
	flags.StringVar(&o.URL, "url", "", "site to crawl; the bundled demo when neither this nor --file is given")
	flags.StringVar(&o.File, "file", "", "file with a CrawlJob to apply")
	flags.BoolVar(&o.Once, "once", false, "end with the verdict of the crawl instead of serving on")
	return cmd
}
