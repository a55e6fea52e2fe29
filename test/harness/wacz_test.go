package harness

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A parts is a WACZ before it is packed; tests bend it.
type parts struct {
	files   map[string]string // but the two datapackage files
	method  uint16            // of files in archive/
	dropped string            // left out of datapackage.json
	broken  string            // whose hash in datapackage.json is wrong
	digest  string            // instead of the right one
}

const page = "http://board.test/ad/1?x=2"

func record(target, block string) string {
	sum := sha256.Sum256([]byte(block))
	return fmt.Sprintf("WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: %s\r\nWARC-Block-Digest: sha256:%x\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n", target, sum, len(block), block)
}

func member(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// good makes a WACZ with two records and one page.
func good(t *testing.T) parts {
	t.Helper()
	first := member(t, record("http://board.test/", "HTTP/1.1 200 OK\r\n\r\nfront"))
	second := member(t, record(page, "HTTP/1.1 200 OK\r\n\r\nad"))
	index := fmt.Sprintf(`test,board)/ 20260314120000 {"url":"http://board.test/","mime":"text/html","status":200,"digest":"sha256:x","filename":"data.warc.gz","offset":0,"length":%d}
test,board)/ad/1?x=2 20260314120001 {"url":%q,"mime":"text/html","status":"200","digest":"sha256:y","filename":"data.warc.gz","offset":"%d","length":"%d"}
`, len(first), page, len(first), len(second))
	return parts{files: map[string]string{
		"archive/data.warc.gz": first + second,
		"indexes/index.cdx":    index,
		"pages/pages.jsonl": `{"format":"json-pages-1.0","id":"pages","title":"Pages"}
{"id":"1","url":"` + page + `","ts":"2026-03-14T12:00:01Z","title":"An ad"}
`,
	}, method: zip.Store}
}

func (p parts) pack(t *testing.T) (io.ReaderAt, int64) {
	t.Helper()
	type resource struct {
		Name  string `json:"name"`
		Path  string `json:"path"`
		Hash  string `json:"hash"`
		Bytes int    `json:"bytes"`
	}
	var resources []resource
	files := maps.Clone(p.files)
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		sum := sha256.Sum256([]byte(p.files[name]))
		if name == p.broken {
			sum[0]++
		}
		if name != p.dropped {
			resources = append(resources, resource{Name: name, Path: name, Hash: "sha256:" + hex.EncodeToString(sum[:]), Bytes: len(p.files[name])})
		}
	}
	description, err := json.Marshal(map[string]any{"profile": "data-package", "wacz_version": "1.1.1", "resources": resources})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(description)
	digest := hex.EncodeToString(sum[:])
	if p.digest != "" {
		digest = p.digest
	}
	files["datapackage.json"] = string(description)
	files["datapackage-digest.json"] = fmt.Sprintf(`{"path":"datapackage.json","hash":"sha256:%s"}`, digest)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		method := zip.Deflate
		if strings.HasPrefix(name, "archive/") {
			method = p.method
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes()), int64(b.Len())
}

