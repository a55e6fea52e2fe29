package frontier

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/recorder/recordertest"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestOriginForBrowsersAlone crawls, with a real Chrome, an origin that breaks off every TLS
// handshake but a browser's: one whose hello has a value of RFC 8701. Both captures are stored.
func TestOriginForBrowsersAlone(t *testing.T) {
	t.Parallel()
	site, rec := recordertest.ForBrowsersAlone(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><link rel=icon href=data:,>for browsers alone")
	}))
	dir, err := os.MkdirTemp("", "crawlfleet-frontier-") // which Chrome's unprivileged user can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	pool, err := browser.New(t.Context(), browser.Options{Dir: dir, Recorder: rec, Tabs: 1})
	if err != nil {
		t.Fatalf("this test needs a Chrome: %v", err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	r := newRig(t, &web{})
	r.crawler.Tabs = Pool{Pool: pool}
	r.job.Spec.Browser.Width, r.job.Spec.Browser.Height = 800, 600
	r.seed(site.URL + "/")
	if out := r.run(1); out.Counts.Archived != 1 {
		t.Errorf("counts %+v", out.Counts)
	}
	want := []string{"Browser; Archived; ; the TLS handshake failed", "Wire; Failed; the TLS handshake failed"}
	if diff := cmp.Diff(want, r.captured()); diff != "" {
		t.Errorf("what is stored (-want +got):\n%s", diff)
	}
}
