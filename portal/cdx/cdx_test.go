package cdx

import (
	"bytes"
	"crawlfleet.dev/crawlfleet/portal/access"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

const (
	chunk0 = "default/ads/uid-1/chunks/c0.wacz"
	chunk1 = "default/ads/uid-2/chunks/c1.wacz"
	chunk2 = "team/other/uid-3/chunks/c2.wacz"
	hidden = "secret/other/uid-4/chunks/c3.wacz"
)

// archive has captures of several hosts, in several namespaces.
func archive(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	start := page("https://www.example.org/", 1, "start")
	post := warc.NewResponse("https://example.org/api", noon.Add(2*time.Minute), []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"), warc.Text("{}"))
	post.ID = warc.NewID()
	request := warc.NewRequest("https://example.org/api", noon.Add(2*time.Minute), []byte("POST /api HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"), warc.Text("a=1"), post.ID)
	f.add(t, chunk0, start,
		page("https://example.org/path/a", 2, "a"), page("https://example.org/path/b?x=1&y=2", 3, "b"), page("https://example.org/pathology", 3, "c"),
		page("https://shop.example.org/", 4, "shop"), page("https://example.org:8443/", 4, "port"), page("https://example-b.org/", 4, "neighbour"),
		answer("https://example.org/gone.php", 5, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n", "gone"),
		post, request, warc.NewResource("urn:text:https://example.org/", noon, "text/plain", warc.Text("ours")))
	f.add(t, chunk1, page("https://example.org/", 60, "start again"),
		warc.NewRevisit("https://example.org/path/a", noon.Add(2*time.Hour), []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"),
			warc.Original{TargetURI: "https://example.org/", Date: noon.Add(time.Hour), PayloadDigest: warc.SHA256Of([]byte("start again"))}))
	f.add(t, chunk2, page("http://example.org/", 30, "start of the team"))
	f.add(t, hidden, page("http://example.org/", 31, "start of others"))
	return f
}

// shown are the minute and the address of each line.
func shown(t *testing.T, body string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(body) {
		e, err := cdxj.Parse([]byte(line))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, fmt.Sprintf("%d %s", int(e.Time.Sub(noon).Minutes()), e.URL))
	}
	return lines
}

// TestQueries asks what https://pywb.readthedocs.io/en/latest/manual/cdxserver_api.html tells.
func TestQueries(t *testing.T) {
	t.Parallel()
	for name, whole := range map[string]int64{"whole": wholeIndex, "in parts": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := archive(t)
			f.server.whole = whole
			testQueries(t, f)
		})
	}
}

