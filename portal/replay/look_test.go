package replay

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// watcher is a custody log: it is told who looks at what.
type watcher struct {
	told    []string
	trouble error
}

func (w *watcher) look(_ context.Context, p access.Person, chunk blob.Key) error {
	if w.trouble == nil {
		w.told = append(w.told, fmt.Sprintf("%s %q %q %s", p.Name, p.Purpose, p.Case, strings.TrimPrefix(string(chunk), folder)))
	}
	return w.trouble
}

// records is what a file of packed has in its archive folder.
var records = strings.Repeat("what was captured ", 10)

// packed is a WACZ, and where in it a file's data begins.
func packed(t *testing.T, pad int) (body []byte, at map[string]int64) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	files := []struct{ name, data string }{
		{"archive/data.warc.gz", records},
		{"indexes/index.cdx.gz", "where it lies" + strings.Repeat(".", pad)},
		{"pages/pages.jsonl", "{}"}, {"datapackage.json", "{}"}, {"datapackage-digest.json", "{}"},
		{"capture.json", "how it was captured"},
	}
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	at = map[string]int64{"end": int64(b.Len())}
	for _, f := range r.File {
		if at[f.Name], err = f.DataOffset(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes(), at
}

// TestALookIsTold: nothing of what was captured is read that the custody log was not told of before, and reading what a
// viewer reads of each file of a run tells nothing.
func TestALookIsTold(t *testing.T) {
	t.Parallel()
	large, at := packed(t, 2*directoryRead)
	small, _ := packed(t, 0)
	const toldOfC0 = `oidc:analyst "fraud" "2026-17" c0.wacz`
	for _, tc := range []struct {
		reason, file, asks string
		header             []string
		told               []string
		status             int
	}{
		{reason: "the directory", file: "c0.wacz", asks: fmt.Sprintf("bytes=-%d", directoryRead), status: 206},
		{reason: "an index", file: "c0.wacz", asks: fmt.Sprintf("bytes=%d-%d", at["indexes/index.cdx.gz"], at["indexes/index.cdx.gz"]+20), status: 206},
		{reason: "the lists", file: "c0.wacz", asks: fmt.Sprintf("bytes=%d-%d", at["pages/pages.jsonl"], at["datapackage-digest.json"]+1), status: 206},
		{reason: "the directory of a small file", file: "c1.wacz", asks: fmt.Sprintf("bytes=-%d", directoryRead), status: 206},
		{reason: "records", file: "c0.wacz", asks: fmt.Sprintf("bytes=%d-%d", at["archive/data.warc.gz"]+10, at["archive/data.warc.gz"]+20), told: []string{toldOfC0}, status: 206},
		{reason: "one byte of them", file: "c0.wacz", asks: fmt.Sprintf("bytes=0-%d", at["archive/data.warc.gz"]), told: []string{toldOfC0}, status: 206},
		{reason: "from them on", file: "c0.wacz", asks: "bytes=0-", told: []string{toldOfC0}, status: 206},
		{reason: "an end with them", file: "c0.wacz", asks: fmt.Sprintf("bytes=-%d", at["end"]), told: []string{toldOfC0}, status: 206},
		{reason: "how it came to be", file: "c0.wacz", asks: fmt.Sprintf("bytes=%d-%d", at["capture.json"], at["capture.json"]), told: []string{toldOfC0}, status: 206},
		{reason: "another file", file: "c1.wacz", asks: "bytes=60-70", told: []string{`oidc:analyst "fraud" "2026-17" c1.wacz`}, status: 206},
		{reason: "what is no ZIP", file: "c2.wacz", asks: "bytes=-4", told: []string{`oidc:analyst "fraud" "2026-17" c2.wacz`}, status: 206},
		{reason: "a range on a condition that does not hold", file: "c0.wacz", asks: "bytes=-100", header: []string{"If-Range", `"another"`}, status: 206},
		{reason: "the whole", file: "c0.wacz", status: 403},
		{reason: "several ranges", file: "c0.wacz", asks: "bytes=0-1,5-90", status: 416},
		{reason: "no range", file: "c0.wacz", asks: "lines=0-1", status: 416},
		{reason: "past the end", file: "c0.wacz", asks: "bytes=10000000-", status: 416},
		{reason: "the last none", file: "c0.wacz", asks: "bytes=-0", status: 416},
	} {
		log := &watcher{}
		f := newFixture(t, func(o *Options) { o.Look = log.look })
		for name, body := range map[string][]byte{"c0.wacz": large, "c1.wacz": small, "c2.wacz": []byte("no ZIP file")} {
			if err := f.bucket.Remove(t.Context(), blob.Key(folder+name)); err != nil {
				t.Fatal(err)
			}
			f.put(t, folder+name, body)
		}
		person := analyst
		person.Purpose, person.Case = "fraud", "2026-17"
		link, err := f.Link(t.Context(), person, run, page)
		if err != nil {
			t.Fatal(err)
		}
		base, _, _ := strings.Cut(link.Src, "#")
		header := tc.header
		if tc.asks != "" {
			header = append(header, "Range", tc.asks)
		}
		res, body := f.get(base+"wacz/"+folder+tc.file, header...)
		if diff := cmp.Diff(tc.told, log.told); diff != "" || res.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d; (-want +got)\n%s", tc.reason, res.StatusCode, tc.status, diff)
		}
		if tc.told == nil && strings.Contains(body, "captured") {
			t.Errorf("%s: shows %q untold", tc.reason, body)
		}
		if log.told = nil; tc.told == nil {
			continue
		}
		log.trouble = errors.New("the store is full")
		res, body = f.get(base+"wacz/"+folder+tc.file, header...)
		if res.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "captured") || strings.Contains(body, "full") {
			t.Errorf("%s, with a log that cannot be written: %d %q", tc.reason, res.StatusCode, body)
		}
	}
}

