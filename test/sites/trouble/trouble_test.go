package trouble_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/test/chrome"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/trouble"
)

func serve(t *testing.T) *sites.Server {
	t.Helper()
	srv, err := sites.Start(sites.Options{Handler: trouble.New(trouble.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// get sends one request, follows no redirect, and decodes nothing.
func get(ctx context.Context, url string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	for _, tc := range []struct {
		path     string
		status   int
		text     string
		location string
	}{
		{"/", 200, `href="/slow"`, ""},
		{"/all", 200, `href="/oom"`, ""},
		{"/nothing", 404, "Trouble: not-found", ""},
		{"/404", 404, "Trouble: 404", ""},
		{"/500", 500, "Trouble: 500", ""},
		{"/503", 503, "Trouble: 503", ""},
		{"/429", 429, "Trouble: 429", ""},
		{"/slow?ms=20", 200, "Trouble: slow", ""},
		{"/slow?ms=x", 400, "want a number", ""},
		{"/redirect?n=2", 303, "", "/redirect?n=1"},
		{"/redirect?n=0", 200, "Trouble: redirect", ""},
		{"/redirect-loop", 302, "", "/redirect-loop/back"},
		{"/redirect-loop/back", 302, "", "/redirect-loop"},
		{"/trap/7", 200, `href="/trap/8"`, ""},
		{"/trap/x", 404, "", ""},
		{"/empty", 200, "", ""},
		{"/no-content", 204, "", ""},
		{"/plain", 200, "Not every page", ""},
		{"/encodings/none", 404, "", ""},
		{"/ws/socket", 426, "", ""},
	} {
		res, body, err := get(t.Context(), srv.URL+tc.path)
		if err != nil {
			t.Errorf("%s: %v", tc.path, err)
			continue
		}
		if res.StatusCode != tc.status || !strings.Contains(string(body), tc.text) || res.Header.Get("Location") != tc.location {
			t.Errorf("%s: got %d %q and %q", tc.path, res.StatusCode, res.Header.Get("Location"), body)
		}
	}
	for _, path := range []string{"/429", "/503"} {
		res, _, err := get(t.Context(), srv.URL+path)
		if err != nil || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After (%v)", path, err)
		}
	}
}

func TestFlakyFailsThenLoads(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	for _, how := range []string{"503", "429", "reset"} {
		var got []string
		for range 4 {
			res, _, err := get(t.Context(), srv.URL+"/flaky?times=2&how="+how)
			if err != nil {
				got = append(got, "reset")
				continue
			}
			got = append(got, fmt.Sprint(res.StatusCode))
		}
		if diff := cmp.Diff([]string{how, how, "200", "200"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
	}
}

func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	_, body, err := get(t.Context(), srv.URL+"/reset")
	if !errors.Is(err, syscall.ECONNRESET) || len(body) != trouble.Sent {
		t.Errorf("/reset: %d bytes, %v; want %d and a reset", len(body), err, trouble.Sent)
	}
	_, body, err = get(t.Context(), srv.URL+"/cut")
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != trouble.Sent {
		t.Errorf("/cut: %d bytes, %v; want %d and an unexpected end", len(body), err, trouble.Sent)
	}
}

func TestEndlessAnswersEndWithTheClient(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	for path, wantBody := range map[string]bool{"/never": true, "/silent": false, "/slow-image/picture.svg": true, "/sse/stream": true} {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		_, body, err := get(ctx, srv.URL+path)
		cancel()
		if err == nil || (len(body) > 0) != wantBody {
			t.Errorf("%s: %q, %v", path, body, err)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(srv.Log.Entries(sites.Filter{Open: true})) > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	for _, e := range srv.Log.Entries(sites.Filter{}) {
		if e.Open() || !e.Aborted {
			t.Errorf("%s: open %v, aborted %v", e.Path, e.Open(), e.Aborted)
		}
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	decoders := map[string]func(io.Reader) (io.Reader, error){
		"identity":    func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip":        func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate":     func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		"deflate-raw": func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil },
		"br":          func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd":        func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	for _, name := range trouble.Encodings {
		res, body, err := get(t.Context(), srv.URL+"/encodings/"+name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := decoders[name](bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := io.ReadAll(r)
		if err != nil || string(text) != trouble.EncodedText {
			t.Errorf("%s (Content-Encoding %q): %d bytes, %v", name, res.Header.Get("Content-Encoding"), len(text), err)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	for _, path := range []string{"/huge?mb=3", "/huge-file/body.bin?mb=3"} {
		if _, body, err := get(t.Context(), srv.URL+path); err != nil || len(body) != 3<<20 {
			t.Errorf("%s: %d bytes, %v", path, len(body), err)
		}
	}
}

func TestRawHeadersArriveByteByByte(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	conn, err := net.Dial("tcp", srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET /raw-headers HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(trouble.RawHead+trouble.RawBody, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(got)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.Header["Set-Cookie"]); n != 2 {
		t.Errorf("%d cookies, want 2", n)
	}
}

// TestEveryPageDoesWhatItSays loads the gentle pages in a real browser. Those that do something say so when it is done.
func TestEveryPageDoesWhatItSays(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	tab := chrome.New(t)
	want := map[string]string{
		"/sse":             "Done: sse event 3",
		"/poll":            "Done: poll",
		"/ws":              "Done: ws one two three hello 0-1-2-255",
		"/post":            "Done: post POST of 24 bytes and POST of 15 bytes",
		"/beacon":          "Done: beacon",
		"/worker":          "Done: worker fetched by the worker",
		"/service-worker":  "Done: service-worker made by the worker and passed on to the server",
		"/popup":           "Done: popup",
		"/many":            "Done: many 1000 files",
		"/huge-file":       "Done: huge-file 67108864 bytes",
		"/encodings":       fmt.Sprintf("identity=%[1]d gzip=%[1]d deflate=%[1]d deflate-raw=%[1]d br=%[1]d zstd=%[1]d", len(trouble.EncodedText)),
		"/script-redirect": "Trouble: script-redirect-end", "/meta-refresh": "Trouble: meta-refresh-end",
		"/flaky": "Trouble: 503", "/empty": "", "/plain": "Trouble: plain", "/cookies": "stored visits: 1",
	}
	for _, p := range trouble.Pages() {
		if !p.Loads {
			continue
		}
		text, ok := want[p.Path]
		if !ok {
			text = "Trouble: " + p.Name()
		}
		ctx, cancel := context.WithTimeout(tab, time.Minute)
		err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+p.Path))
		// An error page without a body would be an error here too; these have one.
		seen := ""
		for err == nil {
			// It fails while a page is on its way to the next.
			now, leaving := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body?.innerText ?? ''`))
			if leaving == nil {
				seen = now
			}
			if leaving == nil && strings.Contains(seen, text) {
				break
			}
			time.Sleep(20 * time.Millisecond)
			if ctx.Err() != nil {
				err = errors.Join(ctx.Err(), leaving)
			}
		}
		cancel()
		if err != nil {
			t.Errorf("%s: %v; saw %q, want %q", p.Path, err, seen, text)
		}
	}
	// What left the page last has arrived.
	deadline := time.Now().Add(10 * time.Second)
	beacons := func() int { return len(srv.Log.Entries(sites.Filter{Path: "/beacon/end", Method: "POST"})) }
	for beacons() < 2 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if n := beacons(); n != 2 {
		t.Errorf("%d beacons arrived, want 2", n)
	}
	for _, path := range []string{"/frames/inner", "/frames/innermost", "/frames/sandboxed", "/frames/srcdoc.svg", "/popup/window?1", "/popup/window?2"} {
		if len(srv.Log.Entries(sites.Filter{Exact: path})) == 0 {
			t.Errorf("%s was not asked for", path)
		}
	}
}

func TestHangHangsTheRenderer(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	ctx, cancel := context.WithTimeout(chrome.New(t), 3*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/hang")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a page that does not end loading", err)
	}
}

func TestTableIsComplete(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	var paths []string
	for _, p := range trouble.Pages() {
		paths = append(paths, p.Path)
		if p.About == "" {
			t.Errorf("%s: nothing about it", p.Path)
		}
	}
	if sorted := slices.Compact(slices.Sorted(slices.Values(paths))); len(sorted) != len(paths) {
		t.Error("an address is in the table twice")
	}
	_, all, err := get(t.Context(), srv.URL+"/all")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(all), "<li>"); n != len(paths) {
		t.Errorf("/all has %d links, want %d", n, len(paths))
	}
}

// TestOOMCrashesTheRenderer fills the script's heap, which Chrome bounds: here to 256 MB, so that the test is quick.
func TestOOMCrashesTheRenderer(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	tab, cancel := context.WithTimeout(chrome.New(t, chromedp.Flag("js-flags", "--max-old-space-size=256")), time.Minute)
	defer cancel()
	crashed := chromedp.Events(tab, inspector.TargetCrashed)
	loading, stop := context.WithTimeout(tab, 30*time.Second)
	defer stop()
	// It does not matter how the navigation ends: the event does.
	_ = chromedp.Do(loading, chromedp.Navigate(srv.URL+"/oom"))
	for _, err := range crashed {
		if err != nil {
			t.Fatalf("the renderer did not crash: %v", err)
		}
		return
	}
}
