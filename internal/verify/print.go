package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// Print writes a report for people: every check of the subject, and of its parts those that do
// not hold, or all of them.
func Print(w io.Writer, r Report, all bool) error {
	fmt.Fprintf(w, "%s: %s %s\n", cli.OneLine(r.Subject), strings.ToLower(string(r.Kind)), r.Verdict)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		printCheck(t, c)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printFacts(w, r)
	for _, p := range r.Parts {
		if all {
			if err := Print(w, p, true); err != nil {
				return err
			}
			continue
		}
		if err := printTrouble(w, p); err != nil {
			return err
		}
	}
	if n := len(r.Parts); n > 0 && !all {
		holding := len(slices.DeleteFunc(slices.Clone(r.Parts), func(p Report) bool { return p.Verdict != Holds }))
		fmt.Fprintf(w, "  %d of %s hold in every check\n", holding, count(n, "part"))
	}
	return nil
}

// printTrouble writes the checks of a part that do not hold.
func printTrouble(w io.Writer, p Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, c := range slices.DeleteFunc(slices.Clone(p.Checks), func(c Check) bool { return c.Verdict == Holds }) {
		if i == 0 {
			fmt.Fprintf(t, "  %s:\n", cli.OneLine(p.Subject))
		}
		printCheck(t, c)
	}
	return t.Flush()
}

func printCheck(w io.Writer, c Check) {
	reason := c.Reason
	if c.Path != "" {
		reason = c.Path + ": " + reason
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\n", c.Verdict, c.Name, cli.OneLine(reason))
}

// printFacts writes what a snapshot says of itself, when nothing speaks against it.
func printFacts(w io.Writer, r Report) {
	f := r.Facts
	if f == nil || r.Verdict == Fails {
		return
	}
	made := strings.TrimSpace(f.Software.Name + " " + f.Software.Version)
	fmt.Fprintf(w, "  it says: %s, %s to %s, by %s\n", count(len(f.Pages), "page"), stamp(f.Begun), stamp(f.Sealed), cli.OneLine(made))
	if o := f.Order; o != nil {
		fmt.Fprintf(w, "  it says: for the CrawlJob %s/%s (%s), bundle %s, attempt %d\n", cli.OneLine(o.Namespace), cli.OneLine(o.Name), cli.OneLine(o.UID), cli.OneLine(o.Bundle), o.Attempt)
	}
	if a := f.Authorization; a != nil {
		fmt.Fprintf(w, "  it says: under %s, for %s, ordered by %s\n", cli.OneLine(a.Reference), cli.OneLine(a.Purpose), cli.OneLine(a.RequestedBy))
	}
	if c := f.Clock; c != nil {
		fmt.Fprintf(w, "  it says: the clock was %d ms ahead of %s\n", c.AheadMs, cli.OneLine(c.With))
	}
}
