package capture

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/chrome"
	"crawlfleet.dev/crawlfleet/test/viewer"
)

// replayDir is where `make replay` has put ReplayWeb.page.
const replayDir = "../../build/replay"

var view = template.Must(template.New("view").Parse(`<!doctype html><meta charset=utf-8><script src="/replay/ui.js"></script>
<replay-web-page source="{{.Source}}" url="{{.URL}}" ts="{{.TS}}" replayBase="/replay/" embed="replayonly" noCache sandbox></replay-web-page>`))

// A shelf serves WACZ files with ReplayWeb.page, and is the only host that the viewer reaches.
type shelf struct {
	*httptest.Server
	dir string
}

func newShelf(t *testing.T, dir string) *shelf {
	t.Helper()
	if _, err := os.Stat(filepath.Join(replayDir, "ui.js")); err != nil {
		t.Fatalf("ReplayWeb.page is missing: run `make replay`: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/wacz/", http.StripPrefix("/wacz/", http.FileServer(http.Dir(dir))))
	for _, name := range []string{"ui.js", "sw.js"} {
		mux.HandleFunc("/replay/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join(replayDir, name))
		})
	}
	// What the replay's frame shows until its service worker is in charge of it.
	mux.HandleFunc("/replay/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><meta charset=utf-8><script src="/replay/ui.js"></script><replay-app-main></replay-app-main>`)
	})
	mux.HandleFunc("/view", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if err := view.Execute(w, map[string]string{"Source": q.Get("source"), "URL": q.Get("url"), "TS": q.Get("ts")}); err != nil {
			t.Errorf("view: %v", err)
		}
	})
	// Everything else is somebody else's host: the viewer has no other way out.
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != own(r) {
			http.Error(w, "only the archive may be asked", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return &shelf{Server: s, dir: dir}
}

// own is the address at which the server itself was reached.
func own(r *http.Request) string {
	return fmt.Sprint(r.Context().Value(http.LocalAddrContextKey))
}

// replay shows the page of every case that names a text, and compares.
func replay(t *testing.T, results []*result, dir string) {
	t.Helper()
	a := newShelf(t, dir)
	v := viewer.New(t, chrome.Through(a.URL)...)
	for _, r := range results {
		if r.c.text == "" {
			continue
		}
		address := r.page.URL
		q := url.Values{"source": {"/wacz/" + filepath.Base(r.wacz)}, "url": {address}, "ts": {r.page.Started.UTC().Format("20060102150405")}}
		if err := v.Open(a.URL + "/view?" + q.Encode()); err != nil {
			t.Errorf("%s: %v", r.c.name, err)
			continue
		}
		began := time.Now()
		want := viewer.Normalize(r.c.text)
		if got, err := v.AwaitText(want); err != nil {
			t.Errorf("%s: the replay shows %.300q, want %q in it: %v", r.c.name, got, want, err)
			continue
		}
		r.replayed = true
		if d := time.Since(began); d > 3*time.Second {
			t.Logf("%s: shown after %s", r.c.name, d.Round(time.Millisecond))
		}
	}
}
