package capture

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
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

`

// table writes the result of the suite, a section a group.
func table(results []*result) []byte {
	var b bytes.Buffer
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
			b.WriteString(r.row(name))
		}
		b.WriteString(elsewhereTable(letter))
	}
	return b.Bytes()
}

// row is the line of a case.
func (r *result) row(name string) string {
	replayed := "–"
	switch {
	case r.replayed:
		replayed = "replayed"
	case r.c.text != "":
		replayed = "FAILED"
	case strings.HasPrefix(r.c.outcome, "Failed"):
		replayed = "no page"
	}
	outcome := "archived"
	if r.c.outcome != "" {
		outcome = strings.ToLower(r.c.outcome[:1]) + r.c.outcome[1:]
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", name, outcome, r.kinds(), r.verdict, replayed, r.c.note)
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

// compareTable compares the result with the committed one, or writes it.
func compareTable(t *testing.T, results []*result) {
	t.Helper()
	got := table(results)
	if *update {
		if err := os.WriteFile(tableFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/conformance.md is not what the suite gives; run `make conformance` and look at the difference")
	}
}
