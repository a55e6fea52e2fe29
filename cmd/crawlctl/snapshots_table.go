package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// column is one of a table.
type column struct {
	head string
	cell func(capture) string
	// least is how narrow it may be cut, 0 for not at all. Columns with a high rank are left out
	// first where there is no room.
	least, rank int
}

// gap is what stands between two columns.
const gap = "  "

// table writes captures in columns: as wide as their content, and on a terminal cut to its width.
// The first page settles the widths, as what has been written cannot be moved.
type table struct {
	w       io.Writer
	columns []column
	// width is that of the terminal, 0 for no bound.
	width     int
	noHeaders bool
	widths    []int
}

func newTable(w io.Writer, o output) *table {
	t := &table{w: w, columns: narrow, noHeaders: o.noHeaders}
	if o.format == "wide" {
		t.columns = wide
		return t
	}
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			t.width = width
		}
	}
	return t
}

var narrow = []column{
	{head: "TIME", cell: func(c capture) string { return shortTime(c.Time) }},
	{head: "STATUS", cell: statusOf},
	{head: "TITLE", cell: func(c capture) string { return dash(c.Title) }, least: 12, rank: 1},
	{head: "URL", cell: func(c capture) string { return c.URL }, least: 16},
	{head: "JOB", cell: func(c capture) string { return c.Namespace + "/" + c.Job }, least: 10, rank: 2},
	{head: "ID", cell: func(c capture) string { return c.ID }},
}

var wide = []column{
	{head: "TIME", cell: func(c capture) string { return c.Time.UTC().Format(time.RFC3339) }},
	{head: "STATUS", cell: statusOf},
	{head: "KIND", cell: func(c capture) string { return dash(string(c.Kind)) }},
	{head: "TYPE", cell: func(c capture) string { return dash(c.MIME) }},
	{head: "LANGUAGE", cell: func(c capture) string { return dash(c.Language) }},
	{head: "TITLE", cell: func(c capture) string { return dash(c.Title) }},
	{head: "URL", cell: func(c capture) string { return c.URL }},
	{head: "FINAL URL", cell: func(c capture) string { return dash(c.FinalURL) }},
	{head: "JOB", cell: func(c capture) string { return c.Namespace + "/" + c.Job }},
	{head: "RUN", cell: func(c capture) string { return c.UID }},
	{head: "FILE", cell: func(c capture) string { return string(c.Chunk) }},
	{head: "ID", cell: func(c capture) string { return c.ID }},
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// statusOf is the HTTP status, and whether the page failed.
func statusOf(c capture) string {
	s := "-"
	if c.Status != 0 {
		s = strconv.Itoa(c.Status)
	}
	if c.Partial {
		s += "!"
	}
	return s
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// add writes a page of captures.
func (t *table) add(all []capture) error {
	rows := make([][]string, len(all))
	for i, c := range all {
		for _, col := range t.columns {
			rows[i] = append(rows[i], cli.OneLine(col.cell(c)))
		}
	}
	var b strings.Builder
	if t.widths == nil && len(rows) > 0 {
		t.settle(rows)
		if !t.noHeaders {
			t.row(&b, t.heads())
		}
	}
	for _, cells := range rows {
		t.row(&b, cells)
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

func (t *table) heads() (heads []string) {
	for _, c := range t.columns {
		heads = append(heads, c.head)
	}
	return heads
}

// settle sets the widths: a column that is left out has none.
func (t *table) settle(rows [][]string) {
	t.widths = make([]int, len(t.columns))
	for i, c := range t.columns {
		t.widths[i] = len(c.head)
		for _, cells := range rows {
			t.widths[i] = max(t.widths[i], shownWidth(cells[i]))
		}
	}
	if t.width == 0 {
		return
	}
	for rank := 2; rank > 0 && t.excess(t.least()) > 0; rank-- {
		for i, c := range t.columns {
			if c.rank == rank {
				t.widths[i] = 0
			}
		}
	}
	for excess := t.excess(t.widths); excess > 0; excess-- {
		i := t.widest()
		if i < 0 {
			return // a terminal that is too narrow wraps the lines
		}
		t.widths[i]--
	}
}

// widest is the widest of the columns that may be narrower, -1 for none.
func (t *table) widest() int {
	widest := -1
	for i, c := range t.columns {
		if c.least > 0 && t.widths[i] > c.least && (widest < 0 || t.widths[i] > t.widths[widest]) {
			widest = i
		}
	}
	return widest
}

// least are the widths when all is cut that can be.
func (t *table) least() []int {
	least := make([]int, len(t.widths))
	for i, c := range t.columns {
		least[i] = t.widths[i]
		if c.least > 0 {
			least[i] = min(least[i], c.least)
		}
	}
	return least
}

// excess is by how much a line of columns is too long.
func (t *table) excess(widths []int) int {
	total := -len(gap)
	for _, w := range widths {
		if w > 0 {
			total += w + len(gap)
		}
	}
	return total - t.width
}

func (t *table) row(b *strings.Builder, cells []string) {
	last := len(cells) - 1
	for i, cell := range cells {
		switch width := t.widths[i]; {
		case width == 0:
		case i == last:
			b.WriteString(cell)
		default:
			if t.width > 0 {
				cell = cut(cell, width)
			}
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", max(0, width-shownWidth(cell))))
			b.WriteString(gap)
		}
	}
	b.WriteByte('\n')
}

// cut shortens a text to a width.
func cut(s string, width int) string {
	if shownWidth(s) <= width {
		return s
	}
	used := 0
	for i, r := range s {
		if used += runeWidth(r); used > width-1 {
			return s[:i] + "…"
		}
	}
	return s
}

func shownWidth(s string) (width int) {
	for _, r := range s {
		width += runeWidth(r)
	}
	return width
}

// runeWidth is how many columns of a terminal a character takes: scripts of East Asia are drawn in
// two, and marks on the character before (Unicode Standard Annex #11).
func runeWidth(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), r >= 0xff01 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
		return 2
	}
	return 1
}
