package capture

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workers/browser"
)

// A variant is a set-up that cases are captured with, and has a part of docs/conformance.md to itself.
type variant struct {
	// title is the heading of the part, empty for the first one, and preface what stands below it.
	title, preface string
	// change makes the set-up, before a case changes what it needs.
	change func(*setup)
	// cases chooses among all; nil takes all of them.
	cases func(*site, []testCase) []testCase
	// selected reports whether a case is captured when the table is not being written; nil takes all of them.
	selected func(name string) bool
	// differs are the cases of which something else is expected, by name; nil for none.
	differs func() map[string]difference
	// replays is set when the pages are shown to ReplayWeb.page. But for the default set-up that is done only for the
	// table, which has what came of it; the ordinary run leaves it as it was.
	replays bool
	// also is a line that every case may have: {origin} is that of its page.
	also string
	// judge compares a result with what is expected.
	judge func(*result, *testing.T)
	// table writes the part. Of what was not captured there are the committed rows, by name.
	table func(v *variant, results []*result, committed map[string]string) string
}

// A difference is what is expected of a case in a variant instead. Everything else of it must come out the same.
type difference struct {
	// lines, outcome and limits take the place of the case's own, unless they are empty.
	lines, outcome string
	limits         []string
	// check takes the place of the case's.
	check func(t *testing.T, r *result)
	// text is what the page shows instead, unreplayed is set when the replay shows none.
	text       string
	unreplayed bool
	// untold are addresses of which the browser does not tell each time that it asked for them.
	untold []string
	// bodiless are answers of which the browser does not hand out the body, which the record says.
	bodiless []string
	// why says it for people.
	why string
}

// differ makes a case what it is in a variant.
func (c *testCase) differ(d difference) {
	if d.lines != "" {
		c.lines = d.lines
	}
	if d.outcome != "" {
		c.outcome = d.outcome
	}
	if d.limits != nil {
		c.limits = d.limits
	}
	if d.check != nil {
		c.check = d.check
	}
	if d.text != "" || d.unreplayed {
		c.text = d.text
	}
}

// crashed tells whether the browser died of something else than the case: the network service of Chromium 156
// ends itself now and then, always at the same instruction (dmesg: "Chrome_ChildIOT trap invalid opcode"), and
// with it the pages of all tabs fail.
func (r *result) crashed() bool {
	return r.c.outcome == "" && r.page.Outcome.Reason == browser.ReasonBrowserCrashed
}

func TestConformance(t *testing.T) {
	standard.run(t)
}

// standard is what a job gets that says nothing.
var standard = &variant{change: func(*setup) {}, judge: (*result).judge, table: table, replays: true}

// run captures the cases and judges them, shows the files to others, and compares the part of the table.
func (v *variant) run(t *testing.T) {
	t.Helper()
	s := newSite(t)
	common := newEngine(t, s, v.change)
	out := t.TempDir()
	list, differs := cases(), map[string]difference{}
	if v.cases != nil {
		list = v.cases(s, list)
	}
	if v.differs != nil {
		differs = v.differs()
	}
	results := make([]*result, len(list))
	for i := range list {
		s.add(&list[i])
		results[i] = &result{site: s, c: &list[i], differs: differs[list[i].name]}
		list[i].differ(results[i].differs)
		list[i].lines += strings.ReplaceAll(v.also, "{origin}", "{"+list[i].origin()+"}")
		delete(differs, list[i].name)
	}
	for name := range differs {
		t.Errorf("there is no case %q, of which something else is expected", name)
	}
	t.Run("cases", func(t *testing.T) {
		for i := range list {
			c := &list[i]
			if v.selected != nil && !*update && !v.selected(c.name) {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				e := common
				if c.ownEngine() {
					e = newEngine(t, s, func(o *setup) { v.change(o); c.change(t, o) })
				}
				r := results[i]
				e.capture(t, c, out, r)
				if r.crashed() {
					t.Log("the browser crashed; captured again, as the fleet does, with a site and a browser of its own")
					r.site = newSite(t)
					r.site.add(c)
					newEngine(t, r.site, func(o *setup) { v.change(o); c.change(t, o) }).capture(t, c, filepath.Join(out, "again"), r)
				}
				r.verdict = "FAILED"
				if v.judge(r, t); !t.Failed() {
					r.verdict = "complete"
				}
			})
		}
	})
	captured := slices.DeleteFunc(slices.Clone(results), func(r *result) bool { return r.page == nil })
	read, shown := false, false
	t.Run("formats", func(t *testing.T) {
		t.Logf("warcio.js agrees on %d records", checkFormats(t, captured))
		read = true
	})
	t.Run("replay", func(t *testing.T) {
		switch {
		case v.replays && (v == standard || *update):
			replay(t, captured, out)
		case v.replays:
			for _, r := range captured {
				r.replayed = r.c.text != ""
			}
		}
		shown = true
	})
	if read && shown {
		v.compareTable(t, results)
	}
}

