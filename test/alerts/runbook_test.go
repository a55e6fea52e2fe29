package alerts

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestRunbook: each reason of a run or of what is kept of one has a row, and what the runbook leads to is there.
func TestRunbook(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/runbook.md")
	reasons, _, _ := strings.Cut(read(t, "workflows/reasons.go"), "// The outcomes of a page")
	words := regexp.MustCompile(`Reason = "(\w+)"`).FindAllStringSubmatch(reasons, -1)
	if len(words) < 50 {
		t.Fatalf("there are %d reasons only", len(words))
	}
	for _, w := range words {
		if !strings.Contains(text, "| [`"+w[1]+"`](reference/crawljob.md#"+w[1]+") | ") {
			t.Errorf("docs/runbook.md has no row for %s", w[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
		file, anchor := "docs/"+m[1], strings.TrimPrefix(m[2], "#")
		if m[1] == "" {
			file = "docs/runbook.md"
		}
		target, err := os.ReadFile(root + path.Clean(file))
		if err != nil {
			t.Errorf("docs/runbook.md leads to %s: %v", m[0], err)
			continue
		}
		if anchor != "" && !strings.Contains(string(target), `<a id="`+anchor+`"></a>`) && !headed(string(target), anchor) {
			t.Errorf("docs/runbook.md leads to %s, which has no such place", m[0])
		}
	}
}

// headed reports whether a heading has an anchor, as GitHub makes it.
func headed(text, anchor string) bool {
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		slug := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(h[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return true
		}
	}
	return false
}
