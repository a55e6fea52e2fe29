package crawlschedule

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workflows"
)

// TestReasonsAreDocumented asserts that each reason that the package tells can be looked up,
// and that none is explained that there is not.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	const page = "../../docs/reference/crawlschedule.md"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, used := range regexp.MustCompile(`workflows\.Reason([A-Z]\w+)|workflows\.Reason = "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			known[used[1]+used[2]] = true
		}
	}
	if len(known) < 14 || !known[string(workflows.ReasonAuthorizationExpired)] || !known[string(ReasonScheduled)] {
		t.Fatalf("found %d reasons in the source, which cannot be all", len(known))
	}
	var explained []string
	for part := range strings.SplitSeq(string(raw), `| <a id="`) {
		if word, _, ok := strings.Cut(part, `"></a>`); ok {
			explained = append(explained, word)
		}
	}
	for word := range known {
		if !slices.Contains(explained, word) {
			t.Errorf("%s does not explain %s", page, word)
		}
	}
	for _, word := range explained {
		if !known[word] {
			t.Errorf("%s explains %s, which is no reason", page, word)
		}
	}
}
