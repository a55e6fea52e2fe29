package cdx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

func zipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	if _, err := io.WriteString(gz, s); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func moved(url string, minute int, to string) *warc.Record {
	return answer(url, minute, "HTTP/1.1 301 Moved Permanently\r\nLocation: "+to+"\r\nSet-Cookie: a=1\r\n\r\n", "moved")
}

// timelines has captures of one address at several times, and what is special.
func timelines(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.add(t, chunk0,
		moved("http://example.org/", 0, "https://example.org/"),
		answer("https://example.org/", 1, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Encoding: gzip\r\nSet-Cookie: s=1\r\nRefresh: 0; url=https://example.net/\r\n"+
			"X-Crawlfleet-Orig-Transfer-Encoding: chunked\r\nContent-Security-Policy: default-src *\r\nService-Worker-Allowed: /\r\nLink: </x.css>; rel=preload\r\n\r\n", zipped(t, "<p>first")),
		answer("https://example.org/gone", 2, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n", "not here"),
		page("https://example.org/a?x=1&y=%2F#not", 3, "query"), page("https://example.org/b//c", 3, "slashes"), page("https://example.org/100%-cotton", 3, "percent"),
		page("https://example.org/d?", 3, "empty query"), page("https://example.org/caf%C3%A9", 3, "coffee"),
		moved("https://example.org/self", 4, "/self"), page("https://example.org/self", 9, "itself"), moved("https://example.org/loop", 4, "https://example.org/loop#x"),
		moved("https://example.org/script", 4, "javascript:alert(1)"), moved("https://example.org/away", 4, "//example.net/there?a#b"),
		moved("http://example.org/only", 4, "https://example.org/only"),
		answer("https://example.org/odd", 5, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: zip-of-ours\r\nno field\r\n"+strings.Repeat("X-Many: 1\r\n", 80)+"\r\n", "odd"),
		answer("https://example.org/strange", 5, "HTTP/1.1 101 Switching Protocols\r\n\r\n", "x"),
		answer("https://example.org/none", 5, "HTTP/1.1 204 No Content\r\n\r\n", ""),
		answer("https://example.org/bare", 5, "HTTP/1.1 200 OK\r\n\r\n", "<script>1</script>"),
		warc.NewResource("urn:text:https://example.org/", noon, "text/plain", warc.Text("first")))
	f.add(t, chunk1,
		page("https://example.org/", 60, "second"),
		warc.NewRevisit("https://example.org/again", noon.Add(61*time.Minute), []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-When: later\r\n\r\n"),
			warc.Original{TargetURI: "https://example.org/", Date: noon.Add(time.Hour), PayloadDigest: warc.SHA256Of([]byte("second"))}),
		warc.NewNotModified("https://example.org/", noon.Add(62*time.Minute), []byte("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
			warc.Original{TargetURI: "https://example.org/", Date: noon.Add(time.Hour)}),
		warc.NewRevisit("https://example.org/elsewhere", noon.Add(63*time.Minute), []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"),
			warc.Original{TargetURI: "https://example.org/gone", Date: noon.Add(2 * time.Minute), PayloadDigest: warc.SHA256Of([]byte("not here"))}),
		warc.NewRevisit("https://example.org/lost", noon.Add(63*time.Minute), []byte("HTTP/1.1 200 OK\r\n\r\n"),
			warc.Original{TargetURI: "https://example.org/nowhere", Date: noon, PayloadDigest: warc.SHA256Of([]byte("lost"))}))
	return f
}

// TestTimeGate follows pattern 2.1 of RFC 7089 section 4.2.1: the TimeGate is another
// resource than the original, and answers with 302.
func TestTimeGate(t *testing.T) {
	t.Parallel()
	f := timelines(t)
	for _, tc := range []struct{ reason, url, at, want string }{
		{"no time: the last", "https://example.org/", "", "20260314130200/https://example.org/"},
		{"before all: the first", "https://example.org/", "Thu, 31 May 2007 20:35:00 GMT", "20260314120000/http://example.org/"},
		{"after all: the last", "https://example.org/", "Thu, 31 May 2035 20:35:00 GMT", "20260314130200/https://example.org/"},
		{"between", "https://example.org/", "Sat, 14 Mar 2026 12:25:00 GMT", "20260314120100/https://example.org/"},
		{"exactly", "https://example.org/", "Sat, 14 Mar 2026 13:00:00 GMT", "20260314130000/https://example.org/"},
		{"without a scheme", "example.org/", "Sat, 14 Mar 2026 13:00:00 GMT", "20260314130000/https://example.org/"},
		{"with one slash", "https:/example.org/", "Sat, 14 Mar 2026 13:00:00 GMT", "20260314130000/https://example.org/"},
		{"escaped as a whole", "https%3A%2F%2Fexample.org%2Fa%3Fx%3D1%26y%3D%252F", "", "20260314120300/https://example.org/a?x=1&y=%2F"},
		{"a query", "https://example.org/a?y=%2F&x=1", "", "20260314120300/https://example.org/a?x=1&y=%2F"},
		{"two slashes", "https://example.org/b//c", "", "20260314120300/https://example.org/b//c"},
		{"an escape", "https://example.org/caf%C3%A9", "", "20260314120300/https://example.org/caf%C3%A9"},
		{"a percent sign that starts no escape", "https://example.org/100%25-cotton", "", "20260314120300/https://example.org/100%25-cotton"},
		{"an empty query", "https://example.org/d?", "", "20260314120300/https://example.org/d?"},
	} {
		var header []string
		if tc.at != "" {
			header = []string{"Accept-Datetime", tc.at}
		}
		if res, _ := f.get(t, "/memento/"+tc.want); res.Header.Get("Memento-Datetime") == "" {
			t.Errorf("%s: it leads to status %d", tc.reason, res.StatusCode)
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			res, body := f.do(t, method, "/memento/timegate/"+tc.url, header...)
			if want := f.http.URL + "/memento/" + tc.want; res.StatusCode != http.StatusFound || res.Header.Get("Location") != want || body != "" {
				t.Errorf("%s: status %d, Location %q %s; want %q", tc.reason, res.StatusCode, res.Header.Get("Location"), body, want)
			}
			if res.Header.Get("Vary") != "accept-datetime" || res.Header.Get("Memento-Datetime") != "" {
				t.Errorf("%s: the headers are %v", tc.reason, res.Header)
			}
		}
	}
	res, _ := f.get(t, "/memento/timegate/https://example.org/")
	want := strings.ReplaceAll(`<https://example.org/>; rel="original", <BASE/memento/timegate/https://example.org/>; rel="timegate", `+
		`<BASE/memento/timemap/link/https://example.org/>; rel="timemap"; type="application/link-format", `+
		`<BASE/memento/20260314120000/http://example.org/>; rel="first memento"; datetime="Sat, 14 Mar 2026 12:00:00 GMT", `+
		`<BASE/memento/20260314130200/https://example.org/>; rel="last memento"; datetime="Sat, 14 Mar 2026 13:02:00 GMT"`, "BASE", f.http.URL)
	if diff := cmp.Diff(want, res.Header.Get("Link")); diff != "" {
		t.Errorf("Link (-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		reason, url, at string
		status          int
	}{
		{"no capture", "https://example.org/never", "", 404}, {"a time of another kind", "https://example.org/", "2026-03-14", 400},
		{"not in GMT", "https://example.org/", "Sat, 14 Mar 2026 13:00:00 CET", 400}, {"an interval (RFC 7089 section 2.1.1 has none)", "https://example.org/", "Sat, 14 Mar 2026 13:00:00 GMT; -P3DT5H", 400},
		{"no address", "", "", 400},
	} {
		var header []string
		if tc.at != "" {
			header = []string{"Accept-Datetime", tc.at}
		}
		res, body := f.get(t, "/memento/timegate/"+tc.url, header...)
		wantProblem(t, tc.reason, res, body, tc.status)
		if res.Header.Get("Vary") != "accept-datetime" {
			t.Errorf("%s: Vary is %q", tc.reason, res.Header.Get("Vary"))
		}
	}
}

func TestMementos(t *testing.T) {
	t.Parallel()
	f := timelines(t)
	const zeroth, first, second = "Sat, 14 Mar 2026 12:00:00 GMT", "Sat, 14 Mar 2026 12:01:00 GMT", "Sat, 14 Mar 2026 13:00:00 GMT"
	for _, tc := range []struct {
		reason, path string
		status       int
		at, to, body string // Memento-Datetime, Location, what is answered with
	}{
		{"a page", "20260314130000/https://example.org/", 200, second, "", "second"},
		{"as it was received", "20260314130000id_/https://example.org/", 200, second, "", "second"},
		{"with its content coding", "20260314120100/https://example.org/", 200, first, "", zipped(t, "<p>first")},
		{"milliseconds", "20260314130000000/https://example.org/", 200, second, "", "second"},
		{"at a time when there is none", "20260314125900/https://example.org/", 302, "", "20260314130000/https://example.org/", ""},
		{"as it was received, at a time when there is none", "20260314125900id_/https://example.org/", 302, "", "20260314130000id_/https://example.org/", ""},
		{"in a year", "2026/https://example.org/", 302, "", "20260314120100/https://example.org/", ""},
		{"a page that was not found", "20260314120200/https://example.org/gone", 404, "Sat, 14 Mar 2026 12:02:00 GMT", "", "not here"},
		{"a redirect", "20260314120000/http://example.org/", 301, zeroth, "20260314120100/https://example.org/", "moved"},
		{"a redirect to elsewhere", "20260314120400/https://example.org/away", 301, "Sat, 14 Mar 2026 12:04:00 GMT", "20260314120400/https://example.net/there?a", "moved"},
		{"a redirect to itself", "20260314120400/https://example.org/self", 301, "Sat, 14 Mar 2026 12:04:00 GMT", "20260314120900/https://example.org/self", "moved"},
		{"a redirect to itself alone", "20260314120400/https://example.org/loop", 301, "Sat, 14 Mar 2026 12:04:00 GMT", "", "moved"},
		{"a redirect to what is not there", "20260314120400/http://example.org/only", 301, "Sat, 14 Mar 2026 12:04:00 GMT", "", "moved"},
		{"another scheme of it", "20260314120400/https://example.org/only", 302, "", "20260314120400/http://example.org/only", ""},
		{"a redirect into a script", "20260314120400/https://example.org/script", 301, "Sat, 14 Mar 2026 12:04:00 GMT", "", "moved"},
		{"a revisit", "20260314130100/https://example.org/again", 200, "Sat, 14 Mar 2026 13:01:00 GMT", "", "second"},
		{"a revisit of what is elsewhere", "20260314130300/https://example.org/elsewhere", 200, "Sat, 14 Mar 2026 13:03:00 GMT", "", "not here"},
		{"not modified", "20260314130200/https://example.org/", 200, "Sat, 14 Mar 2026 13:02:00 GMT", "", "second"},
		{"a query", "20260314120300/https://example.org/a?x=1&y=%2F", 200, "Sat, 14 Mar 2026 12:03:00 GMT", "", "query"},
		{"nothing", "20260314120500/https://example.org/none", 204, "Sat, 14 Mar 2026 12:05:00 GMT", "", ""},
		{"no answer of a server", "20260314120000/urn:text:https://example.org/", 200, zeroth, "", "first"},
	} {
		res, body := f.get(t, "/memento/"+tc.path)
		to := strings.TrimPrefix(res.Header.Get("Location"), f.http.URL+"/memento/")
		if res.StatusCode != tc.status || res.Header.Get("Memento-Datetime") != tc.at || to != tc.to || body != tc.body {
			t.Errorf("%s: status %d at %q to %q: %q; want %d at %q to %q: %q", tc.reason, res.StatusCode, res.Header.Get("Memento-Datetime"), to, body, tc.status, tc.at, tc.to, tc.body)
		}
		head, _ := f.do(t, http.MethodHead, "/memento/"+tc.path)
		if head.StatusCode != tc.status || head.Header.Get("Content-Length") != res.Header.Get("Content-Length") {
			t.Errorf("%s: HEAD answers %d, %v", tc.reason, head.StatusCode, head.Header)
		}
		for name, want := range hostile {
			if res.Header.Get(name) != want || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %s is %q", tc.reason, name, res.Header.Get(name))
			}
		}
		if tc.at != "" && !strings.Contains(res.Header.Get("Link"), `rel="original"`) {
			t.Errorf("%s: Link is %q", tc.reason, res.Header.Get("Link"))
		}
	}
	for _, tc := range []struct {
		reason, path string
		status       int
	}{
		{"never captured", "20260314120000/https://example.org/never", 404}, {"no time", "https://example.org/", 404}, {"no such time", "20261399120000/https://example.org/", 400},
		{"a status that cannot be answered with", "20260314120500/https://example.org/strange", 502}, {"a revisit of what is lost", "20260314130300/https://example.org/lost", 404},
		{"a mark that is not known", "20260314120000js_/https://example.org/", 404},
	} {
		res, body := f.get(t, "/memento/"+tc.path)
		wantProblem(t, tc.reason, res, body, tc.status)
		if res.Header.Get("Memento-Datetime") != "" {
			t.Errorf("%s: a problem passes for a capture", tc.reason)
		}
	}
}

// TestHostileHeaders: nothing of an archived header acts.
func TestHostileHeaders(t *testing.T) {
	t.Parallel()
	f := timelines(t)
	res, _ := f.get(t, "/memento/20260314120100/https://example.org/")
	allowed := map[string]bool{"Content-Type": true, "Content-Length": true, "Content-Encoding": true, "Link": true, "Memento-Datetime": true, "Cache-Control": true, "Date": true, "X-Content-Type-Options": true}
	for name := range res.Header {
		if hostile[name] == "" && !allowed[name] && !strings.HasPrefix(name, "X-Archive-Orig-") {
			t.Errorf("%s: %q is sent", name, res.Header[name])
		}
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Encoding": "gzip", "X-Archive-Orig-Set-Cookie": "s=1", "X-Archive-Orig-Refresh": "0; url=https://example.net/",
		"X-Archive-Orig-Transfer-Encoding": "chunked", "X-Archive-Orig-Service-Worker-Allowed": "/",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if strings.Contains(res.Header.Get("Link"), "preload") || !strings.Contains(res.Header.Get("Link"), `<`+f.http.URL+`/memento/20260314130000/https://example.org/>; rel="next memento"`) ||
		!strings.Contains(res.Header.Get("Link"), `rel="first prev memento"`) || !strings.Contains(res.Header.Get("Link"), `rel="memento"; datetime="Sat, 14 Mar 2026 12:01:00 GMT"`) {
		t.Errorf("Link is %q", res.Header.Get("Link"))
	}
	res, _ = f.get(t, "/memento/20260314120500/https://example.org/odd")
	if res.Header.Get("Content-Encoding") != "" || len(res.Header.Values("X-Archive-Orig-X-Many")) != maxFields-2 || !strings.HasPrefix(res.Header.Get("X-Crawlfleet-Note"), "19 lines") {
		t.Errorf("an odd header: %v", res.Header)
	}
	if res, _ := f.get(t, "/memento/20260314120500/https://example.org/bare"); res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("without a type: %v", res.Header)
	}
}

func TestLooksComeBeforeContent(t *testing.T) {
	t.Parallel()
	f := timelines(t)
	f.get(t, "/memento/20260314120100/https://example.org/")
	f.get(t, "/memento/20260314130300/https://example.org/elsewhere")
	f.get(t, "/memento/timemap/link/https://example.org/")
	if diff := cmp.Diff([]string{chunk0 + " page-1", chunk1 + " ", chunk0 + " page-2"}, f.looks); diff != "" {
		t.Errorf("looks (-want +got):\n%s", diff)
	}
	f.refuse = io.ErrClosedPipe
	res, body := f.get(t, "/memento/20260314120100/https://example.org/")
	wantProblem(t, "a log that cannot be written", res, body, http.StatusBadGateway)
	f.refuse = nil
	f.store.Remove("/archive/" + chunk0)
	res, body = f.get(t, "/memento/20260314120100/https://example.org/")
	wantProblem(t, "a chunk that was erased meanwhile", res, body, http.StatusNotFound)
	res, body = f.get(t, "/memento/20260314120100/https://example.org/", "X-Nobody", "1")
	wantProblem(t, "nobody", res, body, http.StatusForbidden)
}

// TestDamagedBody: bytes that were changed must not pass for what was captured.
func TestDamagedBody(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 200_000} {
		w := httptest.NewRecorder()
		body := strings.Repeat("x", size)
		if err := copyChecked(w, strings.NewReader(body)); err != nil || w.Body.String() != body {
			t.Errorf("%d bytes: %v, %d come through", size, err, w.Body.Len())
		}
		w = httptest.NewRecorder()
		damaged := io.MultiReader(strings.NewReader(body), &failing{&warc.DigestError{}})
		if err := copyChecked(w, damaged); err == nil || w.Body.Len() >= size {
			t.Errorf("%d damaged bytes: %v, %d come through", size, err, w.Body.Len())
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// TestTimeMap: the form is that of RFC 7089 section 5.
func TestTimeMap(t *testing.T) {
	t.Parallel()
	f := timelines(t)
	f.server.Base, f.server.IndexBase = "https://replay.test/", "https://portal.test"
	res, body := f.get(t, "/memento/timemap/link/https://example.org/")
	want := `<https://example.org/>; rel="original",
<https://portal.test/memento/timegate/https://example.org/>; rel="timegate",
<https://portal.test/memento/timemap/link/https://example.org/>; rel="self"; type="application/link-format"; from="Sat, 14 Mar 2026 12:00:00 GMT"; until="Sat, 14 Mar 2026 13:02:00 GMT",
<https://replay.test/memento/20260314120000/http://example.org/>; rel="first memento"; datetime="Sat, 14 Mar 2026 12:00:00 GMT",
<https://replay.test/memento/20260314120100/https://example.org/>; rel="memento"; datetime="Sat, 14 Mar 2026 12:01:00 GMT",
<https://replay.test/memento/20260314130000/https://example.org/>; rel="memento"; datetime="Sat, 14 Mar 2026 13:00:00 GMT",
<https://replay.test/memento/20260314130200/https://example.org/>; rel="last memento"; datetime="Sat, 14 Mar 2026 13:02:00 GMT"
`
	if diff := cmp.Diff(want, body); diff != "" || res.Header.Get("Content-Type") != "application/link-format" {
		t.Errorf("%v (-want +got):\n%s", res.Header, diff)
	}
	_, lines := f.get(t, "/cdx?url=https://example.org/&output=link&limit=1")
	if want := `<https://replay.test/memento/20260314120000/http://example.org/>; rel="memento"; datetime="Sat, 14 Mar 2026 12:00:00 GMT"` + "\n"; lines != want {
		t.Errorf("lines as links: %s", lines)
	}
	_, body = f.get(t, "/memento/timemap/json/https://example.org/gone")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	one := map[string]any{"datetime": "2026-03-14T12:02:00Z", "uri": "https://replay.test/memento/20260314120200/https://example.org/gone"}
	if diff := cmp.Diff(map[string]any{
		"original_uri": "https://example.org/gone", "timegate_uri": "https://portal.test/memento/timegate/https://example.org/gone",
		"timemap_uri":   map[string]any{"link_format": "https://portal.test/memento/timemap/link/https://example.org/gone", "json_format": "https://portal.test/memento/timemap/json/https://example.org/gone"},
		"timemap_index": nil, "mementos": map[string]any{"first": one, "last": one, "list": []any{one}},
	}, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	_, body = f.get(t, "/memento/timemap/link/https://example.org/gone")
	if !strings.Contains(body, `rel="first last memento"`) {
		t.Errorf("the only capture: %s", body)
	}
	for path, status := range map[string]int{"link/https://example.org/never": 404, "xml/https://example.org/": 404, "link/2/https://example.org/": 404, "link/": 400, "": 404} {
		res, body := f.get(t, "/memento/timemap/"+path)
		wantProblem(t, path, res, body, status)
	}
}

// TestLongTimeMap has pages that name each other (RFC 7089 section 5.1.2).
func TestLongTimeMap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var records []*warc.Record
	for i := range 2*mementosAtOnce + 1 {
		records = append(records, page("https://example.org/", i, "x"))
	}
	f.add(t, chunk0, records...)
	seen := map[string]int{}
	for number := 1; number <= 3; number++ {
		_, body := f.get(t, fmt.Sprintf("/memento/timemap/link/%d/https://example.org/", number))
		for line := range strings.Lines(body) {
			if strings.Contains(line, ` memento"`) || strings.Contains(line, `rel="memento"`) {
				seen[line[:strings.Index(line, ">")]]++
			}
		}
		if strings.Count(body, `rel="timemap"`) != 2 || strings.Count(body, `rel="self"`) != 1 {
			t.Errorf("page %d names its like %d times", number, strings.Count(body, `rel="timemap"`))
		}
		if number == 2 {
			from := noon.Add(mementosAtOnce * time.Minute).Format(http.TimeFormat)
			if want := `<` + f.http.URL + `/memento/timemap/link/2/https://example.org/>; rel="self"; type="application/link-format"; from="` + from + `"`; !strings.Contains(body, want) {
				t.Errorf("page 2 has not %s", want)
			}
		}
	}
	if len(seen) != 2*mementosAtOnce+1 {
		t.Errorf("%d captures are listed", len(seen))
	}
	_, body := f.get(t, "/memento/timemap/json/https://example.org/")
	if strings.Count(body, "/timemap/json/") != 4 { // its own, and the index of three
		t.Errorf("the index of the JSON has another number of pages: %.600s", body)
	}
}

// FuzzOriginals: whatever the path, there is an address or a problem.
func FuzzOriginals(f *testing.F) {
	for _, s := range []string{"/memento/2026/http://example.org//a?b?c", "/memento/timegate/https%3A%2F%2Fexample.org%3Fa", "/memento/20260314120000id_/x%25?", "/memento/timemap/link/2/http:/a/%zz", "/cdx/warc/a/b/c/d/e/f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1"+s, http.NoBody)
		if err != nil {
			return
		}
		kind, rest := route(r)
		if kind == routeNone || kind == routeCDX {
			return
		}
		found, err := originals(r, rest)
		if err == nil && (len(found) == 0 || len(found) > 3 || found[0] == "") {
			t.Errorf("%q means %q", s, found)
		}
		for _, original := range found {
			path := inPath(original)
			if strings.ContainsAny(path, "<> \"\r\n") || path != inPath(path) {
				t.Errorf("%q is linked to as %q", s, path)
			}
			both := strings.Contains(original, "%25") // then it is not told from an escaped sign
			if restored := mapPercent(path, restorePercent); !both && restored != linkable(original) {
				t.Errorf("%q is linked to as %q, which means %q", s, path, restored)
			}
		}
	})
}
