package archive

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestMemoryOfManyTabs: four pages at once, each with a script that fetches 100 MB, need
// less memory than the bound, from the browser to the store: 30 MB when it was measured.
func TestMemoryOfManyTabs(t *testing.T) {
	const tabs, size = 4, 100 << 20
	site := httptest.NewServer(fetchingSite(tabs, size))
	defer site.Close()
	store := &sink{}
	s3 := httptest.NewServer(store)
	defer s3.Close()
	began := time.Now()
	r := captureElsewhere(t, lineOrder{Page: site.URL + "/page/", Store: s3.URL, Dir: t.TempDir(), Tabs: tabs})
	t.Logf("%d MB at most in %s; %d exchanges, %d MB stored", r.Peak>>20, time.Since(began).Round(time.Second), r.Exchanges, r.Stored>>20)
	if r.State != browser.Archived || r.Exchanges != 3*tabs || r.Matched != 3*tabs || len(r.Truncated) > 0 {
		t.Errorf("%s %s: %d exchanges, %d matched, cut off: %q", r.State, r.Detail, r.Exchanges, r.Matched, r.Truncated)
	}
	if r.Largest != size || r.Stored < tabs*size || store.got() != r.Stored {
		t.Errorf("the largest body has %d bytes, %d of %d were stored", r.Largest, store.got(), r.Stored)
	}
	if r.Peak == 0 || r.Peak > memoryBound {
		t.Errorf("the process took %d MB, the bound is %d", r.Peak>>20, memoryBound>>20)
	}
}

// fetchingSite serves pages whose scripts each fetch a large body. A picture holds up the
// load of the page until it was sent: what a script fetches does not.
func fetchingSite(tabs, size int) http.Handler {
	mux := http.NewServeMux()
	noise := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(noise) // it never fails
	for n := range tabs {
		sent := make(chan struct{})
		mux.HandleFunc(fmt.Sprintf("/page/%d", n), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<link rel=icon href=data:,><script>fetch('/body/%d').then(r => r.arrayBuffer())</script><img src=/sent/%d>", n, n)
		})
		mux.HandleFunc(fmt.Sprintf("/body/%d", n), func(w http.ResponseWriter, _ *http.Request) {
			defer close(sent)
			w.Header().Set("Content-Length", strconv.Itoa(size))
			for range size / len(noise) {
				if _, err := w.Write(noise); err != nil {
					return
				}
			}
		})
		mux.HandleFunc(fmt.Sprintf("/sent/%d", n), func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-sent:
			case <-r.Context().Done():
			}
		})
	}
	return mux
}
