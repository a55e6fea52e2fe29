package browser

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// aloneEnv has a test of memory go on in a process of its own.
const aloneEnv = "BROWSER_TEST_ALONE"

// memoryBound is what a worker process may take beside Chrome, as docs/capture.md says.
const memoryBound = 256 << 20

// hugePiece is a megabyte of a document that is nothing to show, hugePieces how many of
// them are more than anybody can hold.
var hugePiece = bytes.Repeat([]byte("nothing to show\n"), 1<<16)

const hugePieces = 300

// hugeStart makes a comment of all that follows, in HTML.
const hugeStart = "<!-- "

// largest is how many of them are a document that is still held and shown.
const largest = maxDocument>>20 - 1

// hugeSite serves documents and scripts of which nobody knows beforehand how long they are.
func hugeSite() http.Handler {
	mux := http.NewServeMux()
	stream := func(kind string, pieces int, pause time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(hugeStart))
			for i := 0; i < pieces && r.Context().Err() == nil; i++ {
				_, _ = w.Write(hugePiece) // the client may be gone
				time.Sleep(pause)
			}
		}
	}
	const forEver = 1 << 30
	mux.HandleFunc("/huge", stream("text/html", hugePieces, 0))
	mux.HandleFunc("/endless", stream("text/html", forEver, 20*time.Millisecond))
	mux.HandleFunc("/largest", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(hugeStart)+largest*len(hugePiece)))
		stream("text/html", largest, 0)(w, r)
	})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range hugePieces {
		_, _ = z.Write(hugePiece) // a buffer takes it
	}
	_ = z.Close()
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(packed.Len()))
		_, _ = w.Write(packed.Bytes())
	})
	mux.HandleFunc("/framing", page(`<title>framing</title><iframe src=/endless></iframe>`))
	mux.HandleFunc("/bombed", page(`<title>bombed</title><iframe src=/bomb></iframe>`))
	mux.HandleFunc("/working", page(`<title>working</title><script>new Worker('/worker.js')</script>`))
	mux.HandleFunc("/worker.js", send("text/javascript", `importScripts('/endless.js')`))
	mux.HandleFunc("/endless.js", stream("text/javascript", forEver, 20*time.Millisecond))
	mux.HandleFunc("/{$}", page("fine"))
	return mux
}

