package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workers/dryrun"
)

type explainFlags struct {
	orderFlags
	at dryrun.Place
}

func newExplain() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain [flags] -f FILE URL...",
		Short: "Say what a CrawlJob does with an address, and by which rule",
		Long: `Explain reads CrawlJobs and says of each address what the crawl would do with it:
how the address is written, who it belongs to (its site is the unit of
politeness), whether it is in scope and which rule says so, whether robots.txt
allows it and which line says so, and the pause between two pages of its site.

It decides with the rules of the crawl itself. Servers are asked for robots.txt
and for the sitemaps that the order names, whose pages are seeds; --no-robots
asks nobody. No page is loaded.

An address is judged as a link on a seed (depth 1), unless it is a seed, which
is visited whatever the scope says. --depth, --hops and --via say otherwise. A
crawl learns more than is known beforehand: where seeds redirect to widens the
scope, and limits leave out what is in it.

FILE may hold several CrawlJobs, and the ConfigMaps that their seeds are in.

Exit codes:
  0  every address was explained, whatever came of it
  1  one is no address that can be visited, or the seeds cannot be read
  2  the command line or the file made no sense`,
		Example: `  crawlctl explain https://example.org/ads/1 -f job.yaml
  crawlctl explain https://example.org/ads/1 -f job.yaml --via https://example.org/ads/
  crawlctl explain --no-robots --depth 3 https://example.org/logout -f job.yaml
  crawlctl explain -f job.yaml -o json $(cat urls.txt) | jq -r 'select(.visited | not) | [.url, .reason] | @tsv'`,
		Args: minArgs(1, "at least one URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f.add(cmd, time.Minute)
	fl := cmd.Flags()
	fl.IntVar(&f.at.Depth, "depth", -1, "how many links away from a seed the address is judged at (default: 0 for a seed, else one more than --via, else 1)")
	fl.IntVar(&f.at.Hops, "hops", -1, "how many links beyond the scope led to the page that it is found on (default: worked out from --via, else 0)")
	fl.StringVar(&f.at.Via, "via", "", "`URL` of the page that it is found on")
	return cmd
}

