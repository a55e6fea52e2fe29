package capture

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tableFile is the committed result.
const tableFile = "../../docs/conformance.md"

var update = flag.Bool("update", false, "write docs/conformance.md instead of comparing with it")

// groups are the titles of the cases' groups.
var groups = map[string]string{
	"A": "Redirects and status", "B": "Headers", "C": "Bodies", "D": "Ranges and media", "E": "Methods and uploads",
	"F": "Caches and duplicates", "G": "Workers", "H": "Frames, windows, downloads", "I": "Live channels",
	"J": "Protocols, TLS, network", "K": "What pages do", "L": "Crawl traps", "M": "Breakage", "N": "The platform", "O": "What is written", "P": "Hostile input",
}

const preface = `# Conformance of the capture

Written by ` + "`make conformance`" + `; do not edit. Each case is a page of an adversarial site (test/capture), captured by a real Chrome through the
fleet's own pool, recorder and chunk writer. What stands in the WACZ file is compared with the site's own account of what it was asked and what it
sent: heads and bodies of requests and answers to the byte, and the ledger line by line. "complete" means that nothing is missing and
nothing differs; "replayed" that ReplayWeb.page, cut off from the network, shows the text that the page showed. All records of
all cases are read by warcio.js, which computes the digests anew. Cases that take no page are covered by other tests of the repository,
which the table names.

Sections A to P are of the default set-up: engine HeadlessShell, recorder Wire. What holds
[with recorder Browser](#with-recorder-browser) and [with engine Chromium](#with-engine-chromium) stands in tables of their own at the end.

`

// table writes the result of the suite, a section a group.
func table(_ *variant, results []*result, committed map[string]string) string {
	var b strings.Builder
	b.WriteString(preface)
	for _, letter := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&b, "\n## %s. %s\n", letter, groups[letter])
		begun := false
		for _, r := range results {
			group, name, _ := strings.Cut(r.c.name, " ")
			if group != letter {
				continue
			}
			if !begun {
				begun = true
				b.WriteString("\n| case | page | requests | result | replay | remarks |\n| --- | --- | --- | --- | --- | --- |\n")
			}
			if r.page == nil {
				b.WriteString(committed[r.c.name])
				continue
			}
			b.WriteString(r.row(name))
		}
		b.WriteString(elsewhereTable(letter))
	}
	return b.String()
}

// row is the line of a case.
func (r *result) row(name string) string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", name, r.c.archived(), r.kinds(), r.verdict, r.shown(), r.c.note)
}

// archived says what becomes of the page.
func (c *testCase) archived() string {
	if c.outcome == "" {
		return "archived"
	}
	return strings.ToLower(c.outcome[:1]) + c.outcome[1:]
}

// shown says what became of the replay.
func (r *result) shown() string {
	switch {
	case r.replayed:
		return "replayed"
	case r.c.text != "":
		return "FAILED"
	case strings.HasPrefix(r.c.outcome, "Failed"):
		return "no page"
	}
	return "–"
}

// kinds says how the requests of a case have ended: how many were captured, of those that it must have, whether others
// came that it may have (how many differs from run to run), and why what is missing was not captured.
func (r *result) kinds() string {
	var captured, missing int
	var others bool
	var reasons []string
	for line := range strings.SplitSeq(r.c.lines, "\n") {
		line, optional := strings.CutPrefix(strings.TrimSpace(line), "?")
		_, why, not := strings.Cut(line, " not captured: ")
		switch {
		case line == "":
		case optional && !not:
			others = others || slices.Contains(r.came, line)
		case optional:
		case not:
			missing++
			if !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
		default:
			captured++
		}
	}
	var out []string
	if captured > 0 {
		out = append(out, fmt.Sprint(captured, " captured"))
	}
	if others {
		out = append(out, "others captured")
	}
	if missing > 0 {
		out = append(out, fmt.Sprint(missing, " not captured: ", strings.Join(reasons, "; ")))
	}
	return strings.Join(out, "; ")
}
