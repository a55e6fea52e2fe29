package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

const chunkKey = blob.Key("ns/job/0b6c1f5e/chunks/b1.wacz")

// visited is a page as the browser hands it to the archive.
type visited struct {
	t    testing.TB
	page *browser.Page
	conn *recorder.Connection
}

// visit begins a page. Pages with another number began at another second.
func visit(t testing.TB, n int, address string) *visited {
	t.Helper()
	at := noon.Add(time.Duration(n) * time.Second)
	return &visited{t: t, page: &browser.Page{
		ID: fmt.Sprintf("%032x", n), URL: address, FinalURL: address, Title: fmt.Sprintf("Title %d", n), Status: 200, MIME: "text/html", Dir: t.TempDir(),
		Started: at, Ended: at.Add(900 * time.Millisecond), Outcome: browser.Outcome{State: browser.Archived}, Timings: browser.Timings{Outputs: 500 * time.Millisecond},
		Frames: []browser.Frame{{ID: "F", URL: address}}, Viewport: browser.DefaultViewport, Completeness: browser.Completeness{Ratio: 1},
	}}
}

func (v *visited) file(name, content string) string {
	v.t.Helper()
	path := filepath.Join(v.page.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// get adds an answer.
func (v *visited) get(address, kind, status, headers, body string) *visited {
	id := len(v.page.Exchanges) + 1
	at := v.page.Started.Add(time.Duration(id) * 10 * time.Millisecond)
	sum := sha256.Sum256([]byte(body))
	e := recorder.Exchange{
		ID: id, URL: address, Method: "GET", Started: at, FirstByte: at, Ended: at.Add(time.Millisecond), Conn: v.conn,
		Request:  recorder.Message{Head: []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")},
		Response: &recorder.Message{Head: []byte("HTTP/1.1 " + status + "\r\n" + headers + "\r\n")},
	}
	if body != "" {
		e.Response.Body = recorder.Body{Path: v.file(fmt.Sprintf("body-%d", id), body), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	}
	v.page.Exchanges = append(v.page.Exchanges, e)
	v.page.Ledger = append(v.page.Ledger, browser.Line{RequestID: fmt.Sprint(id), URL: address, Method: "GET", Type: kind, FrameID: "F", Outcome: browser.OutcomeRecord,
		Exchange: id, Started: time.Duration(id) * 10 * time.Millisecond, Status: e.Response.Status()})
	return v
}

// showing adds what is made of the page.
func (v *visited) showing(text, dom, picture string, links ...browser.Link) *visited {
	v.page.TextFile, v.page.DOMFile, v.page.Links = v.file("text", text), v.file("dom", dom), links
	if picture != "" {
		v.page.ScreenshotFile = v.file("view", picture)
	}
	return v
}

// chunk packs pages as a worker does.
func chunk(t testing.TB, known archive.Provenance, pages ...*visited) []byte {
	t.Helper()
	c, err := archive.NewChunk(archive.Options{Dir: t.TempDir(), Title: "test", Provenance: known, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if err := c.Add(p.page); err != nil {
			t.Fatal(err)
		}
	}
	file, err := c.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file.Path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// counting is a store that counts requests and bytes.
type counting struct {
	blob.Store
	requests, bytes atomic.Int64
}

func (c *counting) GetRange(ctx context.Context, key blob.Key, offset, length int64) (io.ReadCloser, error) {
	c.requests.Add(1)
	c.bytes.Add(length)
	return c.Store.GetRange(ctx, key, offset, length)
}

// stored puts a file into a store.
func stored(t testing.TB, file []byte) *counting {
	t.Helper()
	server := &blobtest.Server{}
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret-of-the-store"})
	if err != nil {
		t.Fatal(err)
	}
	bucket := client.Bucket("archive")
	sum := sha256.Sum256(file)
	if _, err := bucket.Put(t.Context(), chunkKey, blob.Content{Body: bytes.NewReader(file), Size: int64(len(file)), SHA256: hex.EncodeToString(sum[:])}); err != nil {
		t.Fatal(err)
	}
	return &counting{Store: bucket}
}

// screenshot is a picture of that size.
func screenshot(t testing.TB, width, height int) string {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// noise is what does not get smaller when it is packed.
func noise(seed uint64, n int) string {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return string(b)
}
