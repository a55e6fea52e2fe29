package crawljob

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
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