// compareTable compares the part with the committed one, or writes it. Of cases that were not captured there are the
// committed rows.
func (v *variant) compareTable(t *testing.T, results []*result) {
	t.Helper()
	whole, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	before, part, after := cutPart(string(whole), v.title)
	committed := rowsOf(part)
	got := v.table(v, results, committed)
	if *update {
		if err := os.WriteFile(tableFile, []byte(before+got+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, r := range results {
		if row := committed[r.c.name]; row == "" || strings.Contains(row, "| FAILED |") {
			t.Errorf("docs/conformance.md has no good row for %q: run `make conformance`", r.c.name)
		}
	}
	if got != part {
		t.Errorf("docs/conformance.md is not what the suite gives; run `make conformance` and look at the difference:\n%s", firstDifference(part, got))
	}
}

// variants are those that have a part of the table, in its order.
var variants = []*variant{withBrowser, withChromium}

// cutPart cuts the file around the part with a title: the first one, which has none, ends where the next begins.
func cutPart(file, title string) (before, part, after string) {
	starts := []int{0}
	own := 0
	for i, v := range variants {
		at := strings.Index(file, v.heading())
		if at < 0 {
			at = len(file) // it is not there yet
		}
		starts = append(starts, at)
		if v.title == title {
			own = i + 1
		}
	}
	starts = append(starts, len(file))
	from := starts[own]
	to := slices.Min(starts[own+1:])
	return file[:from], file[from:to], file[to:]
}

func (v *variant) heading() string { return "\n## " + v.title + "\n" }

// rowsOf are the rows of a part by the name of the case.
func rowsOf(part string) map[string]string {
	rows := make(map[string]string)
	group := ""
	for line := range strings.Lines(part) {
		if letter, ok := strings.CutPrefix(line, "## "); ok && strings.Contains(letter, ".") {
			group = letter[:1] + " "
		}
		cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if name := group + cell; ok && rows[name] == "" { // what takes no page stands below
			rows[name] = line
		}
	}
	return rows
}

// compactTable writes a part in which a row says what differs from the default set-up.
func compactTable(v *variant, results []*result, committed map[string]string) string {
	var b strings.Builder
	b.WriteString(v.heading() + "\n" + v.preface + "\n")
	if v.replays {
		b.WriteString(rowOf("case", "result", "replay", "what differs") + rowOf("---", "---", "---", "---"))
	} else {
		b.WriteString(rowOf("case", "result", "what differs") + rowOf("---", "---", "---"))
	}
	for _, r := range results {
		if r.page == nil {
			b.WriteString(committed[r.c.name])
			continue
		}
		cells := []string{r.c.name, r.verdict}
		if v.replays {
			cells = append(cells, r.shown())
		}
		b.WriteString(rowOf(append(cells, r.remark())...))
	}
	return b.String()
}

func rowOf(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// remark says what differs: what became of the page and of its requests, where that is something else, and why.
func (r *result) remark() string {
	var out []string
	if r.differs.outcome != "" {
		out = append(out, "The page: "+r.c.archived()+".")
	}
	if r.differs.lines != "" {
		// What may come differs from run to run.
		out = append(out, "Requests: "+strings.ReplaceAll(r.kinds(), "; others captured", "")+".")
	}
	if r.differs.limits != nil {
		out = append(out, "Limits: "+strings.Join(r.differs.limits, ", ")+".")
	}
	if r.differs.why != "" {
		out = append(out, r.differs.why)
	}
	return strings.Join(out, " ")
}

// firstDifference is the first line that two texts do not share, of either.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return "committed: " + x + "\nnow:       " + y
		}
	}
	return ""
}
