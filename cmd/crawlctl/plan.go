package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/workers/dryrun"
	"crawlfleet.dev/crawlfleet/workers/frontier"
)

type planFlags struct {
	orderFlags
	assume dryrun.Assumptions
	rows   int
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [flags] -f FILE",
		Short: "Say what a CrawlJob would do, without loading a page",
		Long: `Plan is a dry run. It reads CrawlJobs and their seeds, and says on which sites
they are, what robots.txt allows there and which pause it asks for, how many
pages are to be expected and how long that takes, how many shards the crawl
would have, and what is likely not to be what was meant.

Servers are asked for robots.txt and for the sitemaps that the order names, and
for nothing else, through the guard that a crawl goes through too; --no-robots
asks nobody. --timeout, --max-hosts and --max-sitemaps bound it, and the plan
says what was left out.

FILE may hold several CrawlJobs, and the ConfigMaps that their seeds are in. Of a
CrawlSchedule the CrawlJob is planned that it would create. The
file is held to what the API server holds it to, so what plan takes, kubectl
apply takes; a list to what a ConfigMap holds, and the order with its lists to
what can be handed to the workers at once.

The time is an estimate: of the known pages, one after another on each site with
its pause, on --tabs tabs, each --page-time. Whatever links bring comes on top.

Exit codes:
  0  the order could run; it may be with warnings
  1  it could not: its authorisation is over, or its seeds cannot be read
  2  the command line or the file made no sense`,
		Example: `  crawlctl plan -f job.yaml
  crawlctl plan -f job.yaml --seed-file ad-pages/urls.txt=urls.txt
  kubectl get crawl example-ads -o yaml | crawlctl plan -f -
  crawlctl plan -f job.yaml -o json | jq '.warnings[].reason'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.add(cmd, 2*time.Minute)
	fl := cmd.Flags()
	fl.IntVar(&f.assume.MaxHosts, "max-hosts", 200, "how many hosts are asked for their robots.txt, those with the most seeds first")
	fl.DurationVar(&f.assume.PageTime, "page-time", 5*time.Second, "how long a page takes, without the pause after it")
	fl.IntVar(&f.assume.Tabs, "tabs", 4, "how many pages the fleet captures at once")
	fl.IntVar(&f.rows, "rows", 20, "how many sites and disallowed seeds are listed, 0 for all; -o json has all sites")
	return cmd
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usage("want no argument, got %q: name the file with -f", args[0])
	}
	return nil
}

func (f *planFlags) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	cache, err := f.check()
	if err != nil {
		return err
	}
	switch a := f.assume; {
	case a.MaxHosts < 1:
		return cli.Usage("--max-hosts %d: want 1 or more; --no-robots asks none", a.MaxHosts)
	case a.PageTime <= 0 || a.Tabs < 1:
		return cli.Usage("--page-time %v, --tabs %d: must be more than nothing", a.PageTime, a.Tabs)
	case f.rows < 0:
		return cli.Usage("--rows %d: want 0, for all, or more", f.rows)
	}
	m, err := f.read(ctx, stdin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	runs := true
	for i := range m.jobs {
		r, err := f.plan(ctx, m, &m.jobs[i], cache, newStatus(stderr))
		if err != nil {
			return fmt.Errorf("%s: %w", jobName(&m.jobs[i]), err)
		}
		runs = runs && r.Runs
		if err := f.print(stdout, &m.jobs[i], r); err != nil {
			return err
		}
	}
	if !runs {
		return &cli.Error{Code: cli.ExitFailed}
	}
	return nil
}

// maxExamples is how many disallowed seeds of a site -o json lists.
const maxExamples = 100

func (f *planFlags) plan(ctx context.Context, m *manifests, job *v1alpha1.CrawlJob, cache *frontier.RobotsCache, progress *status) (*dryrun.Report, error) {
	defer progress.clear()
	g, err := f.gather(ctx, m, job, cache, progress)
	if err != nil {
		return nil, err
	}
	assume := f.assume
	assume.Examples = maxExamples
	r, err := dryrun.Plan(ctx, g.Order, assume, func(asked, hosts int) {
		progress.show("%d of %d hosts asked for robots.txt", asked, hosts)
	})
	if err != nil {
		return nil, err
	}
	for _, w := range g.warnings {
		r.Warnings = append(r.Warnings, w)
		r.Runs = r.Runs && !w.Stops
	}
	switch job.Spec.State {
	case v1alpha1.StateSuspended:
		r.Warn("Suspended", "spec.state is Suspended: nothing is loaded until it is Active")
	case v1alpha1.StateCancelled:
		r.Stop("Cancelled", "spec.state is Cancelled: nothing is loaded")
	}
	if r.Seeds == 0 && len(g.warnings) == 0 {
		r.Stop("InvalidSeeds", "there is no seed: the sitemaps name no page")
	}
	return r, nil
}