// TestTheDirectoryOfASmallFile: the end of a file is what a viewer asks for to find its way, records in it or not.
func TestTheDirectoryOfASmallFile(t *testing.T) {
	t.Parallel()
	body, at := packed(t, 0)
	f := newFixture(t, nil)
	if err := f.bucket.Remove(t.Context(), blob.Key(folder+"c0.wacz")); err != nil {
		t.Fatal(err)
	}
	f.put(t, folder+"c0.wacz", body)
	_, end := f.get(f.link(t)+"wacz/"+folder+"c0.wacz", "Range", fmt.Sprintf("bytes=-%d", directoryRead))
	want := bytes.Clone(body)
	clear(want[at["archive/data.warc.gz"]:][:len(records)])
	clear(want[at["capture.json"]:][:len("how it was captured")])
	if end != string(want) {
		t.Errorf("the end is %q\nwant %q", end, want)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	log := &watcher{}
	f := newFixture(t, func(o *Options) { o.Look = log.look })
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodHead, f.link(t)+"wacz/"+folder+"c0.wacz", nil))
	if w.Code != http.StatusOK || w.Header().Get("Content-Length") != "21" || w.Header().Get("Accept-Ranges") != "bytes" || len(log.told) != 0 {
		t.Errorf("%d %v, told %v", w.Code, w.Header(), log.told)
	}
}

// TestLongNames: whatever people and runs are called, the address that is given is one that opens.
func TestLongNames(t *testing.T) {
	t.Parallel()
	long := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	job := catalog.Run{Namespace: long("n", 63), Job: long("j", 253), UID: run.UID}
	files := job.Namespace + "/" + job.Job + "/" + job.UID + "/chunks/"
	f := newFixture(t, nil)
	f.Runs = anyRun{}
	for _, person := range []access.Person{
		{Name: long("<", 100_000), Purpose: long("<", 200), Case: long("&", 100)},
		{Name: long("é", 2000), Purpose: long("\"", 200), Case: long("\\", 100)},
	} {
		p := page
		p.Chunk = blob.Key(files + long("c", 200) + ".wacz")
		link, err := f.Link(t.Context(), person, job, p)
		if err != nil {
			t.Fatal(err)
		}
		at, _, _ := strings.Cut(link.Src, "#")
		if res, body := f.get(at); res.StatusCode != http.StatusOK {
			t.Errorf("an address of %d characters: %d %s", len(at), res.StatusCode, body)
		}
	}
	if _, err := f.seal(claim{Person: long("p", maxToken)}); err == nil {
		t.Error("a token is sealed that is not opened")
	}
}

// anyRun has no files.
type anyRun struct{}

func (anyRun) Chunks(context.Context, catalog.Run) ([]Chunk, error) { return nil, nil }

func TestLayoutsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var l layouts
	info, err := f.bucket.Head(t.Context(), page.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	for i := range layoutsKnown + 10 {
		if i < layoutsKnown {
			if l.known == nil {
				l.known = map[string]layout{}
			}
			l.known[fmt.Sprint(i)] = nil
			continue
		}
		info.ETag = fmt.Sprint(i)
		if _, err := l.of(t.Context(), f.bucket, info); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.known) != layoutsKnown {
		t.Errorf("%d layouts are known", len(l.known))
	}
}
