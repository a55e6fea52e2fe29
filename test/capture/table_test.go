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
sent: heads and bodies of requests and answers to the byte, and the ledger line by line. "captured" means that nothing is missing and
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
	}
	outcome := "archived"
	if r.c.outcome != "" {
		outcome = strings.ToLower(r.c.outcome[:1]) + r.c.outcome[1:]
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", name, outcome, r.kinds(), r.verdict, replayed, r.c.note)
}

// kinds says how the requests of a case are expected to end. (How many there are may differ from run to run.)
func (r *result) kinds() string {
	captured, missing := 0, map[string]bool{}
	for line := range strings.SplitSeq(r.c.lines, "\n") {
		line = strings.TrimSpace(line)
		if _, why, ok := strings.Cut(line, " not captured: "); ok && !strings.HasPrefix(line, "?") {
			missing[why] = true
		} else if line != "" && !strings.HasPrefix(line, "?") {
			captured++
		}
	}
	out := fmt.Sprint(captured, " captured")
	for line := range strings.SplitSeq(r.c.lines, "\n") {
		if _, why, ok := strings.Cut(line, " not captured: "); ok && missing[why] {
			delete(missing, why)
			out += "; not captured: " + why
		}
	}
	return out
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
