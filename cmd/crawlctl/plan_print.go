package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/workers/dryrun"
)

// planned is a line of -o json.
type planned struct {
	Job string `json:"job"`
	*dryrun.Report
}

func (f *planFlags) print(w io.Writer, job *v1alpha1.CrawlJob, r *dryrun.Report) error {
	if f.output == "json" {
		return cli.WriteJSON(w, planned{jobName(job), r})
	}
	fmt.Fprintln(w, cli.OneLine("CrawlJob "+jobName(job)))
	printRow(w, "seeds", fmt.Sprintf("%s on %s (%s), %d asked for robots.txt", count(r.Seeds, "page"), count(r.SitesTotal, "site"), count(r.HostsTotal, "host"), r.HostsAsked))
	printRow(w, "scope", scopeOf(&job.Spec.Scope))
	printRow(w, "pages", pagesWords(r.Pages))
	printRow(w, "time", durationWords(r))
	printRow(w, "shards", fmt.Sprint(r.Shards))
	if err := f.sites(w, r); err != nil {
		return err
	}
	f.disallowed(w, r)
	if len(r.Warnings) > 0 {
		fmt.Fprintln(w)
	}
	for _, warning := range r.Warnings {
		word := "warning"
		if warning.Stops {
			word = "STOPS"
		}
		printRow(w, word, warning.Reason+": "+warning.Message)
	}
	_, err := fmt.Fprintln(w)
	return err
}

func scopeOf(s *v1alpha1.Scope) string {
	words := []string{string(s.Type)}
	if s.Depth != nil {
		words = append(words, "at most "+count(int(*s.Depth), "link")+" from a seed")
	}
	if s.ExtraHops != nil && *s.ExtraHops > 0 {
		words = append(words, count(int(*s.ExtraHops), "link")+" beyond it")
	}
	if n := len(s.Include); n > 0 {
		words = append(words, count(n, "include pattern"))
	}
	if n := len(s.Exclude); n > 0 {
		words = append(words, count(n, "exclude pattern"))
	}
	return strings.Join(words, ", ")
}

func pagesWords(p dryrun.Pages) string {
	switch {
	case p.Exact:
		return fmt.Sprintf("%d, the seeds alone: %s", p.Known, p.Why)
	case p.AtMost > 0:
		return fmt.Sprintf("%d known, %d at most (%s): %s", p.Known, p.AtMost, p.By, p.Why)
	}
	return fmt.Sprintf("%d known, without a bound: %s", p.Known, p.Why)
}

func durationWords(r *dryrun.Report) string {
	d := r.Duration
	words := fmt.Sprintf("%s for the known pages", dryrun.Words(d.KnownSeconds))
	if r.Pages.Known > 0 {
		if d.Decides == "tabs" {
			words += ", which the tabs decide"
		} else {
			words += ", which " + d.Decides + " takes by itself"
		}
	}
	switch {
	case d.Ends != "":
		words += ", and " + d.Ends + " ends it after " + dryrun.Words(d.AtMostSeconds)
	case d.AtMostSeconds > d.KnownSeconds:
		words += ", " + dryrun.Words(d.AtMostSeconds) + " at most"
	}
	return words + fmt.Sprintf("; assumed: %s a page, %s", dryrun.Words(d.PageSeconds), count(d.Tabs, "tab"))
}

// maxName is how wide the name of a site may be in the table.
const maxName = 33

func (f *planFlags) sites(w io.Writer, r *dryrun.Report) error {
	if len(r.Sites) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  SITE\tSEEDS\tROBOTS\tDELAY\tFROM\tTIME\tSHARD")
	shown := len(r.Sites)
	if f.rows > 0 {
		shown = min(shown, f.rows)
	}
	for i := range r.Sites[:shown] {
		s := &r.Sites[i]
		from := "order"
		if s.Delay.Line > 0 {
			from = "robots"
		}
		fmt.Fprintf(t, "  %s\t%d\t%s\t%s\t%s\t%s\t%d\n", short(cli.OneLine(s.Site), maxName), s.Seeds, siteRobots(s), dryrun.Words(s.Delay.Seconds), from, dryrun.Words(s.Seconds), s.Shard)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if rest := len(r.Sites) - shown; rest > 0 {
		fmt.Fprintf(w, "  and %s more (--rows, -o json)\n", count(rest, "site"))
	}
	return nil
}

func siteRobots(s *dryrun.Site) string {
	switch s.Robots {
	case dryrun.Unreachable:
		return "unreachable"
	case dryrun.NotAsked:
		return "not asked"
	case dryrun.Disallowed:
		return "disallowed"
	}
	if s.Disallowed > 0 {
		return fmt.Sprintf("%d disallowed", s.Disallowed)
	}
	return "allowed"
}

// disallowed lists the seeds that robots.txt forbids.
func (f *planFlags) disallowed(w io.Writer, r *dryrun.Report) {
	total, shown := 0, 0
	for i := range r.Sites {
		total += r.Sites[i].Disallowed
		for _, e := range r.Sites[i].Examples {
			if f.rows > 0 && shown == f.rows {
				break
			}
			if shown++; shown == 1 {
				fmt.Fprintln(w, "\n  Seeds that robots.txt forbids:")
			}
			fmt.Fprintf(w, "  %s\n", short(cli.OneLine(e.URL), lineWidth-2))
			fmt.Fprintf(w, "    %s\n", short(cli.OneLine(e.Robots.String()), lineWidth-4))
		}
	}
	if total > shown {
		fmt.Fprintf(w, "  and %d more (--rows, -o json)\n", total-shown)
	}
}

// short cuts a text to a width.
func short(s string, width int) string {
	if len([]rune(s)) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}
