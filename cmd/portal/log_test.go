package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// loggers are what a log call is made on, levels its methods.
var (
	loggers = regexp.MustCompile(`(?i)^(log|logger)$`)
	levels  = regexp.MustCompile(`^(Debug|Info|Warn|Error)(Context)?$`)
	key     = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
)

// TestLogCalls: messages are constant, keys are lowerCamel, and no attribute above debug is called as what
// has an address of a page in it.
func TestLogCalls(t *testing.T) {
	t.Parallel()
	calls := 0
	for _, root := range []string{".", "../../portal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, level := logCall(n); call != nil {
					calls++
					checkLogCall(t, set.Position(call.Pos()).String(), level, call.Args)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if calls < 20 {
		t.Errorf("only %d log calls were found: the search for them is broken", calls)
	}
}

// logCall is a call of a logger, nil for anything else.
func logCall(n ast.Node) (*ast.CallExpr, string) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil, ""
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !levels.MatchString(method.Sel.Name) || len(call.Args) == 0 {
		return nil, ""
	}
	name := ""
	switch on := method.X.(type) {
	case *ast.Ident:
		name = on.Name
	case *ast.SelectorExpr:
		name = on.Sel.Name
	}
	if !loggers.MatchString(name) {
		return nil, ""
	}
	return call, method.Sel.Name
}

func checkLogCall(t *testing.T, where, level string, args []ast.Expr) {
	t.Helper()
	if _, ok := word(args[0]); !ok {
		t.Errorf("%s: the message is not constant", where)
	}
	if len(args)%2 == 0 {
		t.Errorf("%s: a key without a value", where)
	}
	for i := 1; i < len(args); i += 2 {
		k, ok := word(args[i])
		switch {
		case !ok || !key.MatchString(k):
			t.Errorf("%s: the key %q is not constant and lowerCamel", where, k)
		case level != "Debug" && named(args[i+1]):
			t.Errorf("%s: %s may be the address of a page: log it at debug", where, k)
		}
	}
}

// word is a constant text.
func word(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// named tells whether a value is a field that has an address of a page, or of what somebody asked for.
func named(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	on, _ := sel.X.(*ast.Ident)
	return (sel.Sel.Name == "URL" || sel.Sel.Name == "TargetURI" || sel.Sel.Name == "Title") && (on == nil || on.Name != "replays")
}
