package capture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An elsewhere is a case that takes no page of a site.
type elsewhere struct {
	group, name string
	// tests are package and function, such as "internal/warc TestCut", separated by commas: those that cover it.
	tests string
	// note says what they leave open, or why there are none.
	note string
}

// TestCoveredElsewhere: the tests that the table names are there.
func TestCoveredElsewhere(t *testing.T) {
	known := make(map[string]map[string]bool)
	for _, c := range coveredElsewhere {
		if c.tests == "" && c.note == "" {
			t.Errorf("%s %s: neither tests nor a reason why there are none", c.group, c.name)
		}
		for test := range strings.SplitSeq(c.tests, ", ") {
			dir, name, _ := strings.Cut(test, " ")
			if dir == "" {
				continue
			}
			if known[dir] == nil {
				known[dir] = testsOf(t, dir)
			}
			if !known[dir][name] {
				t.Errorf("%s %s: there is no %s in %s", c.group, c.name, name, dir)
			}
		}
	}
}

// testsOf are the names of the tests, fuzz targets and benchmarks of a package.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// elsewhereTable is the part of the table for a group.
func elsewhereTable(group string) string {
	var b strings.Builder
	for _, c := range coveredElsewhere {
		if c.group != group {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n| without a page | tests | remarks |\n| --- | --- | --- |\n")
		}
		tests := "–"
		if c.tests != "" {
			tests = "`" + strings.ReplaceAll(c.tests, ", ", "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.name, tests, c.note)
	}
	return b.String()
}
