package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// visit is what a test has captured of a page.
type visit struct {
	// Key is the file, a name below the namespace.
	Namespace, Key string
	URL, Title     string
	Text           string
	Picture        []byte
	Links          []browser.Link
	Status         int
	// Hour is when, after noon.
	Hour int
}

// capture captures a page as a worker does, into a file of its own, and takes it into the catalog.
func (f *fixture) capture(t *testing.T, v visit) catalog.Capture {
	t.Helper()
	if v.Namespace == "" {
		v.Namespace = "default"
	}
	if v.Status == 0 {
		v.Status = 200
	}
	dir, at := t.TempDir(), noon.Add(time.Duration(v.Hour)*time.Hour)
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	document := "<title>x</title>" + v.Text
	sum := sha256.Sum256([]byte(document))
	page := &browser.Page{
		ID: hex.EncodeToString(sum[:16]), URL: v.URL, FinalURL: v.URL, Title: v.Title, Status: v.Status, MIME: "text/html", Dir: dir,
		Started: at, Ended: at.Add(time.Second), Outcome: browser.Outcome{State: browser.Archived}, Timings: browser.Timings{Outputs: 500 * time.Millisecond},
		Frames: []browser.Frame{{ID: "F", URL: v.URL}}, Viewport: browser.DefaultViewport, Completeness: browser.Completeness{Ratio: 1}, Links: v.Links,
		Exchanges: []recorder.Exchange{{
			ID: 1, URL: v.URL, Method: "GET", Started: at, FirstByte: at, Ended: at.Add(time.Millisecond),
			Request: recorder.Message{Head: []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")},
			Response: &recorder.Message{
				Head: fmt.Appendf(nil, "HTTP/1.1 %d OK\r\nContent-Type: text/html\r\n\r\n", v.Status),
				Body: recorder.Body{Path: file("body", document), Size: int64(len(document)), SHA256: hex.EncodeToString(sum[:])},
			},
		}},
		Ledger:  []browser.Line{{RequestID: "1", URL: v.URL, Method: "GET", Type: "Document", FrameID: "F", Outcome: browser.OutcomeRecord, Exchange: 1, Status: v.Status}},
		DOMFile: file("dom", "<html lang=en>"),
	}
	if v.Text != "" {
		page.TextFile = file("text", v.Text)
	}
	if v.Picture != nil {
		page.ScreenshotFile = file("view", string(v.Picture))
	}
	c, err := archive.NewChunk(archive.Options{Dir: t.TempDir(), Title: "test", Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Add(page); err != nil {
		t.Fatal(err)
	}
	made, err := c.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(made.Path)
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("%s/ads/%s/chunks/%s.wacz", v.Namespace, uid, v.Key)
	f.put(t, f.bucket, key, b)
	return f.take(t, blob.Key(key), int64(len(b)), v.Namespace)
}

// take takes the one page of a file into the catalog.
func (f *fixture) take(t *testing.T, key blob.Key, size int64, namespace string) catalog.Capture {
	t.Helper()
	contents, hosts, err := snapshot.Read(t.Context(), f.bucket, key, size)
	if err != nil {
		t.Fatal(err)
	}
	known := f.server.Catalog.(*catalog.Catalog)
	chunk := catalog.Chunk{Key: key, Size: size, Modified: noon, Run: catalog.Run{Namespace: namespace, Job: "ads", UID: uid}}
	entry := catalog.Entry{Page: contents[0].Page, Text: contents[0].Text}
	if contacts, ok := known.Identifiers.(catalog.Contacts); ok {
		entry.Identifiers = contacts.Of(entry.Text, contents[0].Links)
	}
	if err := known.Add(t.Context(), chunk, []catalog.Entry{entry}, hosts); err != nil {
		t.Fatal(err)
	}
	captures, _, err := known.Of(t.Context(), catalog.Query{URL: contents[0].URL, Namespaces: []string{namespace}, Partial: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captures {
		if c.Chunk == key {
			return c
		}
	}
	t.Fatalf("%s is not in the catalog", key)
	return catalog.Capture{}
}

// screenshot is a white picture with a dark box at a height.
func screenshot(t *testing.T, width, height, box int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(img, image.Rect(20, box, width/2, box+40), image.NewUniform(color.RGBA{20, 60, 120, 255}), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
