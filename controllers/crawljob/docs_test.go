package crawljob

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/workflows"
)

// TestReasonsAreDocumented asserts that each word of the vocabulary can be looked
// up, and that none is explained that there is not.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	const page = "../../docs/reference/crawljob.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	words := reasons(t, "../../workflows/reasons.go")
	if len(words) < 40 {
		t.Fatalf("found %d reasons in the source, which cannot be all", len(words))
	}
	for word := range words {
		if !strings.Contains(string(text), `| <a id="`+word+`"></a>`+"`"+word+"` |") {
			t.Errorf("%s does not explain %s: add a row that says what it means and what to do", page, word)
		}
	}
	for rest := string(text); ; {
		_, after, found := strings.Cut(rest, `<a id="`)
		if !found {
			return
		}
		word, tail, _ := strings.Cut(after, `"`)
		if !words[word] {
			t.Errorf("%s explains %s, which is no reason", page, word)
		}
		rest = tail
	}
}

// reasons reads the values of the constants of type Reason in a file.
func reasons(t *testing.T, file string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Reason" {
			return true
		}
		for _, v := range spec.Values {
			if lit, ok := v.(*ast.BasicLit); ok {
				word, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				words[word] = true
			}
		}
		return true
	})
	return words
}

// TestRetainByHand asserts that the input which the docs have an operator write is one: of a
// name that is misspelt nothing would be read, and a period of 0 is over at once.
func TestRetainByHand(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/retention.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "$ cat retain.json\n")
	input, _, _ := strings.Cut(rest, "```")
	decoder := json.NewDecoder(strings.NewReader(input))
	decoder.DisallowUnknownFields()
	var got workflows.RetainInput
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	const run = "0b0e3c1e-0000-4000-8000-000000000001"
	want := workflows.RetainInput{
		FormatVersion: workflows.FormatVersion, Run: run, Namespace: "research", Name: "board",
		Archive:   workflows.Archive{Bucket: "crawlfleet-archive", Prefix: "research/board/" + run + "/"},
		Retention: workflows.Retention{Screening: 72 * time.Hour}, EndedAt: time.Date(2027, 5, 4, 12, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
}
