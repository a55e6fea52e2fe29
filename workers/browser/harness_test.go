package browser

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedEnv); dir != "" {
		toBeKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// newRecorder starts a recorder that may reach the test's own servers.
func newRecorder(t testing.TB) *recorder.Recorder {
	t.Helper()
	r, err := recorder.New(recorder.Options{
		Dir:    t.TempDir(),
		Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the recorder: %v", err)
		}
	})
	return r
}

// newPool starts a pool that ends with the test and leaves nothing behind.
func newPool(t testing.TB, change ...func(*Options)) *Pool {
	t.Helper()
	opts := Options{Dir: scratch(t), Recorder: newRecorder(t), Tabs: 2}
	if testing.Verbose() {
		opts.Logger = slog.New(slog.NewTextHandler(testLog{t}, nil))
	}
	for _, c := range change {
		c(&opts)
	}
	p, err := New(t.Context(), opts)
	if err != nil {
		t.Fatalf("these tests need a Chrome: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close the pool: %v", err)
		}
		if left, err := filepath.Glob(p.folder.Path + "*"); err != nil || len(left) > 0 {
			t.Errorf("the pool left %v behind (%v)", left, err)
		}
	})
	return p
}

// scratch is a folder that Chrome's unprivileged user can reach, which
// t.TempDir is not everywhere.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	fmt.Fprintf(os.Stderr, "%s: %s", l.t.Name(), b)
	return len(b), nil
}

// newStay opens a stay that ends with the test.
func newStay(t testing.TB, p *Pool, opts StayOptions) *Stay {
	t.Helper()
	s, err := p.Stay(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the stay: %v", err)
		}
	})
	return s
}

// visit captures a page with every output.
func visit(t testing.TB, s *Stay, address string, change ...func(*Visit)) *Page {
	t.Helper()
	v := Visit{ID: "p", URL: address, Dir: filepath.Join(t.TempDir(), "page"), Screenshot: ScreenshotFull, Text: true, DOM: true}
	for _, c := range change {
		c(&v)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	p, err := s.Capture(ctx, v)
	if err != nil {
		t.Fatalf("capture %s: %v", address, err)
	}
	return p
}

// serve starts a server of fixed pages. A value is the body of an HTML page, or
// an http.HandlerFunc.
func serve(t testing.TB, pages map[string]any) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for path, page := range pages {
		switch page := page.(type) {
		case string:
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				fmt.Fprint(w, page)
			})
		case http.HandlerFunc:
			mux.Handle(path, page)
		case func(http.ResponseWriter, *http.Request):
			mux.HandleFunc(path, page)
		default:
			t.Fatalf("page %s is a %T", path, page)
		}
	}
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func read(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// requested lists path and outcome of the ledger's lines, as "GET /x record".
func requested(p *Page, base string) []string {
	var out []string
	for _, l := range p.Ledger {
		out = append(out, fmt.Sprintf("%s %s %s", l.Method, strings.TrimPrefix(l.URL, base), l.Outcome))
	}
	return out
}
