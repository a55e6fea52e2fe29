// Package jsonshape has tests fail when the JSON of a type is not what it was any more, so that
// programs of two builds that run side by side understand each other, and what is stored stays
// readable. It is for tests.
//
// The JSON of a type, with all that it can hold, is committed as an example. A member that is new
// is taken in with a flag; one that is gone or is of another kind never is.
package jsonshape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Check compares the types of values with the examples in a folder. With update it takes in what is
// new.
func Check(t testing.TB, dir string, update bool, values ...any) {
	t.Helper()
	for _, v := range values {
		of := reflect.TypeOf(v)
		file := filepath.Join(dir, of.Name()+".json")
		today, err := Example(of)
		if err != nil {
			t.Errorf("%s: %v", of.Name(), err)
			continue
		}
		before, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && update {
			before, err = today, nil
		}
		if err != nil {
			t.Errorf("%v: if the type is new, run the test with -update-shapes", err)
			continue
		}
		added, broken := compare(before, today, of)
		for _, b := range broken {
			t.Errorf("%s: %s. Programs of the build before write and read it still (docs/adr/0028-versions.md): keep it beside what takes its place, and take it away a release after nobody reads it", of.Name(), b)
		}
		switch {
		case len(broken) > 0:
		case update:
			if err := write(file, today); err != nil {
				t.Error(err)
			}
		case len(added) > 0:
			t.Errorf("%s: %s is new. The build before neither writes nor reads it: if all goes well without, run the test with -update-shapes", of.Name(), strings.Join(added, ", "))
		}
	}
}

// write puts an example into its place.
func write(file string, example []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, example, 0o644)
}

// compare finds what is new, and what cannot be read any more.
func compare(before, today []byte, of reflect.Type) (added, broken []string) {
	was, err := shape(before)
	if err != nil {
		return nil, []string{"the example is no JSON: " + err.Error()}
	}
	is, err := shape(today)
	if err != nil {
		return nil, []string{err.Error()}
	}
	for _, path := range slices.Sorted(maps.Keys(was)) {
		switch kind, there := is[path]; {
		case !there:
			broken = append(broken, path+" was renamed or removed")
		case kind != was[path]:
			broken = append(broken, fmt.Sprintf("%s is a JSON %s now, it was a %s", path, kind, was[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		if _, there := was[path]; !there {
			added = append(added, path)
		}
	}
	if err := json.Unmarshal(before, reflect.New(of).Interface()); err != nil {
		broken = append(broken, "the example cannot be read: "+err.Error())
	}
	return added, broken
}

// shape is the kind of each member, by its path.
func shape(document []byte) (map[string]string, error) {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return nil, err
	}
	found := map[string]string{}
	walk(value, "", found)
	return found, nil
}

func walk(value any, path string, found map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		found[path] = "object"
		for name, member := range v {
			walk(member, strings.TrimPrefix(path+"."+name, "."), found)
		}
	case []any:
		found[path] = "list"
		for _, member := range v {
			walk(member, path+"[]", found)
		}
	case string:
		found[path] = "string"
	case bool:
		found[path] = "truth value"
	case float64:
		found[path] = "number"
	default:
		found[path] = "null"
	}
}

// Example is the JSON of a type, with something in each of its members.
func Example(of reflect.Type) ([]byte, error) {
	v := reflect.New(of)
	fill(v.Elem(), 0)
	raw, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

// moment stands in each time.
var moment = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// maxDepth is deeper than any type but one that contains itself.
const maxDepth = 16

// fill puts something into a value that is not its zero.
func fill(v reflect.Value, depth int) {
	if depth > maxDepth || !v.CanSet() {
		return
	}
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(moment))
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"raw":1}`))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	case reflect.String:
		v.SetString("s")
	default:
		fillMany(v, depth)
	}
}

// fillMany is fill for what holds other values.
func fillMany(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	default: // an interface, or what JSON does not have: it shows in the example
	}
}

// Covers has a test fail for the exported types of a package, in its folder, that are written as
// JSON and are in none of the values.
func Covers(t testing.TB, dir string, values ...any) {
	t.Helper()
	covered, own := map[string]bool{}, reflect.TypeOf(values[0]).PkgPath()
	for _, v := range values {
		reach(reflect.TypeOf(v), own, covered)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() && tagged(spec) && !covered[spec.Name.Name] {
				t.Errorf("%s: %s is written as JSON, and there is no example of it: name it in the test", file, spec.Name.Name)
			}
			return true
		})
	}
}

// tagged tells whether a type has a member with a name in JSON.
func tagged(spec *ast.TypeSpec) bool {
	s, ok := spec.Type.(*ast.StructType)
	return ok && slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		return f.Tag != nil && strings.Contains(f.Tag.Value, `json:"`)
	})
}

// reach notes the names of all types of a package that a type consists of.
func reach(of reflect.Type, own string, found map[string]bool) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		reach(of.Elem(), own, found)
	case reflect.Map:
		reach(of.Key(), own, found)
		reach(of.Elem(), own, found)
	case reflect.Struct:
		if of.PkgPath() != own || found[of.Name()] {
			return
		}
		found[of.Name()] = true
		for i := range of.NumField() {
			reach(of.Field(i).Type, own, found)
		}
	default:
	}
}
