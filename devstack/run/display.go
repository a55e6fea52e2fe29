package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// maxRows is how many pages the closing table names; the portal shows them all.
const maxRows = 40

// display shows one job: a line that is written over and over on a terminal, a line
// a change elsewhere.
type display struct {
	out      io.Writer
	terminal bool
	width    int
	last     string
}

func newDisplay(out io.Writer) *display {
	d := &display{out: out, width: 100}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		d.terminal = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			d.width = w
		}
	}
	return d
}

func (d *display) begin(j job) {
	fmt.Fprintf(d.out, "\ncrawljob %s/%s\n", j.Metadata.Namespace, j.Metadata.Name)
}

func (d *display) show(j job) {
	line := progressLine(j, min(24, max(8, d.width-80)))
	if line == d.last {
		return
	}
	d.last = line
	if !d.terminal {
		fmt.Fprintln(d.out, line)
		return
	}
	fmt.Fprintf(d.out, "\r\x1b[K%s", clip(line, d.width-1))
}

// leave ends the line that is written over.
func (d *display) leave() {
	if d.terminal && d.last != "" {
		fmt.Fprintln(d.out)
	}
	d.last = ""
}

// note shows a line between the lines of the progress.
func (d *display) note(line string) {
	d.leave()
	fmt.Fprintln(d.out, line)
}

func (d *display) end(j job) {
	d.leave()
	c := j.condition("Succeeded")
	verdict := "Succeeded"
	if c.Status != "True" {
		verdict = "did not succeed"
	}
	fmt.Fprintf(d.out, "Finished: %s (%s) %s\n", verdict, c.Reason, c.Message)
}

// progressLine is what there is to know in a line: where it is, pages, rate, bytes,
// time left.
func progressLine(j job, width int) string {
	c := j.Status.Counters
	done := c.Archived + c.Failed + c.Skipped
	filled := 0
	if c.Discovered > 0 {
		filled = int(int64(width) * min(done, c.Discovered) / c.Discovered)
	}
	reason := j.condition("Succeeded").Reason
	if s := j.condition("Stalled"); s.Status == "True" {
		reason = s.Reason
	}
	parts := []string{
		fmt.Sprintf("%-10s [%s%s]", reason, strings.Repeat("█", filled), strings.Repeat("·", width-filled)),
		fmt.Sprintf("%d of %d pages", c.Archived, c.Discovered),
	}
	if c.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", c.Failed))
	}
	if r := j.Status.PagesPerMinute; r > 0 {
		parts = append(parts, fmt.Sprintf("%.1f/s", float64(r)/60))
	}
	parts = append(parts, bytesText(c.Bytes))
	if s := j.Status.SecondsLeft; s != nil && *s > 0 {
		parts = append(parts, (time.Duration(*s)*time.Second).String()+" left")
	}
	if s := j.condition("Stalled"); s.Status == "True" {
		parts = append(parts, s.Message)
	}
	return strings.Join(parts, "  ")
}

// clip cuts a line off at a width in characters, and shows that it did.
func clip(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// table shows what was archived in a run, as the portal lists it. On a terminal each page has
// one line.
func (d *display) table(ctx context.Context, p portal, j job) error {
	out, archived := d.out, j.Status.Counters.Archived
	files, bytes, err := p.files(ctx, j)
	if err != nil {
		return err
	}
	if files == 0 {
		fmt.Fprintln(out, "Nothing was archived.")
		printReasons(out, j)
		return nil
	}
	found, err := p.captures(ctx, j.Metadata.UID, archived, maxRows)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%-8s  %-6s  %-36s  %s\n", "TIME", "STATUS", "TITLE", "URL")
	for _, c := range found.Items {
		status := "-"
		if c.Status > 0 {
			status = fmt.Sprint(c.Status)
		}
		line := fmt.Sprintf("%-8s  %-6s  %-36s  %s", c.Time.Local().Format(time.TimeOnly), status, clip(printable(c.Title), 36), printable(c.URL))
		if d.terminal {
			line = clip(line, d.width-1)
		}
		fmt.Fprintln(out, line)
	}
	if more := archived - int64(len(found.Items)); more > 0 {
		fmt.Fprintf(out, "… and %d more, which the portal shows (make run without ONCE)\n", more)
	}
	fmt.Fprintf(out, "\n%d pages in %d WACZ files, %s\n", archived, files, bytesText(bytes))
	if found.Count < archived && !found.More {
		fmt.Fprintf(out, "the portal has read %d of the pages so far\n", found.Count)
	}
	printReasons(out, j)
	return nil
}

// printReasons tells why pages are not there.
func printReasons(out io.Writer, j job) {
	for _, c := range j.Status.FailedByReason {
		fmt.Fprintf(out, "%d failed: %s\n", c.Count, c.Reason)
	}
	for _, c := range j.Status.SkippedByReason {
		fmt.Fprintf(out, "%d not visited: %s\n", c.Count, c.Reason)
	}
}

// printable takes control characters and those that turn the direction of writing out
// of what a site wrote, so that a title cannot steer the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
