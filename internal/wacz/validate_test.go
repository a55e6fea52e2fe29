package wacz

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// checksOf returns the checks that have findings.
func checksOf(findings []Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(all, f.Check)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// tiny is a WACZ with one record.
func tiny(t *testing.T) []byte {
	t.Helper()
	file, _, pages := chunk(t, 1)
	var one bytes.Buffer
	keepRecords(t, &one, file, func(r *warc.Record) bool { return r.TargetURI == pages[0].URL && r.Type == warc.Response })
	return create(t, Contents{Created: when, Pages: pages, WARCs: []File{{"archive/data.warc.gz", warc.Bytes(one.Bytes())}}})
}

// TestFlip flips a bit of every byte of a WACZ in turn: each must be found.
func TestFlip(t *testing.T) {
	t.Parallel()
	file := tiny(t)
	flipped := bytes.Clone(file)
	for i := range file {
		flipped[i] ^= 1 << (i % 8)
		if findings := validate(t, flipped); len(findings) == 0 {
			t.Errorf("byte %d of %d, bit %d: flipped unnoticed", i, len(file), i%8)
		}
		flipped[i] = file[i]
	}
}

// TestFlipDirectory flips every bit of the headers and the directory.
func TestFlipDirectory(t *testing.T) {
	t.Parallel()
	file := tiny(t)
	start := bytes.Index(file, []byte("PK\x01\x02"))
	flipped := bytes.Clone(file)
	for bit := 8 * start; bit < 8*len(file); bit++ {
		flipped[bit/8] ^= 1 << (bit % 8)
		if findings := validate(t, flipped); len(findings) == 0 {
			t.Errorf("byte %d of %d (directory at %d), bit %d: flipped unnoticed", bit/8, len(file), start, bit%8)
		}
		flipped[bit/8] = file[bit/8]
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	file := tiny(t)
	for n := range len(file) {
		if findings := validate(t, file[:n]); len(findings) == 0 {
			t.Errorf("cut to %d of %d bytes unnoticed", n, len(file))
		}
	}
	if findings := validate(t, append(bytes.Clone(file), 0)); len(findings) == 0 {
		t.Error("a byte at the end unnoticed")
	}
	if findings := validate(t, append([]byte{0}, file...)); len(findings) == 0 {
		t.Error("a byte at the start unnoticed")
	}
}

func TestValidateRepacked(t *testing.T) {
	t.Parallel()
	file := create(t, contents(t, 2))
	keep := func(_ string, b []byte) []byte { return b }
	edit := func(name, from, to string) func(string, []byte) []byte {
		return func(n string, b []byte) []byte {
			if n != name {
				return b
			}
			if !bytes.Contains(b, []byte(from)) {
				t.Errorf("%s has no %q", name, from)
			}
			return bytes.Replace(b, []byte(from), []byte(to), 1)
		}
	}
	drop := func(name string) func(string, []byte) []byte {
		return func(n string, b []byte) []byte {
			if n == name {
				return nil
			}
			return b
		}
	}
	cases := map[string]struct {
		reason string
		file   []byte
		want   []string
	}{
		"Same":        {"Another ZIP writer, with data descriptors, is as good.", repack(t, file, keep), nil},
		"Foreign":     {"A file that is not listed.", repack(t, file, keep, "notes.txt"), []string{CheckForeign}},
		"InArchive":   {"A file where it does not belong.", repack(t, file, keep, "archive/x.txt"), []string{CheckForeign}},
		"Missing":     {"A listed file that is gone.", repack(t, file, drop("capture.json")), []string{CheckResource}},
		"NoDigest":    {"Nothing vouches for the manifest.", repack(t, file, drop(PackageDigestPath)), []string{CheckDigest}},
		"NoPackage":   {"Without the manifest nothing is listed.", repack(t, file, drop(PackagePath)), []string{CheckForeign, CheckPackage}},
		"Title":       {"The manifest was changed.", repack(t, file, edit(PackagePath, "A <test>", "B <test>")), []string{CheckDigest}},
		"Hash":        {"A hash in the manifest was changed.", repack(t, file, edit(PackagePath, `"hash": "sha256:`, `"hash": "sha256:0`)), []string{CheckDigest, CheckResource}},
		"Version":     {"Not a WACZ.", repack(t, file, edit(PackagePath, "wacz_version", "version")), []string{CheckDigest, CheckPackage}},
		"OtherFile":   {"A further file was changed.", repack(t, file, edit("capture.json", "x", "y")), []string{CheckResource}},
		"PagesHeader": {"A page list without header.", repack(t, file, edit(PagesPath, "json-pages", "json-")), []string{CheckPages, CheckResource}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := validate(t, tc.file)
			if diff := cmp.Diff(tc.want, checksOf(findings)); diff != "" {
				t.Errorf("\n%s\n-want, +got:\n%s\n%v", tc.reason, diff, findings)
			}
		})
	}
}

// TestValidateLies makes files whose hashes are right and whose contents do not
// agree.
func TestValidateLies(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(c *Contents)
		want   []string
	}{
		"Offset":    {"The index points into the middle of a record.", func(c *Contents) { c.Index[0].Offset++ }, []string{CheckIndex}},
		"Length":    {"The index cuts a record off.", func(c *Contents) { c.Index[0].Length-- }, []string{CheckIndex}},
		"URL":       {"The index shows a record under another URL.", func(c *Contents) { c.Index[0].URL += "x" }, []string{CheckIndex}},
		"Key":       {"The index hides a record.", func(c *Contents) { c.Index[0].Key += "x" }, []string{CheckIndex}},
		"Time":      {"The index backdates a record.", func(c *Contents) { c.Index[0].Time = c.Index[0].Time.Add(-time.Hour) }, []string{CheckIndex}},
		"Status":    {"The index makes an error of a page.", func(c *Contents) { c.Index[0].Status = 404 }, []string{CheckIndex}},
		"Digest":    {"The index has another digest.", func(c *Contents) { c.Index[0].Digest = warc.SHA256Of(nil) }, []string{CheckIndex}},
		"Method":    {"The index makes a GET of a POST.", func(c *Contents) { c.Index[0].Method, c.Index[0].RequestBody = "", "" }, []string{CheckIndex}},
		"Omitted":   {"The index leaves a record out.", func(c *Contents) { c.Index = c.Index[1:] }, []string{CheckIndex}},
		"Invented":  {"The index has a record that is not there.", func(c *Contents) { e := c.Index[0]; e.Filename = "x.warc.gz"; c.Index = append(c.Index, e) }, []string{CheckIndex}},
		"Page":      {"A page was not captured.", func(c *Contents) { c.Pages[0].URL += "x" }, []string{CheckPages}},
		"PageTime":  {"A page was captured at another time.", func(c *Contents) { c.Pages[0].Time = when.Add(time.Hour) }, []string{CheckPages}},
		"PageTwice": {"Two pages have an id.", func(c *Contents) { c.ExtraPages[0].ID = c.Pages[0].ID }, []string{CheckPages}},
		"Record": {"A record's body was changed and the rest made anew.", func(c *Contents) {
			c.WARCs[0] = rewritten(t, c.WARCs[0], func(plain []byte) []byte {
				return bytes.Replace(plain, []byte("<p>Hello"), []byte("<p>Hullo"), 1)
			})
			c.Index = nil
		}, []string{CheckRecord}},
		"Removed": {"The original of a revisit was removed.", func(c *Contents) {
			file, _, _ := chunk(t, 1)
			rest := bytes.NewBuffer(nil)
			keepRecords(t, rest, file, func(r *warc.Record) bool { return r.Type == warc.Warcinfo || r.Type == warc.Revisit })
			c.WARCs[0].Content, c.Index = warc.Bytes(rest.Bytes()), nil
			c.Pages, c.ExtraPages = nil, nil
		}, []string{CheckRevisit}},
		"Cut": {"A WARC that was cut off.", func(c *Contents) {
			file, _, _ := chunk(t, 2)
			c.WARCs[0].Content = warc.Bytes(file[:len(file)-3])
		}, []string{CheckRecord}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := contents(t, 2)
			slices.SortFunc(c.Index, func(a, b cdxj.Entry) int { return strings.Compare(b.Method, a.Method) }) // the POST first
			tc.change(&c)
			var file bytes.Buffer
			if err := Create(&file, c); err != nil {
				t.Fatal(err)
			}
			findings := validate(t, file.Bytes())
			if diff := cmp.Diff(tc.want, checksOf(findings)); diff != "" {
				t.Errorf("\n%s\n-want, +got:\n%s\n%v", tc.reason, diff, findings)
			}
		})
	}
}

