package crawljob

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestEventsAreDocumented: each action that an event of a CrawlJob, a CrawlSchedule or a BrowserProfile names has a
// row in the section of its kind, and no row has another.
func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for folder, kind := range map[string]string{"crawljob": "CrawlJob", "crawlschedule": "CrawlSchedule", "browserprofile": "BrowserProfile"} {
		_, section, found := strings.Cut(string(page), "\n## Of a "+kind+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		told := actions(t, "../"+folder)
		if !found || len(told) == 0 {
			t.Fatalf("%s: %v, a section: %v", kind, told, found)
		}
		documented := map[string]bool{}
		for _, row := range regexp.MustCompile("(?m)^\\| .* \\| .*`(?:Normal|Warning)`.* \\| `(\\w+)` \\| ").FindAllStringSubmatch(section, -1) {
			documented[row[1]] = true
		}
		for action := range told {
			if !documented[action] {
				t.Errorf("docs/reference/events.md does not tell of the action %s of a %s", action, kind)
			}
		}
		for action := range documented {
			if !told[action] {
				t.Errorf("docs/reference/events.md tells of the action %s, which no %s has", action, kind)
			}
		}
	}
}

// actions reads the actions of events from the source of a package: the fifth argument of Eventf, the field Action of
// an Event, and what a variable of that name is set to.
func actions(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			word, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[word] = true
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Eventf" && len(n.Args) > 4 {
					add(n.Args[4])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Action" {
					add(n.Value)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if name, ok := left.(*ast.Ident); ok && name.Name == "action" && len(n.Rhs) == len(n.Lhs) {
						add(n.Rhs[i])
					}
				}
			}
			return true
		})
	}
	return found
}
