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
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
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
	handler http.Handler
	log     *bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: &blobtest.Server{}, log: &bytes.Buffer{}}
	client, err := blob.NewClient(blob.Config{Endpoint: f.store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret-of-the-store"})
	if err != nil {
		t.Fatal(err)
	}
	f.bucket = client.Bucket("archive")
	dir := t.TempDir()
	for _, name := range append([]string{"2.5.3", "private.txt"}, replayFiles...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("// "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.server = &Server{
		Catalog: &Catalog{Archive: f.bucket}, Archive: f.bucket, ReplayDir: dir,
		Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	if f.handler, err = f.server.Handler(); err != nil {
		t.Fatal(err)
	}
	return f
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
