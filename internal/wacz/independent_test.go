package wacz_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// These tests ask the tools of others, warcio.js and wabac.js (the engine of
// ReplayWeb.page), to read what we write. See test/formats.

const formatsDir = "../../test/formats"

// install makes sure that the tools are there, once.
var install = sync.OnceValue(func() error {
	if _, err := exec.LookPath("node"); err != nil {
		return fmt.Errorf("node is missing: install Node.js 20 or later, on Debian with `apt-get install nodejs npm`: %w", err)
	}
	if _, err := os.Stat(filepath.Join(formatsDir, "node_modules", ".package-lock.json")); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = formatsDir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("`npm ci` in test/formats: %w\n%s", err, out)
	}
	return nil
})

// ask runs a job; see check.mjs.
func ask(t *testing.T, job, answer any) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", "check.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = formatsDir, bytes.NewReader(in), &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("node check.mjs: %v\n%s", err, log.Bytes())
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		t.Fatalf("node check.mjs: %v\n%s\n%s", err, out.Bytes(), log.Bytes())
	}
	t.Logf("%s", log.Bytes())
}

var when = time.Date(2026, 3, 4, 5, 6, 7, 890123000, time.UTC)

// written is a record and where it was written.
type written struct {
	record  *warc.Record
	at      warc.Written
	payload string
}

