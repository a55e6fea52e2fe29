package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCurrent: what is committed is what config says. "make generate" writes it anew.
func TestCurrent(t *testing.T) {
	t.Parallel()
	want, err := generate(os.DirFS(filepath.Join("..", "..", "config")))
	if err != nil {
		t.Fatal(err)
	}
	charts := os.DirFS("..")
	for name, content := range want {
		have, err := fs.ReadFile(charts, name)
		if err != nil {
			t.Errorf("%v: run make generate", err)
			continue
		}
		if diff := cmp.Diff(string(have), string(content)); diff != "" {
			t.Errorf("charts/%s is not current, run make generate: -committed, +generated:\n%s", name, diff)
		}
	}
	for _, folder := range []string{"crawlfleet-crds/templates", "crawlfleet/files"} {
		err := fs.WalkDir(charts, folder, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && want[name] == nil {
				t.Errorf("charts/%s is not generated any more: run make generate", name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestStrict: what Kubernetes adds is left out, and what is not known is refused on every level.
func TestStrict(t *testing.T) {
	t.Parallel()
	schema := map[string]any{
		"type": "object", "x-kubernetes-validations": []any{},
		"properties": map[string]any{
			"replicas": map[string]any{"type": "integer", "format": "int32", "minimum": 1},
			"labels":   map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}},
			"pools": map[string]any{"type": "array", "x-kubernetes-list-type": "map", "items": map[string]any{
				"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
			}},
		},
	}
	want := map[string]any{
		"type": "object", "additionalProperties": false,
		"properties": map[string]any{
			"replicas": map[string]any{"type": "integer", "minimum": 1},
			"labels":   map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}},
			"pools": map[string]any{"type": "array", "items": map[string]any{
				"type": "object", "additionalProperties": false, "properties": map[string]any{"name": map[string]any{"type": "string"}},
			}},
		},
	}
	strict(schema)
	if diff := cmp.Diff(want, schema); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestRefused: what would be rendered otherwise than it is written is not taken.
func TestRefused(t *testing.T) {
	t.Parallel()
	err := addTemplate(map[string][]byte{}, "x", "crd/bases/x.yaml", []byte("a: {{ b }}"))
	if err == nil || !strings.Contains(err.Error(), "crd/bases/x.yaml has braces") {
		t.Errorf("got %v", err)
	}
	if _, err := specOf([]byte("spec: {versions: [{}, {}]}")); err == nil || !strings.Contains(err.Error(), "2 versions") {
		t.Errorf("two versions: got %v", err)
	}
}
