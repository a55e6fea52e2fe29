package cdx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// listed is a catalog that knows the hosts of its chunks.
type listed struct {
	mu     sync.Mutex
	chunks []catalog.Chunk
	hosts  map[blob.Key][]string
	asked  []string
}

// ChunksOf implements Catalog.
func (l *listed) ChunksOfHost(_ context.Context, host string, below bool, namespaces []string) ([]catalog.Chunk, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, fmt.Sprintf("%s %v", host, below))
	var found []catalog.Chunk
	for _, c := range l.chunks {
		has := slices.ContainsFunc(l.hosts[c.Key], func(h string) bool {
			return h == host || below && (host == "" || strings.HasPrefix(h, host+",") || strings.HasPrefix(h, host+":"))
		})
		if slices.Contains(namespaces, c.Namespace) && (has || below && host == "") {
			found = append(found, c)
		}
	}
	return found, nil
}

// fixture is an archive in memory, served on loopback.
type fixture struct {
	store   *blobtest.Server
	bucket  *blob.Bucket
	catalog *listed
	server  *Server
	http    *httptest.Server

	mu     sync.Mutex
	looks  []string
	refuse error
	gets   int // requests to the store
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{store: &blobtest.Server{}, catalog: &listed{hosts: map[blob.Key][]string{}}}
	f.store.Answer = func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodGet {
			f.mu.Lock()
			f.gets++
			f.mu.Unlock()
		}
		return false
	}
	client, err := blob.NewClient(blob.Config{Endpoint: f.store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	f.bucket = client.Bucket("archive")
	f.server = &Server{
		Catalog: f.catalog, Archive: f.bucket,
		Scope: func(r *http.Request) ([]string, error) {
			if r.Header.Get("X-Nobody") != "" {
				return nil, &access.Problem{Status: http.StatusForbidden, Reason: access.ReasonNotAllowed, Text: "You may not see this.", Hint: "Ask for the right."}
			}
			return []string{"default", "team"}, nil
		},
		Look: func(_ *http.Request, chunk blob.Key, page string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.looks = append(f.looks, string(chunk)+" "+page)
			return f.refuse
		},
		Now: func() time.Time { return noon.Add(24 * time.Hour) },
	}
	mux := http.NewServeMux()
	f.http = httptest.NewServer(Routes(f.server.Index(), f.server.Content(), mux))
	t.Cleanup(f.http.Close)
	return f
}

// page is the response to a GET of a page.
func page(url string, minute int, body string) *warc.Record {
	return answer(url, minute, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n", body)
}

func answer(url string, minute int, head, body string) *warc.Record {
	r := warc.NewResponse(url, noon.Add(time.Duration(minute)*time.Minute), []byte(head), warc.Text(body))
	r.Add(warc.FieldPageID, "page-"+fmt.Sprint(minute))
	return r
}

// add stores a chunk of these records in a run and tells the catalog.
func (f *fixture) add(t testing.TB, key string, records ...*warc.Record) {
	t.Helper()
	var data, b bytes.Buffer
	w := warc.NewWriter(&data, warc.WriterOptions{})
	for _, r := range records {
		if _, err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	warcs := []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes(data.Bytes())}}
	if err := wacz.Create(&b, wacz.Contents{Title: "test", Created: noon, WARCs: warcs}); err != nil {
		t.Fatal(err)
	}
	f.put(t, key, b.Bytes())
	entries, err := cdxj.Index(bytes.NewReader(data.Bytes()), "data.warc.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if host, _, ok := strings.Cut(string(e.Key), ")/"); ok { // as snapshot.Read has it: with a port
			f.catalog.hosts[blob.Key(key)] = append(f.catalog.hosts[blob.Key(key)], host)
		}
	}
}

func (f *fixture) put(t testing.TB, key string, body []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	content := blob.Content{Body: bytes.NewReader(body), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	if _, err := f.bucket.Put(context.Background(), blob.Key(key), content); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(key, "/")
	run := catalog.Run{Namespace: parts[len(parts)-5], Job: parts[len(parts)-4], UID: parts[len(parts)-3]}
	f.catalog.chunks = append(f.catalog.chunks, catalog.Chunk{Key: blob.Key(key), Size: int64(len(body)), Run: run})
}

// get asks without following redirects.
func (f *fixture) get(t testing.TB, path string, header ...string) (*http.Response, string) {
	t.Helper()
	return f.do(t, http.MethodGet, path, header...)
}

func (f *fixture) do(t testing.TB, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, f.http.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return res, string(b)
}

// wantProblem checks that an answer says what to do.
func wantProblem(t *testing.T, what string, res *http.Response, body string, status int) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != status || res.StatusCode != status || p.Text == "" || p.Hint == "" {
		t.Errorf("%s: status %d, %s; want %d with an error and a hint", what, res.StatusCode, body, status)
	}
}
