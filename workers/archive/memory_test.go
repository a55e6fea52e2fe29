package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// memoryBound is what a worker process may take beside Chrome, as docs/capture.md says.
const memoryBound = 256 << 20

// lineEnv makes the test binary a process that captures, archives and stores one page.
const lineEnv = "ARCHIVE_TEST_LINE"

// lineOrder is what that process is told, lineReport what it tells at its end.
type lineOrder struct {
	Page, Store, Dir string
	// Tabs is how many pages are captured at once, of Page with their number behind it.
	Tabs int
}

type lineReport struct {
	State     browser.State
	Detail    string
	Exchanges int
	Largest   int64 // body
	Truncated []string
	Matched   int
	Stored    int64 // bytes
	Peak      int64 // resident memory, bytes
}

// TestMemoryOfTheWholeLine: from the browser to the store, a page with a body of 1 GB and
// one with 10,000 requests each need less memory than the bound. Each is captured by a
// process of its own, whose peak the kernel tells.
func TestMemoryOfTheWholeLine(t *testing.T) {
	const large, many = 1 << 30, 10_000
	site := httptest.NewServer(largeSite(large, many))
	defer site.Close()
	tests := []struct {
		name, path       string
		exchanges        int
		largest, atLeast int64
		minMatched       int
	}{
		{"Body", "/large", 1, large, large, 1},
		{"Requests", "/many", many + 1, 100, 1 << 20, many + 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			store := &sink{}
			s3 := httptest.NewServer(store)
			defer s3.Close()
			began := time.Now()
			r := captureElsewhere(t, lineOrder{Page: site.URL + tc.path, Store: s3.URL, Dir: t.TempDir(), Tabs: 1})
			t.Logf("%d MB at most in %s; %d exchanges, %d MB stored", r.Peak>>20, time.Since(began).Round(time.Second), r.Exchanges, r.Stored>>20)
			if r.State != browser.Archived || r.Exchanges != tc.exchanges || r.Matched < tc.minMatched {
				t.Errorf("%s %s: %d exchanges, %d matched, want %d", r.State, r.Detail, r.Exchanges, r.Matched, tc.exchanges)
			}
			if r.Largest < tc.largest || r.Stored < tc.atLeast || store.got() != r.Stored {
				t.Errorf("the largest body has %d bytes, %d of %d were stored; cut off: %q", r.Largest, store.got(), r.Stored, r.Truncated)
			}
			if r.Peak == 0 || r.Peak > memoryBound {
				t.Errorf("the process took %d MB, the bound is %d", r.Peak>>20, memoryBound>>20)
			}
		})
	}
}

// largeSite serves a large file, and a page that asks for many small ones.
func largeSite(large int64, many int) http.Handler {
	mux := http.NewServeMux()
	page := func(path, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, body)
		})
	}
	// What does not compress at all comes in blocks: making it must not be what takes time.
	noise := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(noise) // it never fails
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(large, 10))
		w.Header().Set("Content-Type", "video/mp4")
		w.Header().Set("Content-Disposition", "attachment")
		for left := large; left > 0; left -= int64(len(noise)) {
			if _, err := w.Write(noise); err != nil {
				return
			}
		}
	})
	// Pictures are waited for with the load, however slow the machine is; what they are
	// does not matter.
	var pictures strings.Builder
	pictures.WriteString("<title>Many</title>")
	for i := range many {
		fmt.Fprintf(&pictures, "<img src=/small?%d>", i)
	}
	page("/many", pictures.String())
	mux.HandleFunc("/small", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%100s", r.URL.RawQuery) })
	mux.HandleFunc("/favicon.ico", http.NotFound)
	return mux
}

// sink is a store that keeps nothing: it takes a PUT, and confirms what came.
type sink struct {
	mu    sync.Mutex
	bytes int64
}

