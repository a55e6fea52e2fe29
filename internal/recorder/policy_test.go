package recorder

import (
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestPermit: who may not send is refused before a connection is made, and what was to be sent
// is recorded.
func TestPermit(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(site.Close)
	s, err := newRecorder(t).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	permit := func(method, host string) bool { return method == http.MethodPut && host == "127.0.0.1" }
	if err := s.Begin(Page{Dir: t.TempDir(), Permit: permit}); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]string{
		"GET": "", "HEAD": "", "OPTIONS": "", "PUT": "", "POST": ReasonPostBlocked, "DELETE": ReasonPostBlocked, "PATCH": ReasonPostBlocked, "QUERY": ReasonPostBlocked,
	} {
		before := hits.Load()
		br, c := dialSession(t, s, method+" "+site.URL+"/ HTTP/1.1", "Host: x", "Connection: close", "Content-Length: 0")
		got := reasonIn(br)
		_ = c.Close()
		if want == "" && got != "HTTP/1.1 200 OK" || want != "" && (got != want || hits.Load() != before) {
			t.Errorf("%s: %s, %d requests came", method, got, hits.Load()-before)
		}
	}
	br, c := dialSession(t, s, "POST "+site.URL+"/ HTTP/1.1", "Host: x", "Connection: close", "Content-Length: 4\r\n\r\nbody")
	if got := reasonIn(br); got != ReasonPostBlocked {
		t.Errorf("with a body: %s", got)
	}
	_ = c.Close()
	list := end(t, s)
	if last := list[len(list)-1]; contents(t, last.Request.Body) != "body" || last.Conn != nil {
		t.Errorf("recorded %+v", last)
	}
}

// TestNoPictures: without Sec-Fetch headers, as over plain HTTP, a picture is known by its type
// or its first bytes.
func TestNoPictures(t *testing.T) {
	t.Parallel()
	picture := noise(t, png.Encode)
	var hits atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		w.Header().Set("Content-Type", strings.TrimPrefix(r.URL.Path, "/"))
		_, _ = w.Write(picture)
	}))
	t.Cleanup(site.Close)
	s, err := newRecorder(t).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := s.Begin(Page{Dir: dir, NoPictures: true}); err != nil {
		t.Fatal(err)
	}
	for i, head := range [][]string{{"GET %s/image/png"}, {"GET %s/text/html"}, {"GET %s/video/mp4"}, {"GET %s/image/png", "Sec-Fetch-Dest: image"}} {
		before := hits.Load()
		lines := append([]string{fmt.Sprintf(head[0], site.URL) + " HTTP/1.1", "Host: x", "Connection: close"}, head[1:]...)
		br, c := dialSession(t, s, lines...)
		got := reasonIn(br)
		_ = c.Close()
		if asked := hits.Load() > before; asked == (len(head) > 1) || got != ReasonImagesOff && got != "EOF" {
			t.Errorf("%d: %s, asked: %v", i, got, asked)
		}
	}
	for _, e := range end(t, s) {
		if e.Failure != ReasonImagesOff || e.Response != nil && e.Response.Body.Size > 0 {
			t.Errorf("recorded %+v", e)
		}
	}
	if found := traces(t, dir, picture); len(found) > 0 {
		t.Errorf("there is something of it in %v", found)
	}
}
