package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	t.Parallel()
	if got := Dutch.Text("Find"); got != "Zoeken" {
		t.Errorf("Find is %q in Dutch", got)
	}
	if got := English.Text("More than %s", "1,000"); got != "More than 1,000" {
		t.Errorf("in English: %q", got)
	}
	if got := Dutch.Text("%s must be one line of text", Say("the case")); got != "de zaak moet één regel tekst zijn" {
		t.Errorf("a text within a text: %q", got)
	}
	for n, want := range map[int][2]string{
		0: {"0 pages", "0 pagina’s"}, 1: {"1 page", "1 pagina"}, 999: {"999 pages", "999 pagina’s"},
		1000: {"1,000 pages", "1.000 pagina’s"}, 1234567: {"1,234,567 pages", "1.234.567 pagina’s"},
	} {
		if got := [2]string{English.Count(n, "page"), Dutch.Count(n, "page")}; got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		accept, cookie string
		want           Lang
	}{
		{"", "", English}, {"nl-BE,nl;q=0.9,en;q=0.8", "", Dutch}, {"de-DE", "", English}, {"en", "nl", Dutch}, {"nl", "en", English}, {"nl", "xx", Dutch},
	} {
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", tc.accept)
		if tc.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "lang", Value: tc.cookie})
		}
		if got := Match(r); got != tc.want {
			t.Errorf("%q with cookie %q is %q, want %q", tc.accept, tc.cookie, got, tc.want)
		}
	}
}

// said are the texts of the portal's templates and code: what t and n are called with, and the texts of
// tables that are marked.
func said(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	calls := regexp.MustCompile(`\bt ("(?:[^"\\]|\\.)*")|\bn(?:oun)? \S+ ("(?:[^"\\]|\\.)*")|\bn \([^)]*\) ("(?:[^"\\]|\\.)*")`)
	templates, err := filepath.Glob("../assets/*.html")
	if err != nil || len(templates) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, name := range templates {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range calls.FindAllStringSubmatch(string(b), -1) {
			s, err := strconv.Unquote(m[1] + m[2] + m[3])
			if err != nil {
				t.Fatalf("%s: %s: %v", name, m[0], err)
			}
			texts[s] = name
		}
	}
	for _, dir := range []string{"..", "../access", "../catalog", "../live", "../../cmd/portal"} {
		for s, name := range saidIn(t, dir) {
			texts[s] = name
		}
	}
	return texts
}

// saidIn are the texts of the code of a package.
func saidIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	s := speech{constants: map[string]string{}, texts: map[string]string{}}
	files := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if files[name], err = parser.ParseFile(token.NewFileSet(), name, nil, 0); err != nil {
			t.Fatal(err)
		}
		ast.Inspect(files[name], s.constant)
	}
	for name, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			for _, e := range spoken(n) {
				if text, ok := s.literal(e); ok && text != "" {
					s.texts[text] = name
				}
			}
			return true
		})
	}
	return s.texts
}

// speech finds the texts of a package.
type speech struct{ constants, texts map[string]string }

// constant takes down the strings that have a name.
func (s speech) constant(n ast.Node) bool {
	if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == 1 && len(spec.Values) == 1 {
		if text, ok := s.literal(spec.Values[0]); ok {
			s.constants[spec.Names[0].Name] = text
		}
	}
	return true
}

// literal is the string that an expression is: itself, as the value of a key, or put together.
func (s speech) literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.KeyValueExpr:
		return s.literal(e.Value)
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		text, ok := s.constants[e.Name]
		return text, ok
	case *ast.BinaryExpr:
		a, first := s.literal(e.X)
		b, second := s.literal(e.Y)
		return a + b, first && second && e.Op == token.ADD
	}
	return "", false
}

// sayers are the functions whose argument of that number is a text.
var sayers = map[string]int{"Text": 0, "Count": 1, "Say": 0, "unfitf": 0, "invalid": 1}

// spoken are the expressions of a node of code that may be texts: what lang.Text(…) and the like are called with, the members of
// problem{…} and the like, what is said to be missing, and tables whose name ends in Words.
func spoken(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := nameOf(n.Fun)
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"chain", "strings"}, nameOf(sel.X)) {
			return nil // chain.Text and strings.Count
		}
		if name == "append" && nameOf(n.Args[0]) == "Missing" {
			return n.Args[1:]
		}
		if at, ok := sayers[name]; ok && at < len(n.Args) {
			return n.Args[at : at+1]
		}
	case *ast.CompositeLit:
		return members(n)
	case *ast.ValueSpec:
		if len(n.Names) == 1 && strings.HasSuffix(n.Names[0].Name, "Words") && len(n.Values) == 1 {
			if table, ok := n.Values[0].(*ast.CompositeLit); ok {
				return table.Elts
			}
		}
	}
	return nil
}

// members are those of a composite literal that are texts.
func members(n *ast.CompositeLit) (texts []ast.Expr) {
	switch nameOf(n.Type) {
	case "problem", "Problem":
		return textsOf(n)
	case "Advice":
		return n.Elts
	case "badInput":
		for i, e := range n.Elts {
			if lit, ok := e.(*ast.BasicLit); ok && i != 1 && strings.Contains(lit.Value, " ") { // a name without is a parameter's
				texts = append(texts, e)
			}
		}
	case "[]Problem":
		for _, e := range n.Elts {
			texts = append(texts, textsOf(e.(*ast.CompositeLit))...)
		}
	case "map[string]Advice":
		for _, e := range n.Elts {
			texts = append(texts, e.(*ast.KeyValueExpr).Value.(*ast.CompositeLit).Elts...)
		}
	}
	return texts
}

// textsOf are the members of a problem that are texts.
func textsOf(n *ast.CompositeLit) (texts []ast.Expr) {
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && slices.Contains([]string{"Text", "Hint", "Do"}, nameOf(kv.Key)) {
			texts = append(texts, kv)
		}
	}
	return texts
}

// nameOf is what a function, a type or a member is called.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.ArrayType:
		return "[]" + nameOf(e.Elt)
	case *ast.MapType:
		return "map[" + nameOf(e.Key) + "]" + nameOf(e.Value)
	}
	return ""
}

func TestEverythingIsTranslated(t *testing.T) {
	t.Parallel()
	texts := said(t)
	if len(texts) < 50 {
		t.Fatalf("only %d texts were found: the search for them is broken", len(texts))
	}
	for s, where := range texts {
		_, text := dutch[s]
		if _, noun := nouns[s]; !text && !noun {
			t.Errorf("%s says %q, which has no Dutch wording", where, s)
		}
	}
	for _, s := range All() {
		if _, ok := texts[s]; !ok {
			t.Errorf("%q is translated and said nowhere", s)
		}
	}
}

func TestPlaceholdersAgree(t *testing.T) {
	t.Parallel()
	verbs := regexp.MustCompile(`%[.0-9]*[a-z]`)
	for english, nl := range dutch {
		if !slices.Equal(verbs.FindAllString(english, -1), verbs.FindAllString(nl, -1)) {
			t.Errorf("%q and %q have different placeholders", english, nl)
		}
	}
}