func testQueries(t *testing.T, f *fixture) {
	t.Helper()
	start := []string{"1 https://www.example.org/", "30 http://example.org/", "60 https://example.org/"}
	api := "2 https://example.org/api"
	rest := []string{"5 https://example.org/gone.php", "2 https://example.org/path/a", "120 https://example.org/path/a", "3 https://example.org/path/b?x=1&y=2", "3 https://example.org/pathology"}
	host := append(append(append([]string{}, start...), api), rest...)
	paths := rest[1:4]
	for _, tc := range []struct {
		reason, query string
		want          []string
	}{
		{"exact, without a scheme", "url=example.org", start},
		{"exact, as pywb asks for all times", "url=http://example.org/&closest=&sort=closest", start},
		{"a namespace", "/team?url=example.org", start[1:2]},
		{"a run", "/default/ads/uid-2?url=example.org", start[2:]},
		{"a run that is not there", "/default/ads/uid-3?url=example.org", nil},
		{"nothing", "url=example.net", nil},
		{"a query in another order", "url=example.org/path/b?y=2%26x=1", paths[2:]},
		{"from a day", "url=example.org&from=20260314", start},
		{"from a minute", "url=example.org&from=202603141230", start[1:]},
		{"from, as Python has to write it", "url=example.org&from_ts=202603141230", start[1:]},
		{"to a minute, inclusive", "url=example.org&to=202603141230", start[:2]},
		{"a year", "url=example.org&from=2026&to=2026", start},
		{"another year", "url=example.org&from=2025&to=2025", nil},
		{"prefix", "url=example.org/path/&matchType=prefix", paths},
		{"prefix with a star", "url=http://example.org/path/*", paths},
		{"prefix without a slash", "url=example.org/path*", rest[1:]},
		{"host", "url=http://example.org/path/&matchType=host", host},
		{"domain", "url=example.org&matchType=domain", append(append([]string{}, host...), "4 https://shop.example.org/")},
		{"domain with a star", "url=*.example.org", append(append([]string{}, host...), "4 https://shop.example.org/")},
		{"top-level domain", "url=org&matchType=domain&filter=urlkey:neighbour", nil},
		{"port", "url=https://example.org:8443/", []string{"4 https://example.org:8443/"}},
		{"limit", "url=example.org&limit=1", start[:1]},
		{"reverse", "url=example.org&sort=reverse", []string{start[2], start[1], start[0]}},
		{"the last one", "url=example.org&reverse=true&limit=1", start[2:]},
		{"closest", "url=example.org&sort=closest&closest=20260314123100", []string{start[1], start[2], start[0]}},
		{"the closest one", "url=example.org&sort=closest&closest=202603141220&limit=1", start[1:2]},
		{"closest, as far as it is known", "url=example.org&closest=2026&limit=1", start[:1]},
		{"closest to now", "url=example.org&closest=now&limit=1", start[2:]},
		{"filter: exact", "url=example.org/*&filter==mime:text/plain", rest[:1]},
		{"filter: contains", "url=example.org/path*&filter=mime:html", []string{rest[1], rest[3], rest[4]}},
		{"filter: not contains", "url=example.org/path*&filter=!mime:html", rest[2:3]},
		{"filter: not exact", "url=example.org/*&filter=!=status:200", rest[:1]},
		{"filter: expression", "url=example.org&matchType=domain&filter=~url:.*%5C.php$", rest[:1]},
		{"filter: expression from the start", "url=example.org/*&filter=~mime:plain", nil},
		{"filter: not expression", "url=example.org/*&filter=!~mime:text/.*", []string{api, rest[2]}},
		{"filter: two", "url=example.org/*&filter==mime:text/html&filter=url:path/", []string{rest[1], rest[3]}},
		{"filter: another server's name", "url=example.org/*&filter=statuscode:404", rest[:1]},
		{"filter: the line", "url=example.org/*&filter=gone.php", rest[:1]},
		{"filter: an expression with a colon", "url=example.org/*&filter=~url:https://example.org/(gone|x)", rest[:1]},
		{"everything but ours", "url=*", append(append([]string{}, host...), "4 https://shop.example.org/", "4 https://example-b.org/", "4 https://example.org:8443/")},
		{"ours", "url=urn:text:https://example.org/", []string{"0 urn:text:https://example.org/"}},
		{"ours of a kind", "url=urn:text:*", []string{"0 urn:text:https://example.org/"}},
		{"first page", "url=example.org&page=0", start},
		{"allowFuzzy as it is", "url=example.org&allowFuzzy=false", start},
	} {
		path := "/cdx?" + tc.query
		if strings.HasPrefix(tc.query, "/") {
			path = "/cdx" + tc.query
		}
		res, body := f.get(t, path)
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/x-cdxj" {
			t.Errorf("%s: status %d, %s %s", tc.reason, res.StatusCode, res.Header.Get("Content-Type"), body)
			continue
		}
		if diff := cmp.Diff(tc.want, shown(t, body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	f := archive(t)
	_, body := f.get(t, "/cdx?url=example.org/gone.php")
	e, err := cdxj.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	object := fmt.Sprintf(`"url": "https://example.org/gone.php", "mime": "text/plain", "status": "404", "digest": "%s", "length": "%d", "offset": "%d", "filename": "cdx/warc/%s/data.warc.gz"`,
		e.Digest, e.Length, e.Offset, chunk0)
	more := fmt.Sprintf(`, "recordDigest": "%s"}`, e.RecordDigest)
	for _, tc := range []struct{ reason, query, kind, want string }{
		{"cdxj", "", "text/x-cdxj", "org,example)/gone.php 20260314120500 {" + object + more + "\n"},
		{"json", "&output=json", "text/x-ndjson", `{"urlkey": "org,example)/gone.php", "timestamp": "20260314120500", ` + object + more + "\n"},
		{"text", "&output=text", "text/plain; charset=utf-8", fmt.Sprintf("org,example)/gone.php 20260314120500 https://example.org/gone.php text/plain 404 %s %d %d cdx/warc/%s/data.warc.gz\n", e.Digest, e.Length, e.Offset, chunk0)},
		{"fields", "&fl=urlkey,timestamp,status", "text/x-cdxj", `org,example)/gone.php 20260314120500 {"status": "404"}` + "\n"},
		{"fields in JSON, in order", "&output=json&fields=status,urlkey", "text/x-ndjson", `{"status": "404", "urlkey": "org,example)/gone.php"}` + "\n"},
		{"fields in text, one missing", "&output=text&fl=original,method", "text/plain; charset=utf-8", "https://example.org/gone.php -\n"},
	} {
		res, body := f.get(t, "/cdx?url=example.org/gone.php"+tc.query)
		if diff := cmp.Diff(tc.want, body); diff != "" || res.Header.Get("Content-Type") != tc.kind || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v (-want +got):\n%s", tc.reason, res.Header, diff)
		}
	}
	_, body = f.get(t, "/cdx?url=example.org/api*&output=json")
	if !strings.Contains(body, `"method": "POST", "requestBody": "a=1"`) {
		t.Errorf("what was posted: %s", body)
	}
	if res, body := f.do(t, http.MethodHead, "/cdx?url=example.org"); res.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD: status %d, %q", res.StatusCode, body)
	}
}