// TestBrowserRecorderMemory: what nobody knows the length of is held up to a bound, and
// what is longer is written to disk where it is the page, and said to be missing where not.
func TestBrowserRecorderMemory(t *testing.T) {
	t.Parallel()
	if os.Getenv(aloneEnv) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrowserRecorderMemory$", "-test.v")
		cmd.Env = append(os.Environ(), aloneEnv+"=1")
		out, err := cmd.CombinedOutput()
		if t.Logf("%s", out); err != nil {
			t.Fatal(err)
		}
		return
	}
	site := serveTLS(t, false, hugeSite())
	s := newBrowserStay(t, site)
	tests := []struct {
		name, path string
		load       time.Duration
		download   bool
		size       int64 // of the last exchange of body, at least
		body       string
		truncated  string
		incomplete string
	}{
		{"Huge", "/huge", 3 * time.Minute, true, hugePieces * int64(len(hugePiece)), "/huge", "", ""},
		{"Largest", "/largest", 3 * time.Minute, false, largest * int64(len(hugePiece)), "/largest", "", ""},
		{"Bomb", "/bombed", 3 * time.Minute, false, 0, "/bomb", recorder.TruncatedUnspecified, LimitHeld},
		{"Endless", "/endless", 6 * time.Second, true, 1 << 20, "/endless", recorder.TruncatedTime, LimitLoad},
		{"Frame", "/framing", 3 * time.Minute, false, 0, "/endless", recorder.TruncatedUnspecified, LimitHeld},
		{"Script", "/working", 3 * time.Minute, false, 0, "/endless.js", recorder.TruncatedUnspecified, LimitHeld},
	}
	for _, tc := range tests {
		began := time.Now()
		p, err := s.Capture(t.Context(), Visit{
			URL: site.URL + tc.path, Dir: filepath.Join(t.TempDir(), "page"), Text: true, DOM: true, LoadTimeout: tc.load, Timeout: 4 * time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s, peak %d MB", tc.name, time.Since(began).Round(time.Millisecond), peak(t)>>20)
		if p.Outcome.State != Archived || p.Download != tc.download {
			t.Errorf("%s: outcome %+v, download %v", tc.name, p.Outcome, p.Download)
		}
		if missing := p.Incomplete() != ""; missing != (tc.incomplete != "") || missing && !hasLimit(p, tc.incomplete) {
			t.Errorf("%s: limits %+v, want %q", tc.name, p.Limits, tc.incomplete)
		}
		var last recorder.Exchange
		for _, e := range p.Exchanges {
			if e.URL == site.URL+tc.body {
				last = e
			}
		}
		if last.Response == nil || last.Response.Body.Size < tc.size || last.Response.Body.Truncated != tc.truncated {
			t.Errorf("%s: exchange %+v", tc.name, last)
			if last.Response != nil {
				t.Errorf("%s: body of %d bytes, truncated %q", tc.name, last.Response.Body.Size, last.Response.Body.Truncated)
			}
		}
		if tc.incomplete == LimitHeld && last.Account.NoBody == "" {
			t.Errorf("%s: the record does not say why there is no body", tc.name)
		}
		if fine := visit(t, s, site.URL+"/"); fine.Outcome.State != Archived || fine.Incomplete() != "" {
			t.Errorf("the page after %s: %+v", tc.name, fine.Outcome)
		}
		if t.Failed() {
			dump(t, p)
		}
	}
	if most := peak(t); most > memoryBound {
		t.Errorf("the process took %d MB, the bound is %d", most>>20, memoryBound>>20)
	}
}

// TestBrowserRecorderMemoryOfMany: documents that are as large as one may be, at once, each in a
// Chrome of its own, take no more together than is said for the process.
func TestBrowserRecorderMemoryOfMany(t *testing.T) {
	t.Parallel()
	if os.Getenv(aloneEnv) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrowserRecorderMemoryOfMany$", "-test.v")
		cmd.Env = append(os.Environ(), aloneEnv+"=1")
		out, err := cmd.CombinedOutput()
		if t.Logf("%s", out); err != nil {
			t.Fatal(err)
		}
		return
	}
	const pages = 3
	site := serveTLS(t, false, hugeSite())
	pool := newPool(t, func(o *Options) { o.Tabs, o.StaysPerBrowser = pages, 1 })
	var wg sync.WaitGroup
	for i := range pages {
		s := newStay(t, pool, StayOptions{Recorder: RecorderBrowser, AcceptBadCertificates: true})
		wg.Go(func() {
			p, err := s.Capture(t.Context(), Visit{URL: site.URL + "/largest", Dir: filepath.Join(t.TempDir(), strconv.Itoa(i)), LoadTimeout: 3 * time.Minute, Timeout: 4 * time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			main := p.MainExchange()
			if p.Outcome.State != Archived || p.Incomplete() != "" || main == nil || main.Response.Body.Size < largest*int64(len(hugePiece)) {
				t.Errorf("page %d: outcome %+v, limits %+v", i, p.Outcome, p.Limits)
			}
		})
	}
	wg.Wait()
	most := peak(t)
	t.Logf("peak %d MB", most>>20)
	if most > memoryBound {
		t.Errorf("the process took %d MB, the bound is %d", most>>20, memoryBound>>20)
	}
}

// A file that broke off is not taken for whole.
func TestBrowserRecorderSavedIsCut(t *testing.T) {
	t.Parallel()
	site := serveTLS(t, false, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/zip")
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(make([]byte, 300_000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	p := visit(t, newBrowserStay(t, site), site.URL+"/")
	if b := theOne(t, p, "GET", site.URL+"/").Response.Body; b.Size > 300_000 || b.Truncated != recorder.TruncatedDisconnect {
		t.Errorf("outcome %+v, %d bytes, truncated %q", p.Outcome, b.Size, b.Truncated)
	}
}

// peak is the most that this process has had in memory, in bytes (VmHWM of proc(5)).
func peak(t *testing.T) int64 {
	t.Helper()
	for line := range strings.Lines(read(t, "/proc/self/status")) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("/proc/self/status tells no VmHWM")
	return 0
}
