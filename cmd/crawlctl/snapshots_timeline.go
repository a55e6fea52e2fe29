package main

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

func newSnapshotsTimeline(p *portalFlags) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "timeline URL",
		Short: "List the captures of a URL with what changed from one to the next",
		Long: `Timeline lists the captures of a URL, the newest first, each with what became of the page since the
last time that it was there: First, Unchanged, Changed (with what did: Text, Document), Gone, Back, or
Unknown where the visit tells nothing. Pages that failed are among them. crawlctl snapshots diff shows what is different.`,
		Example: `  crawlctl snapshots timeline https://example.org/ads/1
  crawlctl snapshots timeline https://example.org/ads/1 --all -o jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("want one URL")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := f.listing("", time.Now())
			if err != nil {
				return err
			}
			if l.client, err = p.connect(); err != nil {
				return err
			}
			l.at, l.query = "/api/v1/timeline", url.Values{"url": {args[0]}}
			l.out, l.errs = newPrinter(f.output, cmd.OutOrStdout()), cmd.ErrOrStderr()
			l.out.table.columns = f.timelineColumns()
			l.again = again(cmd, args, l.query)
			return l.print(cmd.Context())
		},
	}
	f.addPaging(cmd)
	f.output.add(cmd, "table", "wide", "json", "jsonl", "yaml", "name")
	return cmd
}

// timelineColumns tell what changed, with all that a wide list has where that is asked for.
func (f *listFlags) timelineColumns() []column {
	if f.output.format != "wide" {
		return changes
	}
	at := slices.IndexFunc(wide, func(c column) bool { return c.head == "STATUS" }) + 1
	return slices.Insert(slices.Clone(wide), at, changed)
}

// changed is what became of the page.
var changed = column{head: "CHANGE", cell: changeOf}

// changes leave out the URL, which is known.
var changes = []column{
	{head: "TIME", cell: func(c capture) string { return shortTime(c.Time) }},
	{head: "STATUS", cell: statusOf},
	changed,
	{head: "TITLE", cell: func(c capture) string { return dash(c.Title) }, least: 12, rank: 1},
	{head: "JOB", cell: func(c capture) string { return c.Namespace + "/" + c.Job }, least: 10, rank: 2},
	{head: "ID", cell: func(c capture) string { return c.ID }},
}

// changeOf is what became of the page, and in what it changed.
func changeOf(c capture) string {
	return dash(strings.Join(compact([]string{c.Change, strings.Join(c.Parts, ",")}), ": "))
}