func TestOpenWACZ(t *testing.T) {
	t.Parallel()
	got, err := OpenWACZ(good(t).pack(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Pages) != 1 || got.Pages[0].URL != page || got.Pages[0].Title != "An ad" {
		t.Errorf("pages: %+v", got.Pages)
	}
	want := []Capture{
		{URL: "http://board.test/", Timestamp: "20260314120000", Status: "200", MIME: "text/html", Type: "response", Digest: "sha256:x"},
		{URL: page, Timestamp: "20260314120001", Status: "200", MIME: "text/html", Type: "response", Digest: "sha256:y"},
	}
	if diff := cmp.Diff(want, got.Captures); diff != "" {
		t.Errorf("captures (-want +got):\n%s", diff)
	}
}

func TestOpenWACZFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	replace := func(file, old, new string) func(*testing.T, *parts) {
		return func(t *testing.T, p *parts) {
			t.Helper()
			if !strings.Contains(p.files[file], old) {
				t.Fatalf("%s has no %q", file, old)
			}
			p.files[file] = strings.Replace(p.files[file], old, new, 1)
		}
	}
	// warc replaces the first record by another member; the index is right about its length.
	warc := func(text string) func(*testing.T, *parts) {
		return func(t *testing.T, p *parts) {
			t.Helper()
			m := member(t, text)
			p.files["archive/data.warc.gz"] = m
			p.files["indexes/index.cdx"] = fmt.Sprintf("test,board)/ad/1?x=2 20260314120001 {\"url\":%q,\"filename\":\"data.warc.gz\",\"offset\":0,\"length\":%d}\n", page, len(m))
		}
	}
	for _, tc := range []struct {
		reason string
		bend   func(*testing.T, *parts)
		want   string
	}{
		{"a byte is changed", func(_ *testing.T, p *parts) { p.broken = "archive/data.warc.gz" }, "datapackage.json says"},
		{"the description is changed", func(_ *testing.T, p *parts) { p.digest = strings.Repeat("0", 64) }, "does not match"},
		{"a file is not listed", func(_ *testing.T, p *parts) { p.dropped = "indexes/index.cdx" }, "not listed"},
		{"no pages", func(_ *testing.T, p *parts) { delete(p.files, "pages/pages.jsonl") }, "no pages/pages.jsonl"},
		{"no index", func(_ *testing.T, p *parts) { delete(p.files, "indexes/index.cdx") }, "no index"},
		{"the WARC is compressed again", func(_ *testing.T, p *parts) { p.method = zip.Deflate }, "compressed in the zip"},
		{"pages without their head", replace("pages/pages.jsonl", "json-pages-1.0", "other"), "begins with"},
		{"a page without time", replace("pages/pages.jsonl", `"ts":"2026-03-14T12:00:01Z",`, ""), "without url or ts"},
		{"a page without capture", replace("pages/pages.jsonl", "/ad/1", "/ad/2"), "has no capture"},
		{"an unsorted index", replace("indexes/index.cdx", "test,board)/ad", "test,aoard)/ad"), "not sorted"},
		{"a wrong offset", replace("indexes/index.cdx", `"offset":0`, `"offset":1`), "the record"},
		{"a wrong length", replace("indexes/index.cdx", `"offset":0,"length":1`, `"offset":0,"length":2`), "the record"},
		{"beyond the end", replace("indexes/index.cdx", `"offset":0,"length":`, `"offset":0,"length":9`), "outside of a file"},
		{"another file", replace("indexes/index.cdx", "data.warc.gz", "none.warc.gz"), "no archive/none.warc.gz"},
		{"another address", replace("indexes/index.cdx", `"url":"http://board.test/"`, `"url":"http://board.test/x"`), "the record is of"},
		{"no WARC", warc("GARBAGE\r\n\r\n"), "begins with"},
		{"a wrong block digest", warc(strings.Replace(record(page, "block"), "block\r", "blOck\r", 1)), "WARC-Block-Digest"},
		{"a block that is too short", warc(strings.Replace(record(page, "block"), "Content-Length: 5", "Content-Length: 50", 1)), "shorter"},
		{"a block that is too long", warc(strings.Replace(record(page, "block"), "Content-Length: 5", "Content-Length: 4", 1)), "ends with"},
		{"two records in a member", warc(record(page, "block") + record(page, "block")), "ends with"},
	} {
		p := good(t)
		tc.bend(t, &p)
		_, err := OpenWACZ(p.pack(t))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.reason, err, tc.want)
		}
	}
	if _, err := OpenWACZ(strings.NewReader("no zip"), 6); err == nil {
		t.Error("a file that is no zip is taken")
	}
}

func TestRunCounts(t *testing.T) {
	t.Parallel()
	run := func() *Run {
		return &Run{
			Statement: []byte(`{"chunks":[{"key":"a.wacz","size":1,"sha256":"aa"}]}`),
			Chunks: []Chunk{
				{Key: "a.wacz", Size: 1, SHA256: "aa", WACZ: &WACZ{Pages: []Page{{URL: "http://s.test/2"}, {URL: "http://s.test/1?q"}, {URL: "http://other.test/"}}}},
				{Key: "b.wacz", Size: 1, SHA256: "bb", WACZ: &WACZ{Pages: []Page{{URL: "http://s.test/2"}}}},
			},
		}
	}
	r := run()
	if err := r.commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/1?q", "/2"}, r.Paths("http://s.test")); diff != "" {
		t.Errorf("committed pages (-want +got):\n%s", diff)
	}
	r = run()
	r.Statement = nil
	if err := r.commit(); err != nil || len(r.URLs()) != 4 {
		t.Errorf("without a statement: %v, %v", r.URLs(), err)
	}
	for reason, statement := range map[string]string{
		"a chunk that is not there": `{"chunks":[{"key":"c.wacz"}]}`,
		"a chunk twice":             `{"chunks":[{"key":"a.wacz","size":1,"sha256":"aa"},{"key":"a.wacz","size":1,"sha256":"aa"}]}`,
		"another size":              `{"chunks":[{"key":"a.wacz","size":2,"sha256":"aa"}]}`,
		"another checksum":          `{"chunks":[{"key":"a.wacz","size":1,"sha256":"bb"}]}`,
		"no JSON":                   `{`,
	} {
		r := run()
		r.Statement = []byte(statement)
		if err := r.commit(); err == nil {
			t.Errorf("%s: no error", reason)
		}
	}
}
