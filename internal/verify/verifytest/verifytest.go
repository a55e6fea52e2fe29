// Package verifytest makes small snapshots and runs for tests, which may lie.
package verifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// When is when the pages were captured.
var When = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// Sample is a chunk that tests make, and change before it is packed.
type Sample struct {
	records []*warc.Record
	bodies  []string
	pages   []wacz.Page
	// Capture is capture.json.
	Capture map[string]any
	index   []cdxj.Entry
	// Sign signs the file, nil leaves it unsigned.
	Sign func(warc.Digest) (any, error)
}

// NewSample is a chunk with a page, its picture, and what is told of them.
func NewSample(n int) *Sample {
	s := &Sample{}
	url := fmt.Sprintf("https://site.example/%d", n)
	at := When.Add(time.Duration(n) * time.Second)
	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
	page := warc.NewResponse(url, at, head, nil)
	page.Connection(netip.MustParseAddr("192.0.2.1"), []string{"http/1.1"}, "")
	id := func(i int) string { return fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", 10*n+i) }
	page.ID = id(0)
	s.add(page, strings.Repeat(fmt.Sprintf("<p>page %d</p>", n), 20))
	picture := warc.NewResponse(url+".png", at, []byte("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"), nil)
	picture.ID = id(1)
	s.add(picture, "\x89PNG no picture")
	info := warc.NewMetadata("urn:pageinfo:"+url, at, "application/json", nil, page.ID)
	info.ID = id(2)
	connection := warc.NewMetadata("urn:connection:https://site.example", at, "application/json", nil, "")
	connection.ID = id(3)
	s.add(info, mustJSON(map[string]any{
		"formatVersion": 1, "pageid": fmt.Sprintf("urn:uuid:p%d", n), "finalUrl": url, "title": fmt.Sprintf("Room to let, no. %d – Zimmer 房间", n), "status": 200, "main": page.ID,
		"exchanges": []any{
			map[string]any{"url": url, "method": "GET", "status": 200, "response": page.ID, "connection": connection.ID, "started": at},
			map[string]any{"url": url + ".png", "method": "GET", "status": 200, "response": picture.ID, "connection": connection.ID, "started": at},
			map[string]any{"url": url + ".gone", "method": "GET", "failure": "Reset", "detail": "the server hung up", "started": at},
		},
	}))
	s.add(connection, mustJSON(map[string]any{"formatVersion": 1, "remote": "192.0.2.1:443", "protocol": "h2", "opened": at, "tls": map[string]any{"version": "TLS 1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "chain": [][]byte{[]byte("no certificate")}}}))
	for i, d := range []struct{ urn, mime, body string }{
		{"urn:view:", "image/png", screenshot(n)}, {"urn:text:", "text/plain; charset=utf-8", "Room to let"}, {"urn:links:", "application/x-ndjson", `{"url":"=https://site.example/next","kind":"Anchor"}` + "\n"},
	} {
		r := warc.NewConversion(d.urn+url, at, d.mime, nil, page.ID)
		r.ID = id(4 + i)
		r.Add(warc.FieldPageID, fmt.Sprintf("urn:uuid:p%d", n))
		s.add(r, d.body)
	}
	s.pages = []wacz.Page{{ID: fmt.Sprintf("urn:uuid:p%d", n), URL: url, Time: at, Title: "a page"}}
	stamp := func(d time.Duration) string { return at.Add(d).Format(time.RFC3339) }
	s.Capture = map[string]any{
		"format": "crawlfleet-capture", "version": 1, "begun": stamp(0), "sealed": stamp(3 * time.Second),
		"software": map[string]any{"name": "crawlfleet", "version": "v0"}, "machine": map[string]any{},
		"order":         map[string]any{"namespace": "ns", "name": "job", "uid": "run", "bundle": "b1", "attempt": 1},
		"authorization": map[string]any{"reference": "case 17", "purpose": "Testing", "basis": "its own site", "notAfter": When.Add(time.Hour).Format(time.RFC3339), "requestedBy": "an office"},
		"clock":         map[string]any{"with": "the Temporal server", "at": stamp(0), "aheadMs": 3},
		"records":       len(s.records), "browsers": []any{}, "egress": []any{},
		"pages": []any{map[string]any{
			"id": s.pages[0].ID, "visit": strings.Repeat("0", 32), "url": url, "finalUrl": url, "outcome": "Archived", "started": stamp(0), "ended": stamp(time.Second),
			"browser": 0, "recorder": "Wire", "why": map[string]any{"seed": url, "depth": 0}, "main": page.ID, "info": info.ID,
		}},
	}
	return s
}

// NewPages is a chunk with n pages, which came over n connections.
func NewPages(n int) *Sample {
	s := NewSample(1)
	for i := 2; i <= n; i++ {
		more := NewSample(i)
		s.records, s.bodies, s.pages = append(s.records, more.records...), append(s.bodies, more.bodies...), append(s.pages, more.pages...)
		s.Capture["pages"] = append(s.Capture["pages"].([]any), more.Page())
		s.Capture["sealed"] = more.Capture["sealed"]
	}
	s.Capture["records"] = len(s.records)
	return s
}

func (s *Sample) add(r *warc.Record, body string) {
	s.records, s.bodies = append(s.records, r), append(s.bodies, body)
}

// Page is what capture.json says of the page.
func (s *Sample) Page() map[string]any { return s.Capture["pages"].([]any)[0].(map[string]any) }

// RemoveRecord leaves out a record, and says everywhere that there is one less.
func (s *Sample) RemoveRecord(i int) {
	s.records, s.bodies = slices.Delete(s.records, i, i+1), slices.Delete(s.bodies, i, i+1)
	s.Capture["records"] = len(s.records)
}

// Pack writes the WACZ.
func (s *Sample) Pack(t testing.TB) []byte {
	t.Helper()
	var records bytes.Buffer
	w := warc.NewWriter(&records, warc.WriterOptions{})
	for i, r := range s.records {
		r.Body = warc.Text(s.bodies[i])
		if _, err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	capture, err := json.MarshalIndent(s.Capture, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = wacz.Create(&out, wacz.Contents{
		Title: "test", Software: "test", Created: When, Pages: s.pages, Index: s.index, Sign: s.Sign,
		WARCs: []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes(records.Bytes())}},
		Files: []wacz.File{{Path: "capture.json", Content: warc.Bytes(capture)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// NewRun is the folder of a run with chunks.
func NewRun(t testing.TB, chunks ...[]byte) (fstest.MapFS, map[string]any) {
	t.Helper()
	fsys, named, size := fstest.MapFS{}, []any{}, 0
	for i, c := range chunks {
		name := fmt.Sprintf("chunks/b%d.wacz", i)
		fsys[name] = &fstest.MapFile{Data: c}
		named = append(named, map[string]any{"key": "ns/job/run/" + name, "size": len(c), "sha256": SumOf(c), "pages": 1})
		size += len(c)
	}
	lead := []byte("a list")
	fsys["leads/00001.jsonl.zst"] = &fstest.MapFile{Data: lead}
	return fsys, map[string]any{
		"format": "crawlfleet-run", "version": 1, "run": "run", "namespace": "ns", "name": "job", "generation": 1, "verdict": "Succeeded", "reason": "Completed",
		"counts": map[string]any{"discovered": len(chunks) + 2, "archived": len(chunks), "failed": map[string]any{"NotFound": 1}, "skipped": map[string]any{"RobotsDisallowed": 1},
			"bytes": size, "chunks": len(chunks)},
		"chunks": named, "leads": map[string]any{"count": 1, "objects": []any{map[string]any{"key": "ns/job/run/leads/00001.jsonl.zst", "size": len(lead), "sha256": SumOf(lead)}}},
		"authorization": map[string]any{"reference": "case 17", "purpose": "Testing", "basis": "its own site", "notBefore": "0001-01-01T00:00:00Z", "notAfter": When.Add(time.Hour).Format(time.RFC3339), "requestedBy": "an office"},
		"manifest":      7, "manifestHash": strings.Repeat("0", 64), "startedAt": When, "sealedAt": When.Add(time.Minute),
	}
}

// SumOf is the SHA-256 in hex.
func SumOf(b []byte) string { return strings.TrimPrefix(string(warc.SHA256Of(b)), "sha256:") }

// State puts the statement into the folder.
func State(t testing.TB, fsys fstest.MapFS, st map[string]any) fstest.MapFS {
	t.Helper()
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	fsys["run.json"] = &fstest.MapFile{Data: b}
	return fsys
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// screenshot is a picture of nothing.
func screenshot(n int) string {
	img := image.NewRGBA(image.Rect(0, 0, 64, 400))
	for y := range 400 {
		for x := range 64 {
			img.Set(x, y, color.RGBA{uint8(x * 4), uint8(y), uint8(n * 40), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.String()
}

func readerAt(b []byte) *bytes.Reader { return bytes.NewReader(b) }
