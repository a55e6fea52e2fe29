package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

// TestEveryRefusalSaysWhatIsWrong: what the standard library refuses in plain text, too, is said as docs/reference/api.md
// promises.
func TestEveryRefusalSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	file := "/wacz/" + folder + "chunks/c0.wacz"
	for _, tc := range []struct {
		method, path string
		header       []string
		status       int
		name, value  string
	}{
		{"PUT", "/api/v1/snapshots", nil, 405, "Allow", "GET, HEAD"},
		{"DELETE", "/cases", nil, 405, "Allow", "GET, HEAD, POST"},
		{"PATCH", "/api/v1/watches/x", nil, 405, "Allow", "DELETE"},
		{"GET", file, []string{"Range", "bytes=99999999-"}, 416, "Content-Range", "bytes */"},
		{"GET", file, []string{"Range", "bytes=x"}, 416, "", ""},
		{"GET", file, []string{"If-Match", `"another"`}, 412, "", ""},
	} {
		what := fmt.Sprint(tc.method, " ", tc.path, tc.header)
		res := f.do(tc.method, tc.path, append(tc.header, "Accept", "application/json")...)
		var said struct {
			Status      int
			Error, Hint string
		}
		text := body(t, res)
		if err := json.Unmarshal([]byte(text), &said); err != nil || res.StatusCode != tc.status || said.Status != tc.status || said.Error == "" || said.Hint == "" {
			t.Errorf("%s: %d %q %v", what, res.StatusCode, text, err)
		}
		if !strings.HasPrefix(res.Header.Get(tc.name), tc.value) || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Content-Disposition") != "" || res.Header.Get("Repr-Digest") != "" {
			t.Errorf("%s: %v", what, res.Header)
		}
		page := body(t, f.do(tc.method, tc.path, append(tc.header, "Accept-Language", "nl")...))
		wantAll(t, what, page, "<html lang=\"nl\">")
	}
	res := f.do("PUT", "/nowhere", "Accept", "application/json")
	if text := body(t, res); res.StatusCode != http.StatusNotFound || !strings.Contains(text, `"error":"There is nothing at this address."`) {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// TestRefusalsOfWatchesAreDescribed: with each status that a new watch is refused with.
func TestRefusalsOfWatchesAreDescribed(t *testing.T) {
	t.Parallel()
	post, _ := readDocument(t).Paths["/api/v1/watches"]["post"].(map[string]any)
	described, _ := post["responses"].(map[string]any)
	for _, err := range []error{watches.ErrTooMany, watches.ErrTooOften, watches.ErrWatched, chain.ErrInvalid} {
		var p problem
		if !errors.As(watchProblem(err), &p) || described[fmt.Sprint(p.Status)] == nil {
			t.Errorf("%v is answered %d, which is not described", err, p.Status)
		}
	}
}
