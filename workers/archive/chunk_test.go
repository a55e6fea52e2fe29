package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

var testTime = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// pageBuilder makes pages as a capture would.
type pageBuilder struct {
	t    *testing.T
	page *browser.Page
	conn *recorder.Connection
}

func newPage(t *testing.T, id, address string) *pageBuilder {
	return &pageBuilder{t: t, page: &browser.Page{
		ID: id, URL: address, FinalURL: address, Title: "Title " + id, Status: 200, MIME: "text/html", Dir: t.TempDir(),
		Started: testTime, Ended: testTime.Add(time.Second), Outcome: browser.Outcome{State: browser.Archived},
		Frames: []browser.Frame{{ID: "F", URL: address}}, Viewport: browser.DefaultViewport,
		Completeness: browser.Completeness{Ratio: 1},
	}}
}

func (b *pageBuilder) file(name, content string) string {
	b.t.Helper()
	path := filepath.Join(b.page.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *pageBuilder) body(content string) recorder.Body {
	if content == "" {
		return recorder.Body{}
	}
	sum := sha256.Sum256([]byte(content))
	// A few bytes before it show that offsets are honoured.
	path := b.file(fmt.Sprintf("body-%d", len(b.page.Exchanges)), "xyz"+content)
	return recorder.Body{Path: path, Offset: 3, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}

func (b *pageBuilder) over(c *recorder.Connection) *pageBuilder { b.conn = c; return b }

// get adds an exchange and its ledger line.
func (b *pageBuilder) get(address, kind, status, headers, body string) *pageBuilder {
	id := len(b.page.Exchanges) + 1
	at := testTime.Add(time.Duration(id) * 10 * time.Millisecond)
	b.page.Exchanges = append(b.page.Exchanges, recorder.Exchange{
		ID: id, URL: address, Method: "GET", Started: at, FirstByte: at, Ended: at.Add(time.Millisecond), Conn: b.conn,
		Request:  recorder.Message{Head: []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")},
		Response: &recorder.Message{Head: []byte("HTTP/1.1 " + status + "\r\n" + headers + "\r\n"), Body: b.body(body)},
	})
	b.page.Ledger = append(b.page.Ledger, browser.Line{RequestID: fmt.Sprint(id), URL: address, Method: "GET", Type: kind,
		FrameID: "F", Outcome: browser.OutcomeRecord, Exchange: id})
	return b
}

func (b *pageBuilder) line(l browser.Line) *pageBuilder {
	b.page.Ledger = append(b.page.Ledger, l)
	return b
}

func newChunk(t *testing.T) *Chunk {
	t.Helper()
	c, err := NewChunk(Options{Dir: t.TempDir(), Title: "A test", Now: func() time.Time { return testTime },
		Info:       Info{Software: "crawlfleet", Version: "v0", Job: "ns/job", Authorization: "case 17\r\nforged: yes"},
		Provenance: Provenance{Software: Software{Name: "crawlfleet", Version: "v0"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Abandon(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func add(t *testing.T, c *Chunk, pages ...*pageBuilder) {
	t.Helper()
	for _, p := range pages {
		if err := c.Add(p.page); err != nil {
			t.Fatal(err)
		}
	}
}

// closed closes a chunk and opens the file that came of it, after every check
// that package wacz knows.
func closed(t *testing.T, c *Chunk) (*File, *wacz.Reader) {
	t.Helper()
	file, err := c.Close()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file.Path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != file.SHA256 || int64(len(raw)) != file.Size {
		t.Errorf("file says %d bytes %s, has %d bytes %x", file.Size, file.SHA256, len(raw), sum)
	}
	findings, err := wacz.Validate(t.Context(), bytes.NewReader(raw), int64(len(raw)), nil)
	if err != nil || len(findings) > 0 {
		t.Errorf("validate: %v %+v", err, findings)
	}
	r, err := wacz.Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	captureOf(t, r)
	return file, r
}

// record is what the tests look at of a record.
type record struct {
	Type    warc.Type
	URI     string
	Body    string
	Head    string
	ID      string
	Refers  string
	To      string
	Profile string
	rec     *warc.Record
}

// records reads all records of a file.
func records(t *testing.T, r *wacz.Reader) []record {
	t.Helper()
	section, err := r.OpenWARC(warcName)
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	in := warc.NewReader(section, warc.ReaderOptions{})
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body := ""
		if rec.Body != nil {
			f, err := rec.Body.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			body = string(b)
		}
		profile, _ := rec.Get(warc.FieldProfile)
		to, _ := rec.Get(warc.FieldRefersToTargetURI)
		out = append(out, record{Type: rec.Type, URI: rec.TargetURI, Body: body, Head: string(rec.Head), ID: rec.ID,
			Refers: rec.GetID(warc.FieldRefersTo), To: to, Profile: profile, rec: rec})
	}
}

func find(t *testing.T, all []record, kind warc.Type, uri string) record {
	t.Helper()
	i := slices.IndexFunc(all, func(r record) bool { return r.Type == kind && r.URI == uri })
	if i < 0 {
		t.Fatalf("no %s record of %s", kind, uri)
	}
	return all[i]
}

func TestChunkHoldsWhatWasCaptured(t *testing.T) {
	t.Parallel()
	html := "<!doctype html><title>A</title>" + strings.Repeat("<p>text</p>", 50)
	conn := &recorder.Connection{ID: 7, Remote: netip.MustParseAddrPort("192.0.2.1:443"), Protocol: "http/1.1", Opened: testTime,
		DNS: &recorder.DNS{Name: "a.example", Answers: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
			CNAMEs: []string{"cdn.example"}, TTL: 5 * time.Minute, Source: netguard.SourceDNS, At: testTime},
		TLS: &recorder.TLS{Version: "TLS 1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ServerName: "a.example", Chain: [][]byte{{1, 2}, {3}}}}
	other := *conn
	other.ID = 8
	b := newPage(t, "p1", "https://a.example/#top").over(conn).
		get("https://a.example/", "Document", "200 OK", "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n", html).
		over(&other).get("https://a.example/s.css", "Stylesheet", "200 OK", "Content-Type: text/css\r\n", "p {}")
	p := b.page
	p.TextFile, p.DOMFile, p.ScreenshotFile = b.file("t", "The text"), b.file("d", "<html></html>"), b.file("s", "\x89PNG")
	p.Links = []browser.Link{{URL: "https://a.example/x?a=1&b=2", Kind: browser.LinkAnchor}, {URL: "tel:+15550100", Kind: browser.LinkTel}}
	p.Timings.Outputs = 500 * time.Millisecond
	c := newChunk(t)
	add(t, c, b)
	file, r := closed(t, c)

	document := file.Pages[0].Visit // what it is compared by has tests of its own
	if document.Record == "" || document.Digest == "" || document.Text == "" {
		t.Errorf("the visit is %+v", document)
	}
	want := []PageEntry{{Visit: document, ID: "p1", URL: "https://a.example/#top", Title: "Title p1", Status: 200, MIME: "text/html", Time: testTime.Add(10 * time.Millisecond), Archived: true}}
	if diff := cmp.Diff(want, file.Pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	all := records(t, r)
	if file.Records != len(all) || file.Bytes != int64(len(html)+4) {
		t.Errorf("%d records and %d bytes, file says %d and %d", len(all), len(html)+4, file.Records, file.Bytes)
	}
	if info := all[0]; info.Type != warc.Warcinfo || !strings.Contains(info.Body, "authorization: case 17  forged: yes\r\n") {
		t.Errorf("warcinfo:\n%s", info.Body)
	}
	main := find(t, all, warc.Response, "https://a.example/")
	wantHead := "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Crawlfleet-Orig-Transfer-Encoding: chunked\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"
	if main.Head != wantHead || main.Body != html {
		t.Errorf("main document: %q %q", main.Head, main.Body)
	}
	if ip, _ := main.rec.Get(warc.FieldIPAddress); ip != "192.0.2.1" {
		t.Errorf("address %q", ip)
	}
	if got := main.rec.Values(warc.FieldProtocol); !slices.Equal(got, []string{"http/1.1", "tls/1.3"}) {
		t.Errorf("protocols %q", got)
	}
	request := find(t, all, warc.Request, "https://a.example/")
	if request.rec.GetID(warc.FieldConcurrentTo) != main.ID {
		t.Errorf("the request is concurrent to %q, the response is %q", request.rec.GetID(warc.FieldConcurrentTo), main.ID)
	}
	dns := find(t, all, warc.Resource, "dns:a.example")
	if want := "20260501120000\na.example. 300 IN CNAME cdn.example.\ncdn.example. 300 IN A 192.0.2.1\ncdn.example. 300 IN AAAA 2001:db8::1\n"; dns.Body != want {
		t.Errorf("dns: %q", dns.Body)
	}
	if n := count(all, warc.Resource, "dns:a.example"); n != 1 {
		t.Errorf("%d records of one answer", n)
	}
	if n := count(all, warc.Metadata, "urn:connection:https://a.example"); n != 2 {
		t.Errorf("%d records of two connections", n)
	}
	if got := find(t, all, warc.Metadata, "urn:connection:https://a.example").Body; !strings.Contains(got, `"chain":["AQI=","Aw=="]`) {
		t.Errorf("connection: %s", got)
	}
	for urn, want := range map[string]string{
		"urn:text:": "The text", "urn:dom:": "<html></html>", "urn:view:": "\x89PNG",
		"urn:links:": `{"url":"https://a.example/x?a=1&b=2","kind":"Anchor"}` + "\n" + `{"url":"tel:+15550100","kind":"Tel"}` + "\n",
	} {
		if d := find(t, all, warc.Conversion, urn+"https://a.example/"); d.Body != want || d.Refers != main.ID {
			t.Errorf("%s: %q of %s, want %q of %s", urn, d.Body, d.Refers, want, main.ID)
		}
	}
	checkPageInfo(t, find(t, all, warc.Metadata, "urn:pageinfo:https://a.example/"), main)
	checkLookup(t, r, "https://a.example/", html)
}

func count(all []record, kind warc.Type, uri string) int {
	n := 0
	for _, r := range all {
		if r.Type == kind && r.URI == uri {
			n++
		}
	}
	return n
}

func checkPageInfo(t *testing.T, r, main record) {
	t.Helper()
	var info struct {
		Main      string
		Exchanges []struct{ Response, Connection string }
		Ledger    []struct{ URL, Record, Outcome string }
	}
	if err := json.Unmarshal([]byte(r.Body), &info); err != nil {
		t.Fatal(err)
	}
	if info.Main != main.ID || r.Refers != main.ID || len(info.Exchanges) != 2 || info.Exchanges[0].Connection == "" ||
		len(info.Ledger) != 2 || info.Ledger[0].Record != main.ID {
		t.Errorf("pageinfo %+v (refers to %s)", info, r.Refers)
	}
}

func checkLookup(t *testing.T, r *wacz.Reader, address, want string) {
	t.Helper()
	entries, err := r.Lookup(address)
	if err != nil || len(entries) != 1 {
		t.Fatalf("lookup of %s: %v %v", address, entries, err)
	}
	rec, err := r.Record(entries[0])
	if err != nil {
		t.Fatal(err)
	}
	f, err := rec.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || string(got) != want {
		t.Errorf("record of %s: %q %v", address, got, err)
	}
}

func TestRepeatedBodiesAreRevisits(t *testing.T) {
	t.Parallel()
	large, small := strings.Repeat("shared ", 100), "tiny"
	c := newChunk(t)
	add(t, c,
		newPage(t, "p1", "http://a.example/").
			get("http://a.example/", "Document", "200 OK", "", "one"+large).
			get("http://a.example/shared.js", "Script", "200 OK", "Content-Type: text/javascript\r\n", large).
			get("http://a.example/small.js", "Script", "200 OK", "", small),
		newPage(t, "p2", "http://a.example/2").
			get("http://a.example/2", "Document", "200 OK", "", "two"+large).
			get("http://b.example/copy.js", "Script", "200 OK", "X-Own: head\r\n", large).
			get("http://a.example/small.js", "Script", "200 OK", "", small).
			get("http://a.example/shared.js", "Script", "304 Not Modified", "ETag: x\r\n", ""),
		newPage(t, "p3", "http://a.example/").
			line(browser.Line{RequestID: "1", URL: "http://a.example/", Method: "GET", Type: "Document", FrameID: "F", Outcome: browser.OutcomeCache}))
	_, r := closed(t, c)
	all := records(t, r)
	original := find(t, all, warc.Response, "http://a.example/shared.js")
	copied := find(t, all, warc.Revisit, "http://b.example/copy.js")
	if copied.Refers != original.ID || copied.To != original.URI || copied.Profile != warc.ProfileIdenticalPayload ||
		!strings.Contains(copied.Head, "X-Own: head") || copied.rec.PayloadDigest != original.rec.PayloadDigest {
		t.Errorf("copy %+v of %+v", copied, original)
	}
	unchanged := find(t, all, warc.Revisit, "http://a.example/shared.js")
	if unchanged.Refers != original.ID || unchanged.Profile != warc.ProfileNotModified {
		t.Errorf("not modified: %+v", unchanged)
	}
	if n := count(all, warc.Response, "http://a.example/small.js"); n != 2 {
		t.Errorf("%d responses with the small body, want 2: a revisit would be larger", n)
	}
	// The page from the cache has its document in the same chunk.
	main := find(t, all, warc.Response, "http://a.example/")
	infos := slices.DeleteFunc(slices.Clone(all), func(r record) bool { return r.URI != "urn:pageinfo:http://a.example/" })
	if len(infos) != 2 || infos[1].Refers != main.ID || !strings.Contains(infos[1].Body, `"record":"`+main.ID+`"`) {
		t.Errorf("the cached page's info: %+v", infos)
	}
	n := 0
	for p, err := range r.Pages() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 && (p.URL != "http://a.example/" || !p.Time.Equal(testTime.Add(10*time.Millisecond))) {
			t.Errorf("the cached page's line: %+v", p)
		}
	}
	if n != 3 {
		t.Errorf("%d lines of pages", n)
	}
}

func TestFailedAndCutOffPages(t *testing.T) {
	t.Parallel()
	failed := newPage(t, "p1", "http://gone.example/")
	failed.page.Outcome = browser.Outcome{State: browser.Failed, Reason: browser.ReasonDNSFailed, Detail: "no such host"}
	failed.page.Exchanges = []recorder.Exchange{{ID: 1, URL: "http://gone.example/", Method: "GET", Started: testTime, Failure: "DNSFailed", Detail: "no such host",
		Request: recorder.Message{Head: []byte("GET / HTTP/1.1\r\n\r\n")}}}
	cut := newPage(t, "p2", "http://a.example/").get("http://a.example/", "Document", "200 OK", "", strings.Repeat("cut ", 100))
	cut.page.Exchanges[0].Response.Body.Truncated = "time"
	cut.page.Outcome = browser.Outcome{State: browser.Failed, Reason: browser.ReasonPageTimeout}
	c := newChunk(t)
	add(t, c, failed, cut)
	file, r := closed(t, c)
	if len(file.Pages) != 2 || file.Pages[0].Archived || file.Pages[1].Archived {
		t.Errorf("pages %+v", file.Pages)
	}
	all := records(t, r)
	find(t, all, warc.Request, "http://gone.example/")
	if info := find(t, all, warc.Metadata, "urn:pageinfo:http://gone.example/"); !strings.Contains(info.Body, `"failure":"DNSFailed"`) {
		t.Errorf("pageinfo %s", info.Body)
	}
	if why, _ := find(t, all, warc.Response, "http://a.example/").rec.Get(warc.FieldTruncated); why != "time" {
		t.Errorf("truncated %q", why)
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	b := newPage(t, "p1", "http://a.example/").get("http://a.example/", "Document", "200 OK", "", "x").
		get("ws://a.example/socket", "WebSocket", "101 Switching Protocols", "Upgrade: websocket\r\n", "")
	b.page.Exchanges[1].Frames = &recorder.Frames{Sent: b.body("sent bytes"), Index: b.file("i", "{}\n"), Count: 1}
	c := newChunk(t)
	add(t, c, b)
	_, r := closed(t, c)
	all := records(t, r)
	handshake := find(t, all, warc.Response, "ws://a.example/socket")
	sent := find(t, all, warc.Resource, "urn:websocket-sent:ws://a.example/socket")
	if sent.Body != "sent bytes" || sent.rec.GetID(warc.FieldConcurrentTo) != handshake.ID {
		t.Errorf("sent %+v", sent)
	}
	find(t, all, warc.Resource, "urn:websocket-frames:ws://a.example/socket")
}

func TestPageThatDoesNotFitLeavesTheChunkSound(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a small file system: it needs to be root in its own mount name space")
	}
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c, err := NewChunk(Options{Dir: dir, Provenance: Provenance{Software: Software{Name: "crawlfleet"}}, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 2<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	add(t, c, newPage(t, "p1", "http://a.example/").get("http://a.example/", "Document", "200 OK", "", "before"))
	err = c.Add(newPage(t, "p2", "http://a.example/2").get("http://a.example/2", "Document", "200 OK", "", string(noise)).page)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("adding what does not fit: %v", err)
	}
	add(t, c, newPage(t, "p3", "http://a.example/3").get("http://a.example/3", "Document", "200 OK", "", "after"))
	file, r := closed(t, c)
	if len(file.Pages) != 2 {
		t.Errorf("pages %+v", file.Pages)
	}
	checkLookup(t, r, "http://a.example/3", "after")
}

func TestEmptyChunk(t *testing.T) {
	t.Parallel()
	file, _ := closed(t, newChunk(t))
	if len(file.Pages) != 0 || file.Records != 1 {
		t.Errorf("file %+v", file)
	}
}

type putter struct {
	got  blob.Content
	body []byte
	err  error
}

func (p *putter) Put(_ context.Context, key blob.Key, content blob.Content) (blob.Info, error) {
	p.got = content
	var err error
	if p.body, err = io.ReadAll(content.Body); err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Key: key, Size: content.Size, ETag: "tag"}, p.err
}

func TestStore(t *testing.T) {
	t.Parallel()
	file, _ := closed(t, newChunk(t))
	key, err := blob.NewKey("ns/job/uid/chunks/b.wacz")
	if err != nil {
		t.Fatal(err)
	}
	var p putter
	got, err := Store(t.Context(), &p, key, file)
	if want := (Receipt{Key: key, Size: file.Size, SHA256: file.SHA256, ETag: "tag"}); got != want || err != nil {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if p.got.SHA256 != file.SHA256 || p.got.Type != "application/wacz" || int64(len(p.body)) != file.Size {
		t.Errorf("put %+v with %d bytes", p.got, len(p.body))
	}
	p.err = blob.ErrUnreachable
	if _, err := Store(t.Context(), &p, key, file); !errors.Is(err, blob.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