// writeSample writes a WARC file with one record of each kind that a crawl makes.
func writeSample(t *testing.T, path string) ([]written, []cdxj.Entry) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := warc.NewWriter(f, warc.WriterOptions{})
	x := cdxj.NewIndexer("data.warc.gz")
	var all []written
	write := func(r *warc.Record, payload string) warc.Written {
		t.Helper()
		r.Body = warc.Text(payload)
		at, err := w.Write(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Add(r, at); err != nil {
			t.Fatal(err)
		}
		all = append(all, written{r, at, payload})
		return at
	}
	fields := []warc.Field{{Name: "software", Value: "crawlfleet test"}, {Name: "format", Value: "WARC File Format 1.1"}}
	info, err := warc.NewWarcinfo(when, "data.warc.gz", fields)
	if err != nil {
		t.Fatal(err)
	}
	block, err := warc.FormatFields(fields)
	if err != nil {
		t.Fatal(err)
	}
	write(info, string(block))

	html := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n")
	exchange := func(url string, at time.Time, head []byte, body, request, requestBody string) warc.Written {
		r := warc.NewResponse(url, at, warc.DechunkedHead(head), nil)
		r.Connection(netip.MustParseAddr("192.0.2.1"), []string{"http/1.1", "tls/1.3"}, "TLS_AES_128_GCM_SHA256")
		r.Add(warc.FieldPageID, "p0")
		res := write(r, body)
		write(warc.NewRequest(url, at, []byte(request), nil, res.ID), requestBody)
		return res
	}
	const get = "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
	page := "<!doctype html><title>Page</title><p>Hello, wörld" + strings.Repeat(" and more", 5000)
	main := exchange("https://www.example.org/Path?b=2&a=1", when, html, page, get, "")
	exchange("https://www.example.org/empty", when.Add(time.Second), []byte("HTTP/1.1 204 No Content\r\nDate: Wed, 04 Mar 2026 05:06:08 GMT\r\n\r\n"), "", get, "")
	exchange("https://www.example.org/old", when.Add(2*time.Second), []byte("HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\n\r\n"), "", get, "")
	exchange("https://www.example.org/missing", when.Add(3*time.Second), []byte("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n"), "no", get, "")
	json := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
	for i, q := range []string{`{"query":"{ a(b: \"x\") }","n":[1,2.50]}`, `{"query":"c","n":null}`} {
		exchange("https://api.example.org:8443/graphql", when.Add(time.Duration(4+i)*time.Millisecond), json, `{"answer":`+fmt.Sprint(i)+`}`,
			"POST /graphql HTTP/1.1\r\nHost: api.example.org\r\nContent-Type: application/json\r\n\r\n", q)
	}
	exchange("https://www.example.org/form", when.Add(5*time.Second), html, "<p>Thanks",
		"POST /form HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n", "name=Ada+L&x=%C3%A9")
	of := warc.Original{ID: main.ID, TargetURI: "https://www.example.org/Path?b=2&a=1", Date: when, PayloadDigest: main.PayloadDigest}
	write(warc.NewRevisit("https://www.example.org/copy", when.Add(6*time.Second), warc.DechunkedHead(html), of), "")
	write(warc.NewResource("urn:view:https://www.example.org/", when, "image/png", nil), "\x89PNG\x00\r\n\r\n")
	write(warc.NewConversion("urn:text:https://www.example.org/", when, "text/plain; charset=utf-8", nil, main.ID), "Hello, wörld")
	write(warc.NewMetadata("urn:pageinfo:https://www.example.org/", when, "application/json", nil, main.ID), `{"pageid":"p0"}`)
	dns, err := warc.NewDNS(warc.DNSAnswer{Host: "www.example.org", Answered: when, Records: []string{"www.example.org. 300 IN A 192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	write(dns, "20260304050607\nwww.example.org. 300 IN A 192.0.2.1\n")
	return all, x.Entries()
}

// record is what check.mjs tells of one.
type record struct {
	Offset, Length, ContentLength, BlockLength     int64
	Version, Type, ID, URI, Date, StatusLine       string
	ConcurrentTo                                   []string
	Payload, SaidPayload, Block, SaidBlock, Stored warc.Digest
	RefersToURI, RefersToDate                      string
}

func TestIndependentRecords(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data.warc.gz")
	all, entries := writeSample(t, path)
	var got struct {
		Records []record
		CDXJ    []string
	}
	ask(t, map[string]any{"warc": path}, &got)
	if len(got.Records) != len(all) {
		t.Fatalf("warcio.js reads %d records of %d", len(got.Records), len(all))
	}
	for i, w := range all {
		r := got.Records[i]
		want := record{
			Offset: w.at.Offset, Length: w.at.Length, Stored: w.at.StoredDigest,
			ContentLength: int64(len(w.record.Head) + len(w.payload)), BlockLength: int64(len(w.record.Head) + len(w.payload)),
			Version: "WARC/1.1", Type: string(w.record.Type), ID: "<" + w.at.ID + ">", URI: w.record.TargetURI,
			Date: warc.FormatDate(w.record.Date), StatusLine: warc.StartLine(w.record.Head),
			ConcurrentTo: w.record.Values(warc.FieldConcurrentTo),
			Payload:      warc.SHA256Of([]byte(w.payload)), SaidPayload: w.at.PayloadDigest,
			Block: w.at.BlockDigest, SaidBlock: w.at.BlockDigest,
		}
		want.RefersToURI, _ = w.record.Get(warc.FieldRefersToTargetURI)
		want.RefersToDate, _ = w.record.Get(warc.FieldRefersToDate)
		if w.record.Type != warc.Request && len(r.ConcurrentTo) == 0 {
			r.ConcurrentTo = nil
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("record %d of %s: -written, +read:\n%s", i, w.record.TargetURI, diff)
		}
		if r.SaidPayload != "" && r.SaidPayload != r.Payload && w.record.Type != warc.Revisit {
			t.Errorf("record %d of %s: payload digest is %s, the payload has %s", i, w.record.TargetURI, r.SaidPayload, r.Payload)
		}
	}
	compareIndex(t, entries, got.CDXJ)
}

// compareIndex compares our index with warcio.js', which has no digest labels, no
// record digests, and seconds.
func compareIndex(t *testing.T, entries []cdxj.Entry, lines []string) {
	t.Helper()
	type short struct {
		Key                            urls.SURT
		Time                           string
		URL, Mime, Method, RequestBody string
		Status                         int
		Offset, Length                 int64
	}
	var want, got []short
	for _, e := range entries {
		want = append(want, short{e.Key, cdxj.FormatTime(e.Time)[:14], e.URL, e.Mime, e.Method, e.RequestBody, e.Status, e.Offset, e.Length})
	}
	for _, line := range lines {
		e, err := cdxj.Parse([]byte(line))
		if err != nil {
			t.Fatalf("a line of warcio.js: %v\n%s", err, line)
		}
		mime, _, _ := strings.Cut(e.Mime, ";") // warcio.js leaves parameters where it is not HTTP
		got = append(got, short{e.Key, cdxj.FormatTime(e.Time)[:14], e.URL, mime, e.Method, e.RequestBody, e.Status, e.Offset, e.Length})
	}
	byOffset := func(a, b short) int { return int(a.Offset - b.Offset) }
	slices.SortFunc(want, byOffset)
	slices.SortFunc(got, byOffset)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("index: -ours, +that of warcio.js:\n%s", diff)
	}
}

func TestIndependentKeys(t *testing.T) {
	t.Parallel()
	all := []string{
		"https://example.org/", "http://www.example.org/", "https://www2.example.org/a", "https://wwww.example.org/", "https://www.com/",
		"https://example.org:8443/A/B?Z=1&a=2&&=&b", "https://example.org/?", "https://example.org/a?b=c?d&e", "https://example.org/%7Ea/%2F?%41=%c3%89",
		"https://example.org/it's(a)*b!~c?it%27s|{}^`", "https://b%C3%BCcher.example/", "https://xn--bcher-kva.example/é?ü#frag",
		"http://127.0.0.1:8080/x", "http://[2001:db8::1]:8080/x", "https://example.org./", "https://ada:secret@example.org/", "https://example.org//a//b/../c",
		"urn:pageinfo:https://example.org/", "dns:example.org", "wss://example.org/ws?a", "blob:https://example.org/1-2", "data:text/plain,x",
		"https://example.org/a;b=c,d/e=f?g=h;i", "https://my_shop.example.org/", "https://example.org/?utm=1&A=b&a=B", "https://example.org/?a&a&a=1",
		"https://例え.example/パス?クエリ=値", "https://example.org/a\\b", "https://example.org/?q=\"<>'", "https://example.org/%zz?%",
	}
	var got struct{ Surts []urls.SURT }
	ask(t, map[string]any{"surts": all}, &got)
	for i, url := range all {
		if ours := urls.MakeSURT(url); ours != got.Surts[i] {
			t.Errorf("key of %q: ours is %q, that of warcio.js %q", url, ours, got.Surts[i])
		}
	}
}

func TestIndependentRequestKeys(t *testing.T) {
	t.Parallel()
	type request struct {
		URL         string `json:"url"`
		Method      string `json:"method"`
		ContentType string `json:"contentType"`
		Body        string `json:"body"`
	}
	bodies := map[string][]string{
		"application/json": {
			`{"a":1,"b":[1,"x",null,true,{"a":2,"c":{"a":3}}],"":"e"}`, `{"10":1,"9":2,"a":3,"01":4,"4294967295":5}`, `[1,2,3]`, `"text"`, `null`, `12.50`,
			`{"a":1e21,"b":1e-7,"c":-0,"d":123456789012345678901234567890,"e":0.1,"f":1.0,"g":100000000000000000000}`, `{"a":1} x`, `{"a":`, ``, `{"a":"","b":false,"c":0}`,
			`{"a":1,"b":2,"a":3}`, `{"a.2_":"x","a":[1,2,3]}`, `{"a":"é+&=%/?:@~*-._ \u2028"}`, `{"a":"%41%"}`, "\ufeff{\"a\":1}", `{"a":{"b":null},"b":{}}`,
			`{"query":"` + strings.Repeat("é", 2000) + `"}`, `{"a":"` + strings.Repeat("x", 5000) + `"}`, `{"emoji":"😀"}`,
		},
		"application/x-www-form-urlencoded": {
			"a=1&b=2", "a=%C3%A9&b=%2F%26", "a=%", "a=%zz", "a=%C3", "a=b c&d=é", "", "a=" + strings.Repeat("%41", 2000), "b&a&a", "a=%F0%9F%98%80", "a=\xff",
		},
		"application/x-www-form-urlencoded; charset=utf-8": {"z=1&a=2"},
		"multipart/form-data; boundary=----x7": {
			"------x7\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n------x7\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nfile\r\n------x7\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nlast\nline\r\n------x7--\r\n",
			"", "no parts",
		},
		"multipart/form-data":      {"--undefined\r\nname=\"a\"\r\n\r\nb"},
		"text/plain":               {`{"a":1}`, "plain text", ""},
		"text/plain;charset=UTF-8": {`[{"e":"x"}]`},
		"application/octet-stream": {"\x00\x01\xfe\xff", "", strings.Repeat("x", 9000)},
		"":                         {"abc", ""},
		"application/JSON":         {`{"a":1}`},
	}
	var all []request
	for contentType, list := range bodies {
		for _, body := range list {
			b := base64.StdEncoding.EncodeToString([]byte(body))
			for _, method := range []string{"POST", "PUT"} {
				for _, url := range []string{"https://www.example.org/api", "https://example.org/?z=1&b"} {
					all = append(all, request{url, method, contentType, b})
				}
			}
		}
	}
	all = append(all,
		request{"https://example.org/a?b", "GET", "text/plain", ""}, request{"https://example.org/", "HEAD", "", ""},
		request{"https://example.org/", "OPTIONS", "", ""}, request{"https://example.org/x", "DELETE", "application/json", "e30="})
	var got struct {
		Requests []struct {
			Key         urls.SURT
			RequestBody string
		}
	}
	ask(t, map[string]any{"requests": all}, &got)
	for i, r := range all {
		body, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		key, query := cdxj.RequestKey(r.URL, r.Method, r.ContentType, body)
		if key != got.Requests[i].Key || query != got.Requests[i].RequestBody {
			t.Errorf("%s %s with %s %.80q:\nours      %q %q\nwarcio.js %q %q", r.Method, r.URL, r.ContentType, body,
				key, query, got.Requests[i].Key, got.Requests[i].RequestBody)
		}
	}
}

func TestIndependentReplay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "data.warc.gz")
	all, entries := writeSample(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	pages := []wacz.Page{{ID: "p0", URL: "https://www.example.org/Path?b=2&a=1", Time: when, Title: "Page", Text: "Hello, wörld"}}
	base := wacz.Contents{
		Title: "Test", Software: "crawlfleet test", Created: when, Pages: pages, Index: entries,
		WARCs: []wacz.File{{Path: "archive/data.warc.gz", Content: warc.File(path, info.Size())}},
	}
	for _, filler := range []int{0, 2000} {
		t.Run(fmt.Sprintf("%dMoreEntries", filler), func(t *testing.T) {
			t.Parallel()
			c := base
			// More entries make the index one of compressed blocks; they point to
			// the first capture.
			c.Index = slices.Clone(entries)
			for i := range filler {
				e := entries[0]
				e.URL = fmt.Sprintf("https://www.example.org/P%d", i)
				e.Key = urls.MakeSURT(e.URL)
				c.Index = append(c.Index, e)
			}
			var file bytes.Buffer
			if err := wacz.Create(&file, c); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "test.wacz", when, bytes.NewReader(file.Bytes()))
			}))
			defer server.Close()
			checkReplay(t, server.URL+"/test.wacz", all, pages)
		})
	}
}

