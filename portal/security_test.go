package portal

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	for _, path := range []string{
		"/", runPath, runPath + "/view?url=https%3A%2F%2Fwww.example.org%2Fa", runPath + "/collection.json", "/api/runs", "/api" + runPath,
		"/wacz/" + folder + "chunks/c0.wacz", "/assets/portal.css", "/assets/icon.svg", "/replay/", "/replay/sw.js", "/replay/ui.js", "/replay/LICENSE.txt",
		"/healthz", "/readyz", "/nowhere", "/runs/a/b/c", "/wacz/none", "//wacz/x",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			res := f.do(method, path)
			if method == http.MethodPost && res.StatusCode != http.StatusMethodNotAllowed && path != "//wacz/x" {
				t.Errorf("POST %s: status %d", path, res.StatusCode)
			}
			for name, want := range headers {
				got := res.Header.Get(name)
				if path == "/replay/" && method != http.MethodPost { // the one that we frame ourselves
					got = strings.Replace(strings.Replace(got, "SAMEORIGIN", "DENY", 1), "frame-ancestors 'self'", "frame-ancestors 'none'", 1)
				}
				if got != want {
					t.Errorf("%s %s: %s is %q", method, path, name, got)
				}
			}
		}
	}
	wantNone(t, "the policy of scripts", strings.Split(contentPolicy, "style-src")[0], "unsafe", "*", "http")
}

func TestForeignNamesAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "LOCALHOST": 200, "[::1]:8080": 200, "127.8.9.10": 200,
		"evil.example:8080": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "192.0.2.1:8080": 421, "": 421, "0.0.0.0:8080": 421,
	} {
		if res := f.get("/api/runs", "Host", host); res.StatusCode != want {
			t.Errorf("Host %q: status %d, want %d", host, res.StatusCode, want)
		}
	}
	f.server.AnyHost = true
	handler, err := f.server.Handler()
	if err != nil {
		t.Fatal(err)
	}
	f.handler = handler
	if res := f.get("/api/runs", "Host", "portal.example.org"); res.StatusCode != http.StatusOK {
		t.Errorf("with AnyHost: status %d", res.StatusCode)
	}
}

func TestTroubleOfTheStore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, code string
		status       int
		want         string
	}{
		{"wrong key", "InvalidAccessKeyId", 403, "credentials"},
		{"wrong secret", "SignatureDoesNotMatch", 403, "credentials"},
		{"not allowed", "AccessDenied", 403, "credentials"},
		{"no bucket", "NoSuchBucket", 404, "bucket does not exist"},
		{"odd answer", "TeapotException", 418, "answered with an error"},
	} {
		f := newFixture(t)
		f.store.Answer = func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			blobtest.Fail(w, tc.status, tc.code)
			return true
		}
		troubled(t, tc.reason, f, tc.want)
	}
	f := newFixture(t)
	client, err := blob.NewClient(blob.Config{Endpoint: "http://127.0.0.1:1", Region: "us-east-1", AccessKey: "key", SecretKey: "secret-of-the-store"})
	if err != nil {
		t.Fatal(err)
	}
	f.server.Archive, f.server.Catalog = client.Bucket("archive"), &Catalog{Archive: client.Bucket("archive")}
	if f.handler, err = f.server.Handler(); err != nil {
		t.Fatal(err)
	}
	troubled(t, "nobody listens", f, "does not answer")
}

// troubled checks that every page says what is wrong and nothing more.
func troubled(t *testing.T, reason string, f *fixture, want string) {
	t.Helper()
	for _, path := range []string{"/", runPath, runPath + "/view?url=x", runPath + "/collection.json", "/api/runs", "/api" + runPath} {
		res := f.get(path)
		text := body(t, res)
		if res.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: %s: status %d", reason, path, res.StatusCode)
		}
		wantAll(t, reason+": "+path, text, want, "load this page again")
		wantNone(t, reason+": "+path, text, "made for a test", "127.0.0.1:", "secret-of-the-store", "list-type")
	}
	wantAll(t, reason+": the log", f.log.String(), "request failed")
	wantNone(t, reason+": the log", f.log.String(), "secret-of-the-store")
	if res := f.get("/healthz"); res.StatusCode != http.StatusOK {
		t.Errorf("%s: /healthz: %d", reason, res.StatusCode)
	}
}

// TestTroublePasses looks at a crawl while the store fails in the middle of it, and again when it is well.
func TestTroublePasses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.store.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if strings.HasSuffix(r.URL.Path, "c1.wacz") {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
			return true
		}
		return false
	}
	if res := f.get(runPath); res.StatusCode != http.StatusBadGateway {
		t.Errorf("in trouble: status %d", res.StatusCode)
	}
	f.store.Answer = nil
	text := body(t, f.get(runPath))
	wantAll(t, "after the trouble", text, ">Rooms<", ">Bikes<")
	wantNone(t, "after the trouble", text, "not whole")
}

func TestHandlerNeedsReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := os.Remove(filepath.Join(f.server.ReplayDir, "sw.js")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.Handler(); err == nil || !strings.Contains(err.Error(), "make replay") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}
