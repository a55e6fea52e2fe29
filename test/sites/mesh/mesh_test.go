package mesh

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
)

// TestPagesLinkToWhatTheySay, and everything can be reached.
func TestPagesLinkToWhatTheySay(t *testing.T) {
	m := New(Options{Hosts: 25, Pages: 3})
	if n := len(m.Reachable()); n != 75 {
		t.Errorf("%d of 75 pages can be reached", n)
	}
	for _, p := range [][2]int{{0, 0}, {3, 2}, {24, 1}} {
		r := httptest.NewRequest(http.MethodGet, URL(p[0], p[1]), nil)
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		body, err := io.ReadAll(w.Result().Body)
		if err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d, %v", r.URL, w.Code, err)
		}
		var links []string
		for _, match := range regexp.MustCompile(`href='(.*?)'`).FindAllStringSubmatch(string(body), -1) {
			links = append(links, match[1])
		}
		if !slices.Equal(links, m.Links(p[0], p[1])) {
			t.Errorf("%s links to %v, not to %v", r.URL, links, m.Links(p[0], p[1]))
		}
	}
	for _, u := range []string{"http://h25.test/0", "http://h1.test/3", "http://h1.test/x", "http://other.test/0", "http://h-1.test/0"} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, u, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", u, w.Code)
		}
	}
}
