package dynamic

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestPagesHaveTheResourcesThatTheySay(t *testing.T) {
	srv := httptest.NewServer(New(Options{}))
	defer srv.Close()
	get := func(path string) (*http.Response, string) {
		res, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, res.Status, err)
		}
		return res, string(body)
	}
	_, page := get("/page/7")
	found := regexp.MustCompile(`['"](/res/7/\d+\.\w+)['"]`).FindAllStringSubmatch(page, -1)
	if got := len(found) + strings.Count(page, "i < 8; i++")*fetches; got != Resources {
		t.Errorf("the page names %d resources, want %d", got, Resources)
	}
	for _, resource := range append(found, []string{"", "/res/7/0.json"}) {
		if res, body := get(resource[1]); res.Header.Get("Cache-Control") != "no-store" || body == "" {
			t.Errorf("%s: may be kept, or is empty: %v", resource[1], res.Header)
		}
	}
}
