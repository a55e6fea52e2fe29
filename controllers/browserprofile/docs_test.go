package browserprofile

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workflows"
)

// TestReasonsAreDocumented asserts that each reason of Ready can be looked up, and that none
// is explained that there is not.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	const page = "../../docs/reference/browserprofile.md"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var source string
	for _, file := range []string{"read.go", "decide.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source += string(text)
	}
	known := []workflows.Reason{
		ReasonUsable, workflows.ReasonSecretNotFound, workflows.ReasonSecretForbidden, workflows.ReasonStateInvalid, workflows.ReasonLoginExpired,
	}
	for _, r := range known {
		if !strings.Contains(string(raw), `| <a id="`+string(r)+`"></a>`+"`"+string(r)+"` |") {
			t.Errorf("%s does not explain %s", page, r)
		}
	}
	for _, used := range regexp.MustCompile(`workflows\.Reason([A-Z]\w+)`).FindAllStringSubmatch(source, -1) {
		if !slices.Contains(known, workflows.Reason(used[1])) {
			t.Errorf("%s is a reason that this test does not know", used[1])
		}
	}
	for part := range strings.SplitSeq(string(raw), `<a id="`) {
		word, _, ok := strings.Cut(part, `"></a>`)
		if ok && !slices.Contains(known, workflows.Reason(word)) {
			t.Errorf("%s explains %s, which is no reason", page, word)
		}
	}
}
