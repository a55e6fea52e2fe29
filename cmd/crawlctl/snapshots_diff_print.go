package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
)

// comparison is how two captures differ, as the portal writes it (types of portal/compare): A is
// the earlier one.
type comparison struct {
	A     capture      `json:"a"`
	B     capture      `json:"b"`
	Facts []factChange `json:"facts"`
	Text  *textDiff    `json:"text"`
	Links *struct {
		Pages linkChanges `json:"pages"`
		Leads linkChanges `json:"leads"`
	} `json:"links"`
	Pictures *struct {
		Changed float64 `json:"changedPercent"`
	} `json:"pictures"`
	// NotCompared says which of text and pictures were not compared, and why: OnlyA, OnlyB,
	// Neither or Unreadable.
	NotCompared map[string]string `json:"notCompared"`
}

// factChange is compare.Change.
type factChange struct {
	Fact string `json:"fact"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// textDiff is compare.Diff.
type textDiff struct {
	Hunks []struct {
		ALine int        `json:"aLine"`
		BLine int        `json:"bLine"`
		Lines []diffLine `json:"lines"`
	} `json:"hunks"`
	AddedWords   int      `json:"addedWords"`
	RemovedWords int      `json:"removedWords"`
	Similarity   float64  `json:"similarity"`
	Cut          []string `json:"cut"`
}

// diffLine is compare.Line: Op is Same, Removed or Added.
type diffLine struct {
	Op    string `json:"op"`
	Words []struct {
		Text    string `json:"text"`
		Changed bool   `json:"changed"`
	} `json:"words"`
}

// linkChanges is compare.LinkChanges.
type linkChanges struct {
	Added   []link `json:"added"`
	Removed []link `json:"removed"`
}

type link struct {
	URL  string `json:"url"`
	Kind string `json:"kind"`
}

// verdict ends with the exit code that tells whether something is different.
func (c *comparison) verdict() error {
	if c.Links == nil {
		return noPortal(errors.New("a comparison without links"))
	}
	links := len(c.Links.Pages.Added) + len(c.Links.Pages.Removed) + len(c.Links.Leads.Added) + len(c.Links.Leads.Removed)
	missing := c.NotCompared["text"]
	switch {
	case len(c.Facts) > 0 || links > 0 || c.Text != nil && len(c.Text.Hunks) > 0 || missing == "OnlyA" || missing == "OnlyB":
		return errDifferent
	case c.Text != nil && len(c.Text.Cut) > 0:
		return errors.New("nothing is different in what was compared, but not all of the text was")
	case c.Text == nil && missing != "Neither":
		return errors.New("nothing is different in what was compared, but the text was not")
	}
	return nil
}

// paint colours what is removed, added and neither; an empty one does not.
type paint struct{ removed, added, changed, place, end string }

// newPaint reads --color. The colours are those that every terminal has (ECMA-48 section 8.3.117).
func newPaint(when string, w io.Writer) (paint, error) {
	switch {
	case when != "auto" && when != "always" && when != "never":
		return paint{}, cli.Usage("--color %q: want auto, always or never", when)
	case when == "always", when == "auto" && telemetry.IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb":
		return paint{removed: "\x1b[31m", added: "\x1b[32m", changed: "\x1b[1;7m", place: "\x1b[36m", end: "\x1b[0m"}, nil
	}
	return paint{}, nil
}

// print writes the comparison as diff -u writes one of files, facts first.
func (c *comparison) print(w io.Writer, p paint) error {
	var b strings.Builder
	line := func(color, sign, text string) { b.WriteString(color + sign + cli.OneLine(text) + p.end + "\n") }
	line(p.removed, "--- ", nameOf(c.A))
	line(p.added, "+++ ", nameOf(c.B))
	for _, f := range c.Facts {
		line(p.place, "@@ ", f.Fact+" @@")
		line(p.removed, "-", dash(f.A))
		line(p.added, "+", dash(f.B))
	}
	if c.Text != nil {
		c.Text.print(&b, p)
	}
	if c.Links != nil {
		for _, l := range []struct {
			name string
			linkChanges
		}{{"links", c.Links.Pages}, {"telephone numbers, addresses and handles", c.Links.Leads}} {
			if len(l.Added)+len(l.Removed) > 0 {
				line(p.place, "@@ ", l.name+" @@")
			}
			for _, r := range l.Removed {
				line(p.removed, "-", r.URL)
			}
			for _, a := range l.Added {
				line(p.added, "+", a.URL)
			}
		}
	}
	if c.Pictures != nil {
		line(p.place, "@@ ", fmt.Sprintf("picture: %.2f%% is different @@", c.Pictures.Changed))
	}
	for _, part := range slices.Sorted(maps.Keys(c.NotCompared)) {
		line(p.place, "@@ ", part+": "+notCompared(c.NotCompared[part])+" @@")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// notCompared are words for why a part was not compared.
func notCompared(why string) string {
	switch why {
	case "OnlyA":
		return "only the earlier one has any"
	case "OnlyB":
		return "only the later one has any"
	case "Neither":
		return "neither has any"
	case "Unreadable":
		return "one of them cannot be read"
	}
	return why
}

func nameOf(c capture) string {
	return fmt.Sprintf("%s  %s  %s/%s  %s", c.ID, shortTime(c.Time), c.Namespace, c.Job, c.URL)
}

// print writes the hunks of a text.
func (d *textDiff) print(b *strings.Builder, p paint) {
	for _, h := range d.Hunks {
		fmt.Fprintf(b, "%s@@ text -%d +%d @@%s\n", p.place, h.ALine, h.BLine, p.end)
		for _, l := range h.Lines {
			l.print(b, p)
		}
	}
	if len(d.Hunks) > 0 {
		words := "words"
		if d.RemovedWords == 1 {
			words = "word"
		}
		fmt.Fprintf(b, "%s@@ text: %d %s removed, %d added, %.0f%% alike @@%s\n", p.place, d.RemovedWords, words, d.AddedWords, 100*d.Similarity, p.end)
	}
	for _, cut := range d.Cut {
		what, ok := map[string]string{
			"Text":  "what is behind 1 MiB of a text was not compared",
			"Lines": "so many lines differ that those behind some were taken as new",
			"Words": "in some changed lines all words were taken as new",
			"Hunks": "further changes are counted and not shown",
		}[cut]
		if !ok {
			what = cut
		}
		fmt.Fprintf(b, "%s@@ not all: %s @@%s\n", p.place, cli.OneLine(what), p.end)
	}
}

func (l *diffLine) print(b *strings.Builder, p paint) {
	sign, color := " ", ""
	switch l.Op {
	case "Removed":
		sign, color = "-", p.removed
	case "Added":
		sign, color = "+", p.added
	}
	b.WriteString(color + sign)
	for i, w := range l.Words {
		if i > 0 {
			b.WriteByte(' ')
		}
		text := cli.OneLine(w.Text)
		if w.Changed && p.end != "" {
			text = p.changed + text + p.end + color
		}
		b.WriteString(text)
	}
	if color != "" {
		b.WriteString(p.end)
	}
	b.WriteByte('\n')
}