func (f *explainFlags) run(ctx context.Context, addresses []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cache, err := f.check()
	if err != nil {
		return err
	}
	if f.at.Depth < -1 || f.at.Hops < -1 {
		return cli.Usage("--depth %d, --hops %d: want 0 or more", f.at.Depth, f.at.Hops)
	}
	if f.at.Via != "" {
		if _, err := urls.Canonicalize(f.at.Via); err != nil {
			return cli.Usage("--via: %w", err)
		}
	}
	m, err := f.read(ctx, stdin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	bad := 0
	for i := range m.jobs {
		job := &m.jobs[i]
		progress := newStatus(stderr)
		g, err := f.gather(ctx, m, job, cache, progress)
		progress.clear()
		if err != nil {
			return fmt.Errorf("%s: %w", jobName(job), err)
		}
		warnOver(stderr, job, g.Now)
		n, err := f.explain(ctx, jobName(job), g, addresses, stdout, stderr)
		if err != nil {
			return fmt.Errorf("%s: %w", jobName(job), err)
		}
		bad += n
	}
	if bad > 0 {
		return &cli.Error{Code: cli.ExitFailed}
	}
	return nil
}

// warnOver says when an order visits nothing any more, whatever its rules say of an address.
func warnOver(w io.Writer, job *v1alpha1.CrawlJob, now time.Time) {
	if end := job.Spec.Authorization.NotAfter; !now.Before(end.Time) {
		fmt.Fprintf(w, "warning: the authorisation ended at %s: nothing is visited any more\n", end.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if job.Spec.State == v1alpha1.StateCancelled {
		fmt.Fprintln(w, "warning: spec.state is Cancelled: nothing is visited any more")
	}
}

// explain explains addresses, and returns how many of them are none.
func (f *explainFlags) explain(ctx context.Context, job string, g *gathered, addresses []string, stdout, stderr io.Writer) (bad int, err error) {
	e, err := dryrun.NewExplainer(g.Order)
	if err != nil {
		return 0, err
	}
	if f.at.Via != "" {
		if err := e.Via(f.at.Via); err != nil {
			fmt.Fprintln(stderr, cli.OneLine(fmt.Sprintf("warning: --via %s: %v", f.at.Via, err)))
		}
	}
	for _, w := range g.warnings {
		fmt.Fprintln(stderr, cli.OneLine("warning: "+w.Message))
	}
	progress := newStatus(stderr)
	for n, address := range addresses {
		progress.show("%d of %d addresses", n, len(addresses))
		x := e.Explain(ctx, address, f.at)
		progress.clear()
		if x.Error != "" {
			bad++
		}
		if err := f.print(stdout, job, x); err != nil {
			return bad, err
		}
	}
	return bad, nil
}

// explained is a line of -o json.
type explained struct {
	Job string `json:"job"`
	dryrun.Explanation
}

func (f *explainFlags) print(w io.Writer, job string, x dryrun.Explanation) error {
	if f.output == "json" {
		return cli.WriteJSON(w, explained{job, x})
	}
	fmt.Fprintln(w, cli.OneLine(x.URL))
	row := func(name, format string, args ...any) {
		printRow(w, name, fmt.Sprintf(format, args...))
	}
	if x.Error != "" {
		row("verdict", "not visited: %s", x.Error)
		_, err := fmt.Fprintln(w)
		return err
	}
	row("order", "%s", job)
	row("canonical", "%s", x.Canonical)
	row("SURT", "%s", x.SURT)
	row("site", "%s (slot %d, shard %d of %d)", x.Site, x.Slot, x.Shard, x.Shards)
	row("scope", "%s", scopeWords(x.Scope))
	row("traps", "%s", trapWords(x.Scope))
	if x.Robots == nil {
		row("robots", "not asked: only pages in scope are asked for")
	} else {
		row("robots", "%s", x.Robots)
		row("", "%s", x.Robots.File)
		row("delay", "%s", delayWords(*x.Delay))
	}
	switch {
	case !x.Visited:
		row("verdict", "not visited: %s", x.Reason)
	case x.Robots.Verdict == dryrun.NotAsked:
		row("verdict", "visited, unless robots.txt forbids it")
	default:
		row("verdict", "visited")
	}
	_, err := fmt.Fprintln(w)
	return err
}

// lineWidth is how long lines are at most, where words allow it.
const lineWidth = 100

// printRow prints a value behind its name, broken into lines between words.
func printRow(w io.Writer, name, value string) {
	const indent = 13
	line := fmt.Sprintf("  %-*s", indent-2, name)
	for i, word := range strings.Fields(cli.OneLine(value)) {
		if i > 0 && len(line)+1+len(word) > lineWidth {
			fmt.Fprintln(w, line)
			line = strings.Repeat(" ", indent)
		} else if i > 0 {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(w, line)
}

func scopeWords(s dryrun.Scope) string {
	if s.Seed {
		return "in: it is a seed, which is visited whatever the scope says"
	}
	word := "in, by " + s.Rule
	if !s.In {
		word = fmt.Sprintf("out (%s), by %s", s.Reason, s.Rule)
	}
	return word + fmt.Sprintf("; judged at %s from a seed, %s beyond the scope", count(s.Depth, "link"), count(s.Hops, "link"))
}

func trapWords(s dryrun.Scope) string {
	b := s.Bounds
	bounds := fmt.Sprintf("(bounds: %d bytes, %d folders deep, a folder %d times, %d parameters)", b.Length, b.PathSegments, b.RepeatedSegment, b.QueryParameters)
	switch {
	case s.Trap == "":
		return "it looks like none " + bounds
	case s.Seed:
		return s.Trap + ", which seeds may look like " + bounds
	}
	return s.Trap + " " + bounds
}

func delayWords(d dryrun.Delay) string {
	by := "politeness.delaySeconds of the order"
	if d.Line > 0 {
		by = fmt.Sprintf("Crawl-delay in line %d of robots.txt", d.Line)
	}
	return fmt.Sprintf("%s between two pages of the site: %s", dryrun.Words(d.Seconds), by)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
