package cdxj

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

var when = time.Date(2026, 3, 4, 5, 6, 7, 890123000, time.UTC)

func TestLine(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		entry  Entry
		want   string
	}{
		"Full": {
			"All members in the order of the specification.",
			Entry{
				Key: "org,example)/?__wb_method=post&a=1", Time: when, URL: "https://example.org/", Mime: "text/html", Status: 200,
				Digest: "sha256:aa", RecordDigest: "sha256:bb", Filename: "data.warc.gz", Offset: 283, Length: 2269,
				Method: "POST", RequestBody: "a=1",
			},
			`org,example)/?__wb_method=post&a=1 20260304050607890 {"url":"https://example.org/","mime":"text/html","status":200,"digest":"sha256:aa","length":2269,"offset":283,"filename":"data.warc.gz","recordDigest":"sha256:bb","method":"POST","requestBody":"a=1"}`,
		},
		"NoHTTP": {
			"The mandatory members are there even when they are empty.",
			Entry{Key: "urn:text:x", Time: when, URL: "urn:text:x"},
			`urn:text:x 20260304050607890 {"url":"urn:text:x","mime":"","status":0,"digest":"","length":0,"offset":0,"filename":""}`,
		},
		"Special": {
			"JSON keeps the line whole and is not escaped for HTML.",
			Entry{Key: "k", Time: when, URL: "https://example.org/?<&>\n\"", Mime: "a"},
			`k 20260304050607890 {"url":"https://example.org/?<&>\n\"","mime":"a","status":0,"digest":"","length":0,"offset":0,"filename":""}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			line, err := tc.entry.AppendLine(nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want+"\n", string(line)); diff != "" {
				t.Errorf("\n%s\n-want, +got:\n%s", tc.reason, diff)
			}
			got, err := Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			want := tc.entry
			want.Time = want.Time.Truncate(time.Millisecond)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("\n%s\nread again: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseForeign(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte(`org,example)/ 20220106150849 {"url": "https://example.org/", "mime": "text/html", "status": "200", "offset": "7", "length": "9", "other": [1]}` + "\r\n"))
	want := Entry{
		Key: "org,example)/", Time: time.Date(2022, 1, 6, 15, 8, 49, 0, time.UTC), URL: "https://example.org/",
		Mime: "text/html", Status: 200, Offset: 7, Length: 9,
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	for _, bad := range []string{
		"", "a", "a b", "a 20220106150849", " 20220106150849 {}", "a 2022010615084 {}", "a 2022010615084x {}",
		"a 20220106150849 {", `a 20220106150849 {"offset":-1}`, `a 20220106150849 {"length":"x"}`, "a 20221306150849 {}",
	} {
		if e, err := Parse([]byte(bad)); err == nil {
			t.Errorf("Parse(%q): got %+v; want an error", bad, e)
		}
	}
}

func TestRefusesKeysAndTimes(t *testing.T) {
	t.Parallel()
	for _, e := range []Entry{{Key: "", Time: when}, {Key: "a b", Time: when}, {Key: "a\nb", Time: when}, {Key: "a"}} {
		if line, err := e.AppendLine(nil); err == nil {
			t.Errorf("%+v: got the line %q; want an error", e, line)
		}
	}
}

// sorted makes n entries out of order.
func unsorted(n int) []Entry {
	var entries []Entry
	for i := range n {
		u := fmt.Sprintf("https://example.org/%d", (i*7919)%n/2)
		entries = append(entries, Entry{
			Key: urls.MakeSURT(u), Time: when.Add(time.Duration(i) * time.Second).Truncate(time.Millisecond), URL: u,
			Mime: "text/html", Status: 200, Filename: "data.warc.gz", Offset: int64(i) * 100, Length: 100,
		})
	}
	return entries
}

func TestWriteSorted(t *testing.T) {
	t.Parallel()
	entries := unsorted(1000)
	// Keys of which one is the beginning of the other.
	for _, k := range []urls.SURT{"org,example)/1!", "org,example)/1", "org,example)/", "org,example)/10"} {
		entries = append(entries, Entry{Key: k, Time: when, URL: string(k)})
	}
	before := slices.Clone(entries)
	var b bytes.Buffer
	if err := Write(&b, entries); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, entries); diff != "" {
		t.Errorf("Write changed the slice:\n%s", diff)
	}
	lines := strings.SplitAfter(b.String(), "\n")
	if lines = lines[:len(lines)-1]; !slices.IsSorted(lines) || len(lines) != len(entries) {
		t.Errorf("%d lines of %d entries, sorted: %v", len(lines), len(entries), slices.IsSorted(lines))
	}
	var read []urls.SURT
	for e, err := range Read(bytes.NewReader(b.Bytes())) {
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, e.Key)
	}
	Sort(entries)
	var want []urls.SURT
	for _, e := range entries {
		want = append(want, e.Key)
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("Sort and Write do not agree: -sorted, +written:\n%s", diff)
	}
}

func TestCompressed(t *testing.T) {
	t.Parallel()
	entries := unsorted(3*BlockLines + 1)
	var idx, data bytes.Buffer
	if err := WriteCompressed(&idx, &data, "index.cdx.gz", entries); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(idx.String(), `!meta 0 {"format":"cdxj-gzip-1.0","filename":"index.cdx.gz"}`+"\n") {
		t.Errorf("the secondary index starts with %.80q", idx.String())
	}
	blocks, err := ReadBlocks(&idx)
	if err != nil || len(blocks) != 4 {
		t.Fatalf("got %d blocks, %v; want 4", len(blocks), err)
	}
	for _, want := range entries {
		found := false
		for _, b := range FindBlocks(blocks, want.Key) {
			stored := data.Bytes()[b.Offset : b.Offset+b.Length]
			if d := warc.SHA256Of(stored); b.Filename != "index.cdx.gz" || b.Digest != d {
				t.Fatalf("block %+v has digest %s", b, d)
			}
			gz, err := gzip.NewReader(bytes.NewReader(stored))
			if err != nil {
				t.Fatal(err)
			}
			for e, err := range Read(gz) {
				if err != nil {
					t.Fatal(err)
				}
				found = found || e == want
			}
		}
		if !found {
			t.Fatalf("%+v is not in its blocks", want)
		}
	}
	if got := FindBlocks(blocks, "zzz"); len(got) != 1 {
		t.Errorf("a key after all others may be in the last block alone; got %d", len(got))
	}
	if got := FindBlocks(blocks, "aaa"); len(got) != 0 {
		t.Errorf("a key before all others is in no block; got %d", len(got))
	}
}

// file is a WARC file with its entries made while it was written.
func file(t *testing.T, plain bool, requestFirst bool) ([]byte, []Entry) {
	t.Helper()
	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n")
	get := warc.NewResponse("https://www.example.org/?b&a", when, head, warc.Text("<p>"))
	get.ID = warc.NewID()
	getReq := warc.NewRequest(get.TargetURI, when, []byte("GET /?b&a HTTP/1.1\r\n\r\n"), nil, get.ID)
	post := warc.NewResponse("https://example.org/api", when, []byte("HTTP/1.1 201 Created\r\n\r\n"), nil)
	post.ID = warc.NewID()
	postReq := warc.NewRequest(post.TargetURI, when,
		[]byte("POST /api HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"), warc.Text(`{"q":"x y","n":[1,2]}`), post.ID)
	again := warc.NewRevisit("https://example.org/copy", when, head, warc.Original{
		ID: get.ID, TargetURI: get.TargetURI, Date: get.Date, PayloadDigest: warc.SHA256Of([]byte("<p>")),
	})
	fields, err := warc.NewWarcinfo(when, "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	records := []*warc.Record{
		fields, get, getReq, post, postReq, again,
		warc.NewResource("urn:view:https://example.org/", when, "image/png", warc.Text("x")),
		warc.NewConversion("urn:text:https://example.org/", when, "text/plain; charset=utf-8", warc.Text("x"), get.ID),
		warc.NewMetadata("urn:pageinfo:https://example.org/", when, "application/json", warc.Text("{}"), get.ID),
		warc.NewMetadata("https://example.org/", when, warc.TypeWarcFields, warc.Text("via: x\r\n"), get.ID),
	}
	if requestFirst {
		records[3], records[4] = records[4], records[3]
	}
	var b bytes.Buffer
	w := warc.NewWriter(&b, warc.WriterOptions{Plain: plain})
	x := NewIndexer("data.warc.gz")
	for _, r := range records {
		done, err := w.Write(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Add(r, done); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes(), x.Entries()
}

func TestIndex(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		for _, requestFirst := range []bool{false, true} {
			b, written := file(t, plain, requestFirst)
			got, err := Index(bytes.NewReader(b), "data.warc.gz")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(written, got); diff != "" {
				t.Errorf("plain %v, request first %v: -while written, +from the file:\n%s", plain, requestFirst, diff)
			}
			type short struct {
				Key          urls.SURT
				Mime         string
				Status       int
				Method, Body string
			}
			var all []short
			for _, e := range got {
				all = append(all, short{e.Key, e.Mime, e.Status, e.Method, e.RequestBody})
				if e.Digest == "" || warc.SHA256Of(b[e.Offset:e.Offset+e.Length]) != e.RecordDigest {
					t.Errorf("%s: digest %q, record digest %q", e.URL, e.Digest, e.RecordDigest)
				}
			}
			want := []short{
				{Key: "org,example)/?a&b", Mime: "text/html", Status: 200},
				{"org,example)/api?__wb_method=post&n.2_=2&n=1&q=x+y", "", 201, "POST", "q=x+y&n=1&n.2_=2"},
				{Key: "org,example)/copy", Mime: "warc/revisit", Status: 200},
				{Key: "urn:pageinfo:https://example.org/", Mime: "application/json"},
				{Key: "urn:text:https://example.org/", Mime: "text/plain"},
				{Key: "urn:view:https://example.org/", Mime: "image/png"},
			}
			if diff := cmp.Diff(want, all); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		}
	}
	b, _ := file(t, false, false)
	if _, err := Index(bytes.NewReader(b[:len(b)-1]), "data.warc.gz"); err == nil {
		t.Error("a file that is cut off was indexed")
	}
}

func TestRequestKey(t *testing.T) {
	t.Parallel()
	// The wanted values are what warcio.js makes; test/formats asks it for more.
	cases := map[string]struct {
		reason                         string
		url, method, contentType, body string
		key                            urls.SURT
		query                          string
	}{
		"Get":       {"GET has no body.", "https://example.org/?a", "GET", "", "x", "org,example)/?a", ""},
		"Form":      {"A form is a query already.", "https://example.org/", "POST", "application/x-www-form-urlencoded", "b=2&a=%C3%A9", "org,example)/?__wb_method=post&a=%C3%A9&b=2", "b=2&a=%C3%A9"},
		"Query":     {"It is appended to the URL's own.", "https://example.org/?z", "PUT", "application/x-www-form-urlencoded", "a=1", "org,example)/?__wb_method=put&a=1&z", "a=1"},
		"JSON":      {"Objects and lists are flattened.", "https://example.org/", "POST", "application/json", `{"10":true,"2":null,"a":{"b":[1,{"b":"x&y"}]},"a2":1e21,"e":""}`, "org,example)/?10=true&2=null&__wb_method=post&a2=1e%2b21&b.2_=x%26y&b=1", "2=null&10=true&b=1&b.2_=x%26y&a2=1e%2B21"},
		"BadJSON":   {"What does not parse is nothing.", "https://example.org/", "POST", "application/json; charset=utf-8", `{"a":1`, "org,example)/?&__wb_method=post", ""},
		"Multipart": {"Plain values are taken.", "https://example.org/", "POST", "multipart/form-data; boundary=--X", "----X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1 2\r\n----X--\r\n", "org,example)/?__wb_method=post&a=1+2", "a=1+2"},
		"Binary":    {"All else is base64.", "https://example.org/", "POST", "image/png", "\x89P", "org,example)/?__wb_method=post&__wb_post_data=ivA=", "__wb_post_data=iVA="},
		"Empty":     {"An empty body, too.", "https://example.org/", "HEAD", "", "", "org,example)/?__wb_method=head&__wb_post_data=", "__wb_post_data="},
		"BadEscape": {"A query that does not decode is left out of the key.", "https://example.org/", "POST", "application/x-www-form-urlencoded", "a=%", "org,example)/?&__wb_method=post", "a=%"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			key, query := RequestKey(tc.url, tc.method, tc.contentType, []byte(tc.body))
			if strings.EqualFold(string(key), string(tc.key)) {
				key = tc.key // letter case of escapes is left to the comparison with warcio.js
			}
			if key != tc.key || query != tc.query {
				t.Errorf("\n%s\ngot  %q %q\nwant %q %q", tc.reason, key, query, tc.key, tc.query)
			}
		})
	}
}

func FuzzCDXJ(f *testing.F) {
	f.Add([]byte(`org,example)/ 20220106150849 {"url":"https://example.org/","status":"200","offset":7}`))
	f.Add([]byte("a 20220106150849123 {}\nb 20220106150849123 {}\n!meta 0 {\"format\":\"cdxj-gzip-1.0\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for e, err := range Read(bytes.NewReader(b)) {
			if err != nil {
				break
			}
			line, err := e.AppendLine(nil)
			if err != nil {
				continue // the writer is stricter
			}
			again, err := Parse(line)
			if err != nil {
				t.Fatalf("%q cannot be read: %v", line, err)
			}
			if diff := cmp.Diff(e, again); diff != "" && bytes.Equal(b, bytes.ToValidUTF8(b, nil)) {
				t.Fatalf("-read, +written and read:\n%s", diff)
			}
		}
		if _, err := ReadBlocks(bytes.NewReader(b)); errors.Is(err, io.EOF) {
			t.Fatal("io.EOF is no error of a file")
		}
	})
}

func FuzzRequestKey(f *testing.F) {
	f.Add("POST", "application/json", []byte(`{"a":[1,null,{"b":"%41"}]}`))
	f.Add("POST", "multipart/form-data; boundary=x", []byte("--x\r\nname=\"a\"\r\n\r\nb"))
	f.Add("PUT", "application/x-www-form-urlencoded", []byte("a=%C3%A9&%"))
	f.Fuzz(func(t *testing.T, method, contentType string, body []byte) {
		key, _ := RequestKey("https://example.org/", method, contentType, body)
		if key == "" || strings.ContainsFunc(string(key), isSpace) {
			t.Fatalf("%q cannot be a key", key)
		}
	})
}
