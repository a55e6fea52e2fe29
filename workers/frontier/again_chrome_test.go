package frontier

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestOriginForBrowsersAlone crawls, with a real Chrome, an origin that breaks off every TLS
// handshake but a browser's: one whose hello has a value of RFC 8701. Both captures are stored.
func TestOriginForBrowsersAlone(t *testing.T) {
	t.Parallel()
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><link rel=icon href=data:,>for browsers alone")
	}))
	site.Config.ErrorLog = log.New(io.Discard, "", 0)
	site.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !slices.ContainsFunc(hello.CipherSuites, func(s uint16) bool { return s&0x0f0f == 0x0a0a && s>>8 == s&0xff }) {
			return nil, errors.New("not a browser")
		}
		return nil, nil
	}}
	site.StartTLS()
	t.Cleanup(func() {
		site.CloseClientConnections()
		site.Close()
	})
	rec, err := recorder.New(recorder.Options{
		Dir: t.TempDir(), Roots: []*x509.Certificate{site.Certificate()},
		Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rec.Close(); err != nil {
			t.Error(err)
		}
	})
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