// keepRecords copies the records that are to be kept.
func keepRecords(t *testing.T, dst io.Writer, file []byte, keep func(*warc.Record) bool) {
	t.Helper()
	r := warc.NewReader(bytes.NewReader(file), warc.ReaderOptions{})
	w := warc.NewWriter(dst, warc.WriterOptions{})
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !keep(rec) {
			continue
		}
		if _, err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
}

// rewritten is a WARC file whose bytes before compression were changed.
func rewritten(t *testing.T, f File, change func([]byte) []byte) File {
	t.Helper()
	file, _, _ := chunk(t, 2)
	var plain bytes.Buffer
	r := warc.NewReader(bytes.NewReader(file), warc.ReaderOptions{})
	w := warc.NewWriter(&plain, warc.WriterOptions{Plain: true})
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	return File{Path: "archive/data.warc", Content: warc.Bytes(change(plain.Bytes()))}
}

func TestValidateCompressedIndex(t *testing.T) {
	t.Parallel()
	c := contents(t, 2000)
	file := create(t, c)
	var idx []byte
	swap := repack(t, file, func(name string, b []byte) []byte {
		if name == "indexes/index.idx" {
			idx = b
			return bytes.Replace(b, []byte(`"offset":0`), []byte(`"offset":1`), 1)
		}
		return b
	})
	if idx == nil {
		t.Fatal("there is no secondary index")
	}
	if got := checksOf(validate(t, swap)); !slices.Contains(got, CheckIndex) {
		t.Errorf("a secondary index that lies: got findings of %v", got)
	}
}

