package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	snapshot := "/snapshots/" + string(idOf("c0", "Bikes"))
	policy := fmt.Sprintf(contentPolicy, replayOrigin)
	for _, path := range []string{
		"/", "/crawls", runPath, snapshot, snapshot + "/replay", "/api/v1/runs", "/api/v1" + runPath, "/api/v1" + snapshot,
		"/wacz/" + folder + "chunks/c0.wacz", "/assets/portal.css", "/assets/icon.svg", "/assets/replaywebpage-license.txt",
		"/healthz", "/readyz", "/nowhere", "/runs/a/b/c", "/wacz/none", "//wacz/x",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			res := f.do(method, path)
			if method == http.MethodPost && res.StatusCode != http.StatusMethodNotAllowed && path != "//wacz/x" && path != "/nowhere" {
				t.Errorf("POST %s: status %d", path, res.StatusCode)
			}
			for name, want := range headers {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s %s: %s is %q", method, path, name, got)
				}
			}
			if got := res.Header.Get("Content-Security-Policy"); got != policy {
				t.Errorf("%s %s: the policy is %q", method, path, got)
			}
		}
	}
	wantNone(t, "the policy", contentPolicy, "unsafe", "*", "http", "data:")
	// What strangers wrote is in an origin of its own, wherever it is served.
	res := f.get("/memento/20260314120100id_/https://www.example.org/")
	wantAll(t, "the policy of what strangers wrote", res.Header.Get("Content-Security-Policy"), "sandbox", "default-src 'none'")
}

func TestForeignNamesAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "LOCALHOST": 200, "[::1]:8080": 200, "127.8.9.10": 200,
		"evil.example:8080": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "192.0.2.1:8080": 421, "": 421, "0.0.0.0:8080": 421,
	} {
		if res := f.get("/api/v1/runs", "Host", host, "Accept", "application/json"); res.StatusCode != want {
			t.Errorf("Host %q: status %d, want %d", host, res.StatusCode, want)
		}
	}
	f.server.AnyHost = true
	handler, err := f.server.Handler()
	if err != nil {
		t.Fatal(err)
	}
	f.handler = handler
	if res := f.get("/api/v1/runs", "Host", "portal.example.org"); res.StatusCode != http.StatusOK {
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
	f.server.Archive, f.server.Runs = client.Bucket("archive"), &Runs{Archive: client.Bucket("archive")}
	if f.handler, err = f.server.Handler(); err != nil {
		t.Fatal(err)
	}
	troubled(t, "nobody listens", f, "does not answer")
}

// troubled checks that every page says what is wrong and nothing more.
func troubled(t *testing.T, reason string, f *fixture, want string) {
	t.Helper()
	for _, path := range []string{"/crawls", runPath, "/", "/api/v1/runs", "/api/v1" + runPath} {
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

// TestTroublePasses looks at a snapshot while the store fails in the middle of it, and again when it is well.
func TestTroublePasses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	f.store.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "c1.wacz") {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
			return true
		}
		return false
	}
	path := "/snapshots/" + string(idOf("c1", "Rooms"))
	if res := f.get(path); res.StatusCode != http.StatusBadGateway {
		t.Errorf("in trouble: status %d", res.StatusCode)
	}
	wantAll(t, "what was found before", body(t, f.get("/")), ">Rooms<")
	f.store.Answer = nil
	wantAll(t, "after the trouble", body(t, f.get(path)), ">Rooms<", "what it says")
}

func TestOneNameOnLoopback(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	res := f.get("/?q=x", "Host", "localhost:8080")
	if res.StatusCode != http.StatusTemporaryRedirect || res.Header.Get("Location") != portalOrigin+"/?q=x" {
		t.Errorf("a page under another name: %d %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res := f.get("/api/v1/snapshots", "Host", "localhost:8080", "Accept", "application/json"); res.StatusCode != http.StatusOK {
		t.Errorf("for a program: %d", res.StatusCode)
	}
}

func TestHandlerNeedsReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := os.Remove(filepath.Join(f.server.ReplayDir, license)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.Handler(); err == nil || !strings.Contains(err.Error(), "make replay") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}

// TestPreferencesOfStrangers: the form is public, so it is bounded, and leads to this portal alone.
func TestPreferencesOfStrangers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for back, want := range map[string]string{
		"/crawls?page=2": "/crawls?page=2", "": "/", "https://evil.test/": "/", "//evil.test": "/", "/\\evil.test": "/", "/\t/evil.test": "/",
	} {
		res := f.send(http.MethodPost, "/preferences", "application/x-www-form-urlencoded", url.Values{"theme": {"dark"}, "back": {back}}.Encode(), "Accept", "text/html")
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("%q leads to %q (%d), want %q", back, res.Header.Get("Location"), res.StatusCode, want)
		}
	}
	res := f.send(http.MethodPost, "/preferences", "application/x-www-form-urlencoded", "theme=dark&back="+strings.Repeat("x", maxPreferences), "Accept", "text/html")
	if text := body(t, res); res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(text, "too large") {
		t.Errorf("a form without end: %d %.300s", res.StatusCode, text)
	}
}

// TestOtherSites: where nobody logs in, no page of another site has a browser ask for anything but a page to go to, and what
// strangers wrote is no part of any page.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.capture(t, visit{Key: "c", URL: board, Text: "room", Picture: screenshot(t, 400, 300, 40), Hour: 1})
	snapshot, memento := "/snapshots/"+string(c.ID), "/memento/"+noon.Add(time.Hour).Format("20060102150405")+"id_/"+board
	for _, tc := range []struct {
		reason, path, site, mode, dest string
		status                         int
	}{
		{"typed in", snapshot, "none", "navigate", "document", 200},
		{"a link of the portal", snapshot, "same-origin", "navigate", "document", 200},
		{"a link elsewhere", snapshot, "cross-site", "navigate", "document", 200},
		{"a program", snapshot, "", "", "", 200},
		{"a picture of the portal's page", snapshot + "/picture", "same-origin", "no-cors", "image", 200},
		{"a picture elsewhere", snapshot + "/picture", "cross-site", "no-cors", "image", 403},
		{"a picture at another port", snapshot + "/picture", "same-site", "no-cors", "image", 403},
		{"a frame elsewhere", snapshot, "cross-site", "navigate", "iframe", 403},
		{"a search that is timed", "/api/v1/snapshots?q=room", "cross-site", "no-cors", "empty", 403},
		{"an index that is timed", "/cdx?url=" + board, "cross-site", "no-cors", "empty", 403},
		{"content for a program", memento, "", "", "", 200},
		{"content to go to", memento, "none", "navigate", "document", 200},
		{"content fetched by the portal's page", memento, "same-origin", "cors", "empty", 200},
		{"content as a script", memento, "same-origin", "no-cors", "script", 403},
		{"content as a style", memento, "same-origin", "no-cors", "style", 403},
		{"content as a worker", memento, "same-origin", "same-origin", "serviceworker", 403},
		{"content in a frame", memento, "same-origin", "navigate", "iframe", 403},
		{"content elsewhere", memento, "cross-site", "no-cors", "empty", 403},
	} {
		header := []string{}
		for name, value := range map[string]string{"Sec-Fetch-Site": tc.site, "Sec-Fetch-Mode": tc.mode, "Sec-Fetch-Dest": tc.dest} {
			if value != "" {
				header = append(header, name, value)
			}
		}
		if res := f.get(tc.path, header...); res.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d", tc.reason, res.StatusCode, tc.status)
		}
	}
}
