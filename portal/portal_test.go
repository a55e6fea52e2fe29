package portal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/cdx"
	"crawlfleet.dev/crawlfleet/portal/follow"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/portal/replay"
	"crawlfleet.dev/crawlfleet/portal/verdict"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

const (
	uid     = "0b6c1f5e-0000-4000-8000-000000000001"
	folder  = "default/ads/" + uid + "/"
	runPath = "/runs/default/ads/" + uid
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// fixture is a portal on a store in memory.
type fixture struct {
	store   *blobtest.Server
	bucket  *blob.Bucket
	server  *Server
	follow  *follow.Follower
	known   *catalog.Catalog
	handler http.Handler
	log     *bytes.Buffer
}

// origins are the portal's and that of its replays.
const portalOrigin, replayOrigin = "http://127.0.0.1:8080", "http://localhost:8081"

// local is a gate that lets in the one person at this machine.
func local() *access.Gate {
	return &access.Gate{
		Local: true, Sessions: &access.Sessions{Keys: access.RandomKeys()}, Rights: &access.Rights{}, Custody: &access.Custody{},
		Logger: slog.New(slog.DiscardHandler),
	}
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{store: &blobtest.Server{}, log: &bytes.Buffer{}}
	client, err := blob.NewClient(blob.Config{Endpoint: f.store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret-of-the-store"})
	if err != nil {
		t.Fatal(err)
	}
	f.bucket = client.Bucket("archive")
	dir := t.TempDir()
	for _, name := range []string{"2.5.3", "private.txt", "ui.js", "sw.js", license} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("// "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known, err := catalog.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = known.Close() })
	f.known = known
	f.follow = &follow.Follower{Store: f.bucket, Catalog: known, Identify: catalog.Contacts{}.Of, Every: 10 * time.Millisecond}
	f.server = &Server{
		Catalog: known, Follow: f.follow, Gate: local(), Tools: &cdx.Server{Catalog: known, Archive: f.bucket}, Runs: &Runs{Archive: f.bucket, Listing: f.follow}, Cases: cases.New(f.bucket, time.Now),
		Watches: watches.New(f.bucket, func() time.Time { return noon.Add(30 * time.Minute) }),
		Judge:   &verdict.Judge{Archive: f.bucket, Verifier: &verify.Verifier{}, Dir: t.TempDir(), Now: time.Now},
		Board:   &live.Board{Jobs: oneJob{}, Details: oneJob{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler)},
		Archive: f.bucket, ReplayDir: dir, Origin: portalOrigin, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	f.server.Replay, err = replay.New(replay.Options{
		URL: replayOrigin, Portal: portalOrigin, Dir: dir, Archive: f.bucket, Runs: f.server.Runs, Look: f.look, Keys: replay.RandomKeys(), Lifetime: time.Hour, Now: time.Now, Logger: f.server.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.handler, err = f.server.Handler(); err != nil {
		t.Fatal(err)
	}
	return f
}

// look tells the gate's log, as the program has it.
func (f *fixture) look(ctx context.Context, p access.Person, chunk blob.Key) error {
	return f.server.Gate.Custody.Read(ctx, p, access.Snapshot{Chunk: chunk})
}

// oneJob is a cluster with one job.
type oneJob struct{}

// Jobs implements live.Jobs.
func (oneJob) Jobs(context.Context) ([]live.Job, error) {
	return []live.Job{{
		Namespace: "default", Name: "harbour", UID: "h", State: live.Stalled, Reason: "StoreFull", Message: "no room in bucket a",
		Created: noon, Started: noon, Seeds: []string{"https://harbour.example/"}, SeedCount: 1,
		Counters: live.Counters{Discovered: 10, Archived: 4, Failed: 1, Queued: 5, Bytes: 1000}, FailedByReason: []live.Count{{Reason: "TimedOut", Count: 1}},
	}}, nil
}

// Detail implements live.Details.
func (oneJob) Detail(context.Context, live.Job) live.Detail {
	return live.Detail{
		Hosts: []live.Host{
			{Host: "harbour.example", Queued: 5, Visited: 5, Reason: "HostBusy", LastError: "TooManyRequests", NextDue: noon.Add(time.Hour)},
			{Host: "found.example", Queued: 1, Failures: 4, NextDue: noon.Add(time.Hour)},
		},
		UnderWay: []live.Page{{URL: "https://harbour.example/under-way", Phase: "Loading", Since: noon}},
	}
}

// catch has the catalog catch up with the store.
func (f *fixture) catch(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- f.follow.Run(ctx) }()
	// What was listed is acted upon when the next listing is made.
	for range 2 {
		before := f.follow.Progress().Listed
		for p := f.follow.Progress(); ctx.Err() == nil && (!p.Current() || !p.Listed.After(before)); p = f.follow.Progress() {
			time.Sleep(time.Millisecond)
		}
	}
	if ctx.Err() != nil {
		t.Fatalf("the catalog does not catch up: %+v", f.follow.Progress())
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// idOf is the capture of a page that pack has put into a file of the run.
func idOf(file, title string) catalog.ID {
	return catalog.NewID(blob.Key(folder+"chunks/"+file+".wacz"), "id-"+title)
}

// put stores an object.
func (f *fixture) put(t *testing.T, bucket *blob.Bucket, key string, body []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	content := blob.Content{Body: bytes.NewReader(body), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	if _, err := bucket.Put(context.Background(), blob.Key(key), content); err != nil {
		t.Fatal(err)
	}
}

// pack makes a WACZ file with these pages.
func pack(t *testing.T, pages, extra []wacz.Page) []byte {
	t.Helper()
	var records, b bytes.Buffer
	_, err := warc.NewWriter(&records, warc.WriterOptions{}).Write(warc.NewResponse("https://www.example.org/", noon,
		[]byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"), warc.Text("<title>Start</title>")))
	if err != nil {
		t.Fatal(err)
	}
	warcs := []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes(records.Bytes())}}
	if err := wacz.Create(&b, wacz.Contents{Title: "test", Created: noon, WARCs: warcs, Pages: pages, ExtraPages: extra}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func archived(url, title string, minute int) wacz.Page {
	return wacz.Page{
		ID: "id-" + title, URL: url, Title: title, Time: noon.Add(time.Duration(minute) * time.Minute),
		Text: "what it says", Extra: map[string]any{"status": 200, "mime": "text/html"},
	}
}

// sealed stores a run of two files with a closing statement.
func (f *fixture) sealed(t *testing.T) {
	t.Helper()
	one := pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1), archived("https://www.example.org/b", "Bikes", 3)}, nil)
	two := pack(t, []wacz.Page{archived("https://www.example.org/a", "Rooms", 2)}, []wacz.Page{archived("https://www.example.org/slow", "Slow", 4)})
	f.put(t, f.bucket, folder+"chunks/c0.wacz", one)
	f.put(t, f.bucket, folder+"chunks/c1.wacz", two)
	f.put(t, f.bucket, folder+"run.json", statement(t, map[string][]byte{"c0": one, "c1": two}))
}

func statement(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	chunks := []map[string]any{}
	for name, body := range files {
		sum := sha256.Sum256(body)
		chunks = append(chunks, map[string]any{"key": folder + "chunks/" + name + ".wacz", "size": len(body), "sha256": hex.EncodeToString(sum[:]), "pages": 2})
	}
	b, err := json.Marshal(map[string]any{
		"format": "crawlfleet-run", "version": 1, "verdict": "Succeeded", "reason": "Completed",
		"counts":        map[string]any{"discovered": 5, "archived": 3, "failed": map[string]any{"TimedOut": 1}, "skipped": map[string]any{"RobotsDisallowed": 1}},
		"chunks":        chunks,
		"authorization": map[string]any{"reference": "DPIA-2026-014", "purpose": "VictimIdentification", "requestedBy": "Research unit"},
		"startedAt":     noon, "sealedAt": noon.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// get asks as a browser does.
func (f *fixture) get(path string, header ...string) *http.Response {
	return f.do(http.MethodGet, path, header...)
}

func (f *fixture) do(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantAll checks that a text has all parts.
func wantAll(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: %q is missing in:\n%s", what, part, text)
		}
	}
}

func wantNone(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%s: %q is in:\n%s", what, part, text)
		}
	}
}