func (s *sink) got() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		http.Error(w, "it takes objects and gives none", http.StatusNotImplemented)
		return
	}
	var body io.Reader = r.Body
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body = &frames{src: bufio.NewReader(r.Body)}
	}
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	got := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	if want := r.Header.Get("X-Amz-Checksum-Sha256"); err != nil || want != got {
		http.Error(w, fmt.Sprintf("want %s, got %s, %v", want, got, err), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.bytes += n
	s.mu.Unlock()
	w.Header().Set("ETag", `"e"`)
	w.Header().Set("X-Amz-Checksum-Sha256", got)
}

// frames takes the signature of each chunk off a body (Amazon S3 API Reference,
// "Signature calculations: transferring payload in multiple chunks").
type frames struct {
	src  *bufio.Reader
	left int64 // of the present chunk
	done bool
}

func (f *frames) Read(p []byte) (int, error) {
	if f.left == 0 {
		if f.done {
			return 0, io.EOF
		}
		head, err := f.src.ReadString('\n')
		if err == nil && head == "\r\n" { // the end of the chunk before
			head, err = f.src.ReadString('\n')
		}
		if err != nil {
			return 0, err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(head), ";")
		if f.left, err = strconv.ParseInt(size, 16, 64); err != nil {
			return 0, err
		}
		if f.left == 0 {
			f.done = true
			_, err := io.Copy(io.Discard, f.src)
			if err == nil {
				err = io.EOF
			}
			return 0, err
		}
	}
	n, err := f.src.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	return n, err
}

// captureElsewhere runs a process that captures.
func captureElsewhere(t *testing.T, o lineOrder) lineReport {
	t.Helper()
	order, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), lineEnv+"="+string(order))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the process that captures: %v", err)
	}
	var r lineReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return r
}

// wholeLine is that process.
func wholeLine(order string) {
	var o lineOrder
	err := json.Unmarshal([]byte(order), &o)
	var r lineReport
	if err == nil {
		r, err = captureAndStore(o)
	}
	if err == nil {
		r.Peak, err = peak()
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func captureAndStore(o lineOrder) (r lineReport, err error) {
	ctx := context.Background()
	rec, err := recorder.New(recorder.Options{
		Dir: o.Dir, Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	pool, err := browser.New(ctx, browser.Options{Dir: filepath.Join(o.Dir, "chrome"), Recorder: rec, Tabs: o.Tabs, Logger: log})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	client, err := blob.NewClient(blob.Config{Endpoint: o.Store, Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		return r, err
	}
	reports, errs := make([]lineReport, o.Tabs), make([]error, o.Tabs)
	var wg sync.WaitGroup
	for n := range o.Tabs {
		wg.Go(func() {
			address := o.Page
			if o.Tabs > 1 {
				address += strconv.Itoa(n)
			}
			reports[n], errs[n] = onePage(ctx, pool, client, address, filepath.Join(o.Dir, strconv.Itoa(n)))
		})
	}
	wg.Wait()
	r.State = browser.Archived
	for _, one := range reports {
		r.add(one)
	}
	return r, errors.Join(errs...)
}

// add takes another page into a report.
func (r *lineReport) add(o lineReport) {
	if o.State != browser.Archived {
		r.State, r.Detail = o.State, o.Detail
	}
	r.Exchanges += o.Exchanges
	r.Matched += o.Matched
	r.Stored += o.Stored
	r.Largest = max(r.Largest, o.Largest)
	r.Truncated = append(r.Truncated, o.Truncated...)
}

// onePage captures, archives and stores a page.
func onePage(ctx context.Context, pool *browser.Pool, client *blob.Client, address, dir string) (r lineReport, err error) {
	stay, err := pool.Stay(ctx, browser.StayOptions{})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stay.Close()) }()
	p, err := stay.Capture(ctx, browser.Visit{
		ID: "p", URL: address, Dir: filepath.Join(dir, "page"), Text: true, DOM: true, Screenshot: browser.ScreenshotFull,
		LoadTimeout: 7 * time.Minute, Timeout: 8 * time.Minute, // for a busy machine
	})
	if err != nil {
		return r, err
	}
	r = lineReport{State: p.Outcome.State, Detail: p.Outcome.Detail, Exchanges: len(p.Exchanges), Matched: p.Completeness.Matched}
	for _, e := range p.Exchanges {
		if e.Response == nil {
			continue
		}
		if why := e.Response.Body.Truncated; why != "" {
			r.Truncated = append(r.Truncated, why+": "+e.Detail)
			continue
		}
		r.Largest = max(r.Largest, e.Response.Body.Size)
	}
	chunk, err := NewChunk(Options{Dir: filepath.Join(dir, "chunk")})
	if err != nil {
		return r, err
	}
	if err := chunk.Add(p); err != nil {
		return r, err
	}
	file, err := chunk.Close()
	if err != nil {
		return r, err
	}
	receipt, err := Store(ctx, client.Bucket("archive"), "chunk.wacz", file)
	r.Stored = receipt.Size
	return r, err
}

// peak is the most that this process has had in memory, in bytes (VmHWM of proc(5)).
func peak() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if value, ok := strings.CutPrefix(string(line), "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("/proc/self/status tells no VmHWM")
}
