package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// TestInspectTellsOfComparisons: of a file whose pages were compared with an earlier crawl it
// says how they are, of others nothing.
func TestInspectTellsOfComparisons(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	page := func(name string, extra map[string]any) wacz.Page {
		return wacz.Page{ID: name, URL: "https://example.org/" + name, Title: "T", Time: at, Extra: extra}
	}
	inspect := func(pages ...wacz.Page) (text, js string) {
		t.Helper()
		var file bytes.Buffer
		if err := wacz.Create(&file, wacz.Contents{
			Created: at, WARCs: []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes([]byte("-"))}}, Index: []cdxj.Entry{}, Pages: pages,
		}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.wacz")
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, outJSON, stderr bytes.Buffer
		if run([]string{"wacz", "inspect", path}, nil, &out, &stderr) != 0 || run([]string{"wacz", "inspect", "--json", path}, nil, &outJSON, &stderr) != 0 {
			t.Fatal(stderr.String())
		}
		return out.String(), outJSON.String()
	}
	text, js := inspect(page("a", map[string]any{"compared": "Unchanged"}), page("b", map[string]any{"compared": "New"}), page("c", map[string]any{"compared": 7}))
	for _, want := range []string{
		"Unchanged  2030-01-02T03:04:05Z  https://example.org/a  T\n", "New        2030-01-02T03:04:05Z  https://example.org/b  T\n",
		"           2030-01-02T03:04:05Z  https://example.org/c  T\n", "\nbeside an earlier crawl: 1 New, 1 Unchanged\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	if !strings.Contains(js, `"compared":"Unchanged"`) || !strings.Contains(js, `"compared":{"New":1,"Unchanged":1}`) {
		t.Errorf("%s", js)
	}
	text, js = inspect(page("a", nil))
	if !strings.HasPrefix(text, "2030-01-02T03:04:05Z  https://example.org/a  T\n") || strings.Contains(text+js, "compared") || strings.Contains(text, "beside") {
		t.Errorf("%s%s", text, js)
	}
}