func TestRevisitsAreResolved(t *testing.T) {
	t.Parallel()
	for name, whole := range map[string]int64{"whole": wholeIndex, "in parts": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := archive(t)
			f.server.whole = whole
			testRevisits(t, f)
		})
	}
}

func testRevisits(t *testing.T, f *fixture) {
	t.Helper()
	_, plain := f.get(t, "/cdx?url=example.org/path/a&from=202603141400&output=json")
	_, body := f.get(t, "/cdx?url=example.org/path/a&resolveRevisits=true&output=json")
	_, original := f.get(t, "/cdx?url=https://example.org/&from=202603141300&output=json")
	var got [2]map[string]string
	var revisit, start map[string]string
	for i, line := range strings.Split(strings.TrimSpace(body), "\n") {
		if err := json.Unmarshal([]byte(line), &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal([]byte(plain), &revisit); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(original), &start); err != nil {
		t.Fatal(err)
	}
	if revisit["mime"] != "warc/revisit" || revisit["orig.length"] != "" {
		t.Errorf("without being asked: %v", revisit)
	}
	if got[0]["orig.length"] != "-" || got[0]["orig.offset"] != "-" || got[0]["orig.filename"] != "-" {
		t.Errorf("no revisit: %v", got[0])
	}
	if got[1]["mime"] != "text/html" || got[1]["orig.length"] != start["length"] || got[1]["orig.offset"] != start["offset"] || got[1]["orig.filename"] != start["filename"] {
		t.Errorf("the revisit %v does not tell of %v", got[1], start)
	}
}

// TestRecordsCanBeFetched does what cdx_toolkit and pywb do: fetch the record that a line
// names with a range.
func TestRecordsCanBeFetched(t *testing.T) {
	t.Parallel()
	f := archive(t)
	_, body := f.get(t, "/cdx?url=example.org/gone.php&output=json")
	var line struct{ Offset, Length, Filename, Digest string }
	if err := json.Unmarshal([]byte(body), &line); err != nil {
		t.Fatal(err)
	}
	var offset, length int
	if _, err := fmt.Sscan(line.Offset+" "+line.Length, &offset, &length); err != nil {
		t.Fatal(err)
	}
	path := "/" + line.Filename
	res, record := f.get(t, path, "Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	if res.StatusCode != http.StatusPartialContent || len(record) != length {
		t.Fatalf("status %d, %d bytes", res.StatusCode, len(record))
	}
	gz, err := gzip.NewReader(strings.NewReader(record))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(gz)
	if err != nil || !bytes.Contains(text, []byte("HTTP/1.1 404 Not Found")) || !bytes.Contains(text, []byte("\r\n\r\ngone")) {
		t.Errorf("%v, the record is %s", err, text)
	}
	for name, want := range hostile {
		if res.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, res.Header.Get(name), want)
		}
	}
	if res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the headers are %v", res.Header)
	}
	if diff := cmp.Diff([]string{chunk0 + " "}, f.looks); diff != "" {
		t.Errorf("looks (-want +got):\n%s", diff)
	}
	f.refuse = &access.Problem{Status: http.StatusForbidden, Text: "You may not see this.", Hint: "Ask for the right."}
	res, body = f.get(t, path)
	wantProblem(t, "a look that is refused", res, body, http.StatusForbidden)
	f.refuse = nil
	for _, tc := range []struct{ reason, path string }{
		{"another namespace", "/cdx/warc/" + hidden + "/data.warc.gz"},
		{"another file of the chunk", "/cdx/warc/" + chunk0 + "/..%2fdatapackage.json"},
		{"no such WARC file", "/cdx/warc/" + chunk0 + "/none.warc.gz"},
		{"no such chunk", "/cdx/warc/default/ads/uid-1/chunks/c9.wacz/data.warc.gz"},
		{"no chunk", "/cdx/warc/default/ads/uid-1/leads/00001.jsonl.zst/data.warc.gz"},
		{"dots", "/cdx/warc/default/ads/../ads/uid-1/chunks/c0.wacz/data.warc.gz"},
		{"an escape that is none", "/cdx/warc/%2f%2f%2f%2f%2f%2f/x/x/x/x/x/x"},
	} {
		res, body := f.get(t, tc.path)
		wantProblem(t, tc.reason, res, body, http.StatusNotFound)
	}
	if len(f.looks) != 2 {
		t.Errorf("looks were taken down for what was not there: %q", f.looks)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	f := archive(t)
	for _, tc := range []struct {
		query  string
		status int
	}{
		{"", 400}, {"url=", 400}, {"url=example.org&form=2020", 400}, {"url=example.org&from=yesterday", 400}, {"url=example.org&to=202603141200009999", 400},
		{"url=example.org&matchType=some", 400}, {"url=urn:text:x&matchType=host", 400}, {"url=example.org&sort=up", 400}, {"url=example.org&sort=closest", 400},
		{"url=example.org&closest=20261399", 400}, {"url=example.org&limit=0", 400}, {"url=example.org&limit=100001", 400}, {"url=example.org&limit=x", 400},
		{"url=example.org&filter=nosuchfield:x", 400}, {"url=example.org&filter=~mime:(", 400}, {"url=example.org&fl=urlkey,nosuchfield", 400},
		{"url=example.org&output=xml", 400}, {"url=example.org&page=-1", 400}, {"url=example.org&page=1", 400}, {"url=example.org&pageSize=99", 400},
		{"url=example.org&page=34", 422}, {"url=example.org&resumeKey=x", 400}, {"url=example.org&page=0&resumeKey=eA", 400}, {"url=example.org&allowFuzzy=true", 400},
		{"url=%zz", 400}, {"url=" + strings.Repeat("x", 70_000), 400}, {"url=example.org" + strings.Repeat("&filter=x", 21), 400},
		{"url=example.net&output=json", 404}, {"/secret?url=example.org", 404}, {"/default/ads?url=example.org", 404}, {"/default/a/b/c?url=example.org", 404},
	} {
		path := "/cdx?" + tc.query
		if strings.HasPrefix(tc.query, "/") {
			path = "/cdx" + tc.query
		}
		res, body := f.get(t, path)
		wantProblem(t, tc.query[:min(len(tc.query), 60)], res, body, tc.status)
	}
	res, body := f.get(t, "/cdx?url=example.org", "X-Nobody", "1")
	wantProblem(t, "nobody", res, body, http.StatusForbidden)
	if !strings.Contains(body, `"reason":"NotAllowed"`) {
		t.Errorf("who may not is not told so in one word: %s", body)
	}
	res, body = f.do(t, http.MethodPost, "/cdx?url=example.org")
	wantProblem(t, "POST", res, body, http.StatusMethodNotAllowed)
	f = archive(t) // with nothing in memory
	f.store.Answer = func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		return true
	}
	res, body = f.get(t, "/cdx?url=example-b.org")
	wantProblem(t, "a store that refuses", res, body, http.StatusBadGateway)
	if strings.Contains(body, "AccessDenied") || strings.Contains(body, chunk0) {
		t.Errorf("the answer tells of the store: %s", body)
	}
}

