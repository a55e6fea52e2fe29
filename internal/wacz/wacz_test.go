package wacz

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

var when = time.Date(2026, 3, 4, 5, 6, 7, 890123000, time.UTC)

// chunk writes a WARC file of n pages, and returns it with its index and pages.
func chunk(t testing.TB, n int) ([]byte, []cdxj.Entry, []Page) {
	return chunkAs(t, n, "data.warc.gz")
}

func chunkAs(t testing.TB, n int, name string) ([]byte, []cdxj.Entry, []Page) {
	t.Helper()
	var b bytes.Buffer
	ids := 0
	newID := func() string { ids++; return fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", ids) }
	w := warc.NewWriter(&b, warc.WriterOptions{NewID: newID, Plain: !strings.HasSuffix(name, ".gz")})
	x := cdxj.NewIndexer(name)
	write := func(r *warc.Record) warc.Written {
		t.Helper()
		done, err := w.Write(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Add(r, done); err != nil {
			t.Fatal(err)
		}
		return done
	}
	info, err := warc.NewWarcinfo(when, name, []warc.Field{{Name: "software", Value: "crawlfleet test"}})
	if err != nil {
		t.Fatal(err)
	}
	write(info)
	var pages []Page
	var first warc.Original
	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n")
	for i := range n {
		url := fmt.Sprintf("https://example.org/page/%d", i)
		at := when.Add(time.Duration(i) * time.Second)
		body := fmt.Sprintf("<title>Page %d</title><p>Hello", i)
		res := write(warc.NewResponse(url, at, head, warc.Text(body)))
		write(warc.NewRequest(url, at, []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), nil, res.ID))
		write(warc.NewConversion("urn:text:"+url, at, "text/plain; charset=utf-8", warc.Text("Hello"), res.ID))
		if i == 0 {
			first = warc.Original{ID: res.ID, TargetURI: url, Date: at, PayloadDigest: res.PayloadDigest}
			post := write(warc.NewResponse("https://example.org/api", at, head, warc.Text("{}")))
			write(warc.NewRequest("https://example.org/api", at,
				[]byte("POST /api HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"), warc.Text(`{"a":1}`), post.ID))
		}
		pages = append(pages, Page{ID: fmt.Sprint("p", i), URL: url, Time: at, Title: fmt.Sprint("Page ", i), Text: "Hello"})
	}
	write(warc.NewRevisit("https://example.org/copy", when, head, first))
	return b.Bytes(), x.Entries(), pages
}

func contents(t testing.TB, n int) Contents {
	t.Helper()
	return contentsAs(t, n, "data.warc.gz")
}

func contentsAs(t testing.TB, n int, name string) Contents {
	t.Helper()
	file, index, pages := chunkAs(t, n, name)
	return Contents{
		Title: "A <test>", Description: "Made *up*.", Software: "crawlfleet test", Created: when,
		MainPageURL: pages[0].URL, MainPageTime: pages[0].Time,
		WARCs: []File{{"archive/" + name, warc.Bytes(file)}},
		Index: index, Pages: pages[:1], ExtraPages: pages[1:],
		Files: []File{{"capture.json", warc.Text(`{"run":"x"}`)}, {"extra/logo.png", warc.Text("\x89PNG")}},
		Extra: map[string]any{"crawlfleet": map[string]any{"run": "x"}},
	}
}

func create(t testing.TB, c Contents) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Create(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t testing.TB, file []byte) *Reader {
	t.Helper()
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func validate(t testing.TB, file []byte) []Finding {
	t.Helper()
	findings, err := Validate(t.Context(), bytes.NewReader(file), int64(len(file)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func TestGolden(t *testing.T) {
	t.Parallel()
	// Without compression, whose bytes are not ours to pin.
	r := open(t, create(t, contentsAs(t, 2, "data.warc")))
	var got strings.Builder
	for _, f := range r.zip.File {
		fmt.Fprintf(&got, "== %s method %d flags %d extra %d %s\n", f.Name, f.Method, f.Flags, len(f.Extra), f.Modified.Format(time.RFC3339))
		if strings.HasPrefix(f.Name, archiveDir) || strings.HasSuffix(f.Name, ".png") {
			continue
		}
		b, err := r.ReadFile(f.Name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(b)
	}
	golden := filepath.Join("testdata", "golden.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want, +got (UPDATE_GOLDEN=1 accepts):\n%s", diff)
	}
}

func TestCreateOpen(t *testing.T) {
	t.Parallel()
	// 2 pages have a plain index, 2000 one in blocks.
	for _, n := range []int{1, 2, 2000} {
		c := contents(t, n)
		file := create(t, c)
		if again := create(t, c); !bytes.Equal(file, again) {
			t.Errorf("%d pages: the same contents gave two files", n)
		}
		if findings := validate(t, file); len(findings) > 0 {
			t.Errorf("%d pages: %v", n, findings)
		}
		r := open(t, file)
		if got := r.Package(); got.Title != c.Title || got.Version != "1.1.1" || got.Profile != "data-package" || !got.Created.Equal(when.Truncate(time.Second)) {
			t.Errorf("%d pages: package is %+v", n, got)
		}
		if d, err := r.PackageDigest(); err != nil || d.SignedData != nil {
			t.Errorf("%d pages: package digest is %+v, %v", n, d, err)
		}
		inBlocks := slices.Contains(r.Files(), "indexes/index.idx")
		if inBlocks != (n == 2000) {
			t.Errorf("%d pages: index in blocks: %v", n, inBlocks)
		}
		checkPages(t, r, append(slices.Clone(c.Pages), c.ExtraPages...))
		checkRecords(t, r, c)
	}
}

func checkPages(t *testing.T, r *Reader, want []Page) {
	t.Helper()
	var got []Page
	for p, err := range r.Pages() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	for i := range want {
		want[i].Time = want[i].Time.Truncate(time.Millisecond)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages: -want, +got:\n%s", diff)
	}
}

func checkRecords(t *testing.T, r *Reader, c Contents) {
	t.Helper()
	for i, p := range append(slices.Clone(c.Pages), c.ExtraPages...) {
		if i%100 > 3 {
			continue
		}
		entries, err := r.Lookup(p.URL)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%s: %d captures, %v", p.URL, len(entries), err)
		}
		rec, err := r.Record(entries[0])
		if err != nil {
			t.Fatal(err)
		}
		body, err := rec.Body.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		if want := fmt.Sprintf("<title>Page %d</title><p>Hello", i); err != nil || string(b) != want || rec.TargetURI != p.URL {
			t.Errorf("%s: record of %s with %q, %v; want %q", p.URL, rec.TargetURI, b, err, want)
		}
	}
	for _, url := range []string{"https://example.org/none", "https://example.org/", "urn:zzz", "a"} {
		if entries, err := r.Lookup(url); err != nil || len(entries) != 0 {
			t.Errorf("%s: %v, %v", url, entries, err)
		}
	}
	key, _ := cdxj.RequestKey("https://example.org/api", "POST", "application/json", []byte(`{"a":1}`))
	if entries, err := r.LookupKey(key); err != nil || len(entries) != 1 {
		t.Errorf("%s: %v, %v", key, entries, err)
	}
	n := 0
	for _, err := range r.Index() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(c.Index) {
		t.Errorf("index has %d entries; want %d", n, len(c.Index))
	}
}

// TestEachRecord: every record comes once, may be finished or left, and what is wrong ends the reading.
func TestEachRecord(t *testing.T) {
	t.Parallel()
	c := contents(t, 2)
	file := create(t, c)
	r := open(t, file)
	var kinds []warc.Type
	err := r.EachRecord(t.Context(), func(name string, rd *warc.Reader, rec *warc.Record) error {
		kinds = append(kinds, rec.Type)
		if name != "data.warc.gz" {
			t.Errorf("a record of %q", name)
		}
		if len(kinds)%2 == 0 {
			return nil
		}
		_, err := rd.Finish()
		return err
	})
	want := []warc.Type{
		warc.Warcinfo, warc.Response, warc.Request, warc.Conversion, warc.Response, warc.Request,
		warc.Response, warc.Request, warc.Conversion, warc.Revisit,
	}
	if diff := cmp.Diff(want, kinds); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	stop := errors.New("enough")
	err = r.EachRecord(t.Context(), func(string, *warc.Reader, *warc.Record) error { return stop })
	if !errors.Is(err, stop) || !strings.Contains(err.Error(), "data.warc.gz: urn:uuid:00000000-0000-4000-8000-000000000001: ") {
		t.Errorf("an error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(string, *warc.Reader, *warc.Record) error { t.Error("a record is read"); return nil }
	if err := r.EachRecord(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits for it: %v", err)
	}
	raw, err := c.WARCs[0].Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(raw)
	if err != nil {
		t.Fatal(err)
	}
	c.WARCs[0].Content = warc.Bytes(whole[:len(whole)-40])
	err = open(t, create(t, c)).EachRecord(t.Context(), func(string, *warc.Reader, *warc.Record) error { return nil })
	if err == nil || !strings.HasPrefix(err.Error(), "data.warc.gz: ") {
		t.Errorf("a file that is cut short: %v", err)
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	r := open(t, create(t, contents(t, 1)))
	const content = `{"run":"x"}`
	if b, err := r.ReadFile("capture.json", int64(len(content))); err != nil || string(b) != content {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := r.ReadFile("capture.json", int64(len(content))-1); err == nil {
		t.Error("a larger file is read in part")
	}
	if _, err := r.ReadFile("none.json", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestIndexIsMade(t *testing.T) {
	t.Parallel()
	c := contents(t, 3)
	want := create(t, c)
	c.Index = nil
	if !bytes.Equal(want, create(t, c)) {
		t.Error("an index that Create makes differs from one that was made while writing")
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	c := contents(t, 1)
	var signed warc.Digest
	c.Sign = func(d warc.Digest) (any, error) {
		signed = d
		return map[string]any{"hash": d, "signature": "x"}, nil
	}
	file := create(t, c)
	d, err := open(t, file).PackageDigest()
	if err != nil || d.Hash != signed || string(d.SignedData) == "" {
		t.Errorf("got %+v, %v; want signed data over %s", d, err, signed)
	}
	if findings := validate(t, file); len(findings) > 0 {
		t.Error(findings)
	}
	noKey := errors.New("no key")
	c.Sign = func(warc.Digest) (any, error) { return nil, noKey }
	if err := Create(io.Discard, c); !errors.Is(err, noKey) {
		t.Errorf("signing fails closed: got %v; want %v", err, noKey)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(c *Contents)
	}{
		"NoWARC":        {"There must be records.", func(c *Contents) { c.WARCs = nil }},
		"NoTime":        {"Files are deterministic.", func(c *Contents) { c.Created = time.Time{} }},
		"WARCElsewhere": {"Records are in archive/.", func(c *Contents) { c.WARCs[0].Path = "data.warc.gz" }},
		"WARCBelow":     {"And nowhere below.", func(c *Contents) { c.WARCs[0].Path = "archive/a/data.warc.gz" }},
		"WARCName":      {"And named so.", func(c *Contents) { c.WARCs[0].Path = "archive/data.gz" }},
		"Twice":         {"A path is one file.", func(c *Contents) { c.WARCs = append(c.WARCs, c.WARCs[0]) }},
		"Foreign":       {"Folders of the format are closed.", func(c *Contents) { c.Files[0].Path = "archive/capture.json" }},
		"ForeignDir":    {"Folders of the format are folders.", func(c *Contents) { c.Files[0].Path = "pages" }},
		"Reserved":      {"The manifest is ours.", func(c *Contents) { c.Files[0].Path = "datapackage.json" }},
		"Escape":        {"No file lies outside.", func(c *Contents) { c.Files[0].Path = "../x" }},
		"Absolute":      {"No file lies outside.", func(c *Contents) { c.Files[0].Path = "/x" }},
		"Characters":    {"Tools differ about others.", func(c *Contents) { c.Files[0].Path = "a\\b" }},
		"WrongSize":     {"A file has the size that it says.", func(c *Contents) { c.Files[0].Content = warc.File(os.DevNull, 1) }},
		"PageWithoutTS": {"A page has a time.", func(c *Contents) { c.Pages[0].Time = time.Time{} }},
		"PageExtra":     {"Properties have one meaning.", func(c *Contents) { c.Pages[0].Extra = map[string]any{"url": "x"} }},
		"Extra":         {"Properties have one meaning.", func(c *Contents) { c.Extra = map[string]any{"resources": nil} }},
		"Changing":      {"A file must not change meanwhile.", func(c *Contents) { c.WARCs[0].Content = &changing{} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := contents(t, 1)
			tc.change(&c)
			if err := Create(io.Discard, c); err == nil {
				t.Errorf("\n%s\nCreate: want an error", tc.reason)
			}
		})
	}
}

type changing struct{ opens byte }

func (c *changing) Size() int64 { return 1 }
func (c *changing) Open() (io.ReadCloser, error) {
	c.opens++
	return io.NopCloser(bytes.NewReader([]byte{c.opens})), nil
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := create(t, contents(t, 1))
	for _, b := range [][]byte{nil, []byte("x"), file[:len(file)/2]} {
		if _, err := Open(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%d bytes were opened", len(b))
		}
	}
	r := open(t, file)
	for _, e := range []cdxj.Entry{
		{Filename: "none.warc.gz"}, {Filename: "data.warc.gz", Offset: 1 << 40, Length: 1},
		{Filename: "data.warc.gz", Offset: 1, Length: 10}, {Filename: "data.warc.gz", Offset: 0, Length: 1 << 40},
		{Filename: "../datapackage.json"},
	} {
		if _, err := r.Record(e); err == nil {
			t.Errorf("%+v: want an error", e)
		}
	}
}

// repack changes the files of a WACZ and packs them anew, with Go's own ZIP writer.
func repack(t *testing.T, file []byte, change func(name string, content []byte) []byte, more ...string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	put := func(name string, method uint16, content []byte) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: when})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range z.File {
		src, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(src)
		if err != nil {
			t.Fatal(err)
		}
		if b = change(f.Name, b); b != nil {
			put(f.Name, f.Method, b)
		}
	}
	for _, name := range more {
		put(name, zip.Store, []byte("x"))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