func TestValidateStops(t *testing.T) {
	t.Parallel()
	file := create(t, contents(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Validate(ctx, bytes.NewReader(file), int64(len(file)), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want context.Canceled", err)
	}
	broken := errors.New("disk on fire")
	if _, err := Validate(t.Context(), failing{bytes.NewReader(file), broken}, int64(len(file)), nil); !errors.Is(err, broken) {
		t.Errorf("got %v; want %v", err, broken)
	}
}

// failing fails to read the beginning of a file.
type failing struct {
	io.ReaderAt
	err error
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off < 100 {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(b, off)
}

func FuzzOpen(f *testing.F) {
	c := contents(f, 1)
	f.Add(create(f, c))
	var small bytes.Buffer
	w := zip.NewWriter(&small)
	for name, content := range map[string]string{
		PackagePath:         `{"profile":"data-package","resources":[{"path":"pages/pages.jsonl"}]}`,
		PagesPath:           `{"format":"json-pages-1.0"}` + "\n" + `{"url":"x","ts":"2026-01-01T00:00:00Z"}`,
		"indexes/index.idx": `!meta 0 {"format":"cdxj-gzip-1.0","filename":"index.cdx.gz"}` + "\n" + `a 20260101000000 {"offset":0,"length":9}`,
	} {
		e, err := w.CreateHeader(&zip.FileHeader{Name: name})
		if err != nil {
			f.Fatal(err)
		}
		if _, err := io.WriteString(e, content); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := Validate(t.Context(), bytes.NewReader(file), int64(len(file)), nil); err != nil {
			t.Fatal(err)
		}
		r, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		for range r.Pages() {
		}
		_, _ = r.Lookup("https://example.org/page/0")
		for e := range r.Index() {
			_, _ = r.Record(e)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"id":"a","url":"https://example.org/","ts":"2026-01-01T00:00:00Z","title":"<x>","n":[1,{"a":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Page
		if err := json.Unmarshal(b, &p); err != nil {
			return
		}
		js, err := json.Marshal(p)
		if err != nil {
			return
		}
		var again Page
		if err := json.Unmarshal(js, &again); err != nil {
			t.Fatalf("%s: %v", js, err)
		}
		p.Time = p.Time.Truncate(time.Millisecond)
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("-read, +written and read:\n%s", diff)
		}
	})
}