// TestLongAnswersGoOn follows the links of an answer in pieces, in each order.
func TestLongAnswersGoOn(t *testing.T) {
	t.Parallel()
	f := archive(t)
	for _, query := range []string{"url=*", "url=*&sort=reverse", "url=*&closest=202603141210"} {
		_, all := f.get(t, "/cdx?"+query)
		var pieces strings.Builder
		next := "?" + query + "&limit=2"
		for range 20 {
			res, body := f.get(t, "/cdx"+next)
			pieces.WriteString(body)
			link := res.Header.Get("Link")
			if link == "" {
				break
			}
			next = strings.TrimSuffix(strings.TrimPrefix(link, "<"), ">; rel=\"next\"")
		}
		if diff := cmp.Diff(all, pieces.String()); diff != "" {
			t.Errorf("%s (-at once +in pieces):\n%s", query, diff)
		}
	}
	_, body := f.get(t, "/cdx?url=example.org&limit=2&showResumeKey=true&fl=urlkey&output=text")
	lines := strings.Split(body, "\n")
	if len(lines) != 5 || lines[2] != "" {
		t.Fatalf("the answer with a key is %q", body)
	}
	_, body = f.get(t, "/cdx?url=example.org&showResumeKey=true&fl=timestamp&output=text&resumeKey="+url.QueryEscape(lines[3]))
	if body != "20260314130000\n" {
		t.Errorf("the rest is %q", body)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const each, chunks = 1000, 7
	for c := range chunks {
		var entries []*warc.Record
		for i := range each {
			entries = append(entries, page(fmt.Sprintf("https://example.org/%04d/%d", i, c), i, "x"))
		}
		f.add(t, fmt.Sprintf("default/ads/uid-1/chunks/c%d.wacz", c), entries...)
	}
	for query, want := range map[string]string{
		"":                                    `{"blocks":3,"pageSize":1,"pages":3}`,
		"&pageSize=2":                         `{"blocks":3,"pageSize":2,"pages":2}`,
		"&from=20260315":                      `{"blocks":1,"pageSize":1,"pages":1}`,
		"&filter=url:nowhere":                 `{"blocks":0,"pageSize":1,"pages":1}`,
		"&filter=~url:https://example.org/00": `{"blocks":1,"pageSize":1,"pages":1}`,
	} {
		if _, body := f.get(t, "/cdx?url=example.org/*&showNumPages=true"+query); strings.TrimSpace(body) != want {
			t.Errorf("%q: %s, want %s", query, body, want)
		}
	}
	_, all := f.get(t, "/cdx?url=example.org/*")
	var pieces strings.Builder
	for n := range 3 {
		_, body := f.get(t, fmt.Sprintf("/cdx?url=example.org/*&page=%d", n))
		pieces.WriteString(body)
	}
	if strings.Count(all, "\n") != each*chunks || pieces.String() != all {
		t.Errorf("the pages have %d lines, the whole %d", strings.Count(pieces.String(), "\n"), strings.Count(all, "\n"))
	}
	if _, body := f.get(t, "/cdx?url=example.org/*&page=2&limit=5"); strings.Count(body, "\n") != 5 {
		t.Errorf("the start of a page: %s", body)
	}
	res, body := f.get(t, "/cdx?url=example.org/*&page=3")
	wantProblem(t, "a page beyond the last", res, body, http.StatusBadRequest)
}

// TestErasedAndBroken takes a chunk away and breaks another: the answer has the rest, and says so.
func TestErasedAndBroken(t *testing.T) {
	t.Parallel()
	f := archive(t)
	f.put(t, "default/ads/uid-5/chunks/broken.wacz", []byte("PK no more"))
	f.catalog.hosts["default/ads/uid-5/chunks/broken.wacz"] = []string{"org,example"}
	f.store.Remove("/archive/" + chunk2)
	res, body := f.get(t, "/cdx?url=example.org")
	if diff := cmp.Diff([]string{"1 https://www.example.org/", "60 https://example.org/"}, shown(t, body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if res.Header.Get("X-Crawlfleet-Gone") != fmt.Sprintf("1; first=%q", chunk2) || !strings.HasPrefix(res.Header.Get("X-Crawlfleet-Unreadable"), "1; ") {
		t.Errorf("the headers are %v", res.Header)
	}
	// The index of the first chunk is known still, its records are not there any more.
	f.store.Remove("/archive/" + chunk0)
	if _, body := f.get(t, "/cdx?url=www.example.org&limit=1"); len(shown(t, body)) != 1 {
		t.Errorf("what is known is %q", body)
	}
	res, body = f.get(t, "/cdx/warc/"+chunk0+"/data.warc.gz", "Range", "bytes=0-9")
	wantProblem(t, "a record that is gone", res, body, http.StatusNotFound)
	res, body = f.get(t, "/cdx?url=shop.example.org")
	if body != "" || !strings.HasPrefix(res.Header.Get("X-Crawlfleet-Gone"), "1; ") {
		t.Errorf("what was found gone is shown still: %q, %v", body, res.Header)
	}
}

// TestThousandChunks counts what a query of many chunks costs.
func TestThousandChunks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const chunks = 1000
	for c := range chunks {
		f.add(t, fmt.Sprintf("default/ads/uid-1/chunks/c%d.wacz", c),
			page("https://example.org/", c, "x"), page(fmt.Sprintf("https://example.org/%d", c), c, "x"))
	}
	for _, tc := range []struct {
		reason, query string
		lines, gets   int
	}{
		{"cold", "url=example.org", chunks, 2 * chunks},
		{"warm", "url=*.example.org", 2 * chunks, 0},
		{"the closest ten", "url=example.org&closest=20260314180000&limit=10", 10, 0},
	} {
		f.gets = 0
		begin := time.Now()
		res, body := f.get(t, "/cdx?"+tc.query)
		took := time.Since(begin)
		if n := strings.Count(body, "\n"); n != tc.lines || f.gets > tc.gets {
			t.Errorf("%s: status %d, %d lines with %d requests; want %d with at most %d", tc.reason, res.StatusCode, n, f.gets, tc.lines, tc.gets)
		}
		t.Logf("%s: %d lines of %d chunks, %d requests, %v", tc.reason, tc.lines, chunks, f.gets, took)
	}
}

// TestLargeIndex asks a chunk whose index is compressed: of one URL the block is read that
// has it, of a host all are looked through.
func TestLargeIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.whole = 1 << 20
	var records []*warc.Record
	for i := range 8_000 {
		records = append(records, page(fmt.Sprintf("https://example.org/%05d/%s", i, strings.Repeat("x", 60)), i, "x"))
	}
	f.add(t, chunk0, records...)
	exact := fmt.Sprintf("https://example.org/%05d/%s", 2_345, strings.Repeat("x", 60))
	for _, tc := range []struct {
		reason, query string
		lines         int
	}{
		{"one URL", "url=" + exact, 1}, {"a prefix", "url=example.org/023*", 100}, {"a host", "url=example.org/*&limit=9000", 8_000}, {"nothing", "url=example.org/none", 0},
	} {
		if _, body := f.get(t, "/cdx?"+tc.query); strings.Count(body, "\n") != tc.lines {
			t.Errorf("%s: %d lines, want %d", tc.reason, strings.Count(body, "\n"), tc.lines)
		}
	}
	if _, ok := f.server.cache.get(chunk0); ok {
		t.Error("the large index is kept in memory")
	}
}

// TestSmallCache drops what was not used, and reads it again.
func TestSmallCache(t *testing.T) {
	t.Parallel()
	c := newCache(1000)
	entry := func(key blob.Key) []cdxj.Entry { return []cdxj.Entry{{URL: strings.Repeat("x", 100)}} }
	for _, key := range []blob.Key{"a", "b", "a", "c"} { // 356 bytes each
		if _, ok := c.get(key); !ok {
			c.put(key, entry(key))
		}
	}
	if _, ok := c.get("b"); ok || c.size > 1000 {
		t.Errorf("b, used least, is kept; %d bytes", c.size)
	}
	if _, ok := c.get("a"); !ok {
		t.Error("a, used last, is not kept")
	}
	c.put("large", []cdxj.Entry{{URL: strings.Repeat("x", 1000)}})
	if _, ok := c.get("large"); ok || c.recent.Len() != 2 {
		t.Error("what is larger than the cache put others out")
	}
	c.forget("a")
	if _, ok := c.get("a"); ok || c.size != 356 {
		t.Errorf("a is not forgotten, %d bytes", c.size)
	}
}