type question struct {
	URL         string `json:"url"`
	Timestamp   string `json:"timestamp"`
	Method      string `json:"method"`
	ContentType string `json:"contentType"`
	Body        string `json:"body"`
}

type answer struct {
	Status    int
	URL, Mime string
	Payload   warc.Digest
}

// checkReplay asks wabac.js for every capture.
func checkReplay(t *testing.T, url string, all []written, pages []wacz.Page) {
	t.Helper()
	var questions []question
	var want []answer
	for i, w := range all {
		if w.record.Type != warc.Response && w.record.Type != warc.Revisit && w.record.Type != warc.Resource {
			continue
		}
		q := question{URL: w.record.TargetURI, Timestamp: cdxj.FormatTime(w.record.Date), Method: "GET"}
		a := answer{Status: 200, Mime: w.record.ContentType, Payload: warc.SHA256Of([]byte(w.payload))}
		if w.record.Type != warc.Resource {
			a.Mime = warc.HTTPField(w.record.Head, "Content-Type")
			if _, err := fmt.Sscanf(warc.StartLine(w.record.Head), "HTTP/1.1 %d", &a.Status); err != nil {
				t.Fatal(err)
			}
		}
		if w.record.Type == warc.Revisit {
			a.Payload = w.at.PayloadDigest
		}
		if i+1 < len(all) && bytes.HasPrefix(all[i+1].record.Head, []byte("POST")) {
			q.Method, q.ContentType = "POST", warc.HTTPField(all[i+1].record.Head, "Content-Type")
			q.Body = base64.StdEncoding.EncodeToString([]byte(all[i+1].payload))
		}
		questions, want = append(questions, q), append(want, a)
	}
	questions = append(questions, question{URL: "https://www.example.org/never", Timestamp: "2026", Method: "GET"})
	want = append(want, answer{})
	type page struct{ ID, URL, TS, Title string }
	var got struct {
		Pages   []page
		Answers []answer
	}
	ask(t, map[string]any{"wacz": url, "ask": questions}, &got)
	var wantPages []page
	for _, p := range pages {
		wantPages = append(wantPages, page{p.ID, p.URL, p.Time.Format("2006-01-02T15:04:05.000Z"), p.Title})
	}
	if diff := cmp.Diff(wantPages, got.Pages); diff != "" {
		t.Errorf("pages: -written, +loaded:\n%s", diff)
	}
	for i, a := range got.Answers {
		a.URL = ""
		if diff := cmp.Diff(want[i], a); diff != "" {
			t.Errorf("%s %s: -recorded, +replayed:\n%s", questions[i].Method, questions[i].URL, diff)
		}
	}
}
