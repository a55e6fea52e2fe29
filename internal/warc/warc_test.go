package warc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	when = time.Date(2026, 3, 4, 5, 6, 7, 890123000, time.UTC)
	head = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n")
)

// countedIDs makes ids that are the same in every run.
func countedIDs() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", n)
	}
}

// sample is one record of each kind.
func sample(t testing.TB) []*Record {
	t.Helper()
	info, err := NewWarcinfo(when, "data.warc.gz", []Field{{"software", "crawlfleet test"}, {"format", "WARC File Format 1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	dns, err := NewDNS(DNSAnswer{
		Host: "example.org", Server: netip.MustParseAddr("192.0.2.53"), Answered: when,
		Records: []string{"example.org. 300 IN A 192.0.2.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	res := NewResponse("https://example.org/", when, head, Text("<p>Hello"))
	res.ID = "urn:uuid:11111111-1111-4111-8111-111111111111"
	res.Connection(netip.MustParseAddr("::ffff:192.0.2.1"), []string{"http/1.1", "tls/1.3"}, "TLS_AES_128_GCM_SHA256")
	res.Add(FieldPageID, "p1")
	req := NewRequest("https://example.org/", when, []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), nil, res.ID)
	post := NewRequest("https://example.org/api", when, []byte("POST /api HTTP/1.1\r\nHost: example.org\r\n\r\n"), Text("a=1"), "")
	cut := NewResponse("https://example.org/long", when, head, Text("<p>"))
	cut.Truncate("length")
	of := Original{ID: res.ID, TargetURI: res.TargetURI, Date: when, PayloadDigest: SHA256Of([]byte("<p>Hello"))}
	return []*Record{
		info, dns, res, req, post, cut,
		NewRevisit("https://example.org/again", when, head, of),
		NewNotModified("https://example.org/", when, []byte("HTTP/1.1 304 Not Modified\r\n\r\n"), Original{TargetURI: res.TargetURI, Date: when}),
		NewRevisit("https://example.org/bare", when, nil, of),
		NewResource("urn:view:https://example.org/", when, "image/png", Bytes([]byte{0x89, 'P', 'N', 'G', 0, '\r', '\n'})),
		NewConversion("urn:text:https://example.org/", when, "text/plain; charset=utf-8", Text("Hello, wörld"), res.ID),
		NewMetadata("urn:pageinfo:https://example.org/", when, "application/json", Text(`{"a":1}`), res.ID),
		NewResponse("https://example.org/empty", when, []byte("HTTP/1.1 204 No Content\n\n"), nil),
	}
}

func write(t testing.TB, opts WriterOptions, records ...*Record) ([]byte, []Written) {
	t.Helper()
	var b bytes.Buffer
	opts.NewID = countedIDs()
	w := NewWriter(&b, opts)
	var all []Written
	for _, r := range records {
		done, err := w.Write(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, done)
	}
	if w.Offset() != int64(b.Len()) {
		t.Errorf("Offset is %d after %d bytes", w.Offset(), b.Len())
	}
	return b.Bytes(), all
}

// plainRecord is a record with its content, to be compared.
type plainRecord struct {
	Record Record
	Body   string
	At     Written
}

func readAll(t testing.TB, file []byte, opts ReaderOptions) ([]plainRecord, error) {
	t.Helper()
	r := NewReader(bytes.NewReader(file), opts)
	var all []plainRecord
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		p := plainRecord{Record: *rec}
		p.Record.Body = nil
		body, err := rec.Body.Open()
		if err != nil {
			return all, err
		}
		b, err := io.ReadAll(body)
		if err != nil {
			return all, err
		}
		if int64(len(b)) != rec.Body.Size() {
			t.Errorf("%s: body of %d bytes says that it has %d", rec.TargetURI, len(b), rec.Body.Size())
		}
		p.Body = string(b)
		if p.At, err = r.Finish(); err != nil {
			return all, err
		}
		all = append(all, p)
	}
}

func bodyOf(t testing.TB, r *Record) string {
	t.Helper()
	if r.Body == nil {
		return ""
	}
	f, err := r.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	got, _ := write(t, WriterOptions{Plain: true}, sample(t)...)
	golden := filepath.Join("testdata", "sample.warc")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want, +got (UPDATE_GOLDEN=1 accepts):\n%s", diff)
	}
}

func TestWriteRead(t *testing.T) {
	t.Parallel()
	for _, opts := range []WriterOptions{{}, {Plain: true}, {Level: 1}} {
		records := sample(t)
		file, written := write(t, opts, records...)
		got, err := readAll(t, file, ReaderOptions{Verify: true, Stored: true})
		if err != nil {
			t.Fatalf("%+v: %v", opts, err)
		}
		if len(got) != len(records) {
			t.Fatalf("%+v: wrote %d records, read %d", opts, len(records), len(got))
		}
		for i, r := range records {
			want := plainRecord{Record: *r, Body: bodyOf(t, r), At: written[i]}
			want.Record.Body = nil
			want.Record.Version = "WARC/1.1"
			want.Record.ID = written[i].ID
			want.Record.BlockDigest, want.Record.PayloadDigest = written[i].BlockDigest, written[i].PayloadDigest
			if r.Type != Warcinfo {
				want.Record.Fields = append([]Field{{FieldWarcinfoID, "<" + written[0].ID + ">"}}, r.Fields...)
			}
			if diff := cmp.Diff(want, got[i]); diff != "" {
				t.Errorf("%+v: record %d: -written, +read:\n%s", opts, i, diff)
			}
			stored := file[written[i].Offset : written[i].Offset+written[i].Length]
			if d := SHA256Of(stored); d != written[i].StoredDigest {
				t.Errorf("%+v: record %d: StoredDigest is %s, its bytes are %s", opts, i, written[i].StoredDigest, d)
			}
			alone, err := readAll(t, stored, ReaderOptions{Verify: true})
			if err != nil || len(alone) != 1 {
				t.Errorf("%+v: record %d does not stand alone: %d records, %v", opts, i, len(alone), err)
			}
		}
	}
}

// TestRewrite copies a file record by record and expects the same file.
func TestRewrite(t *testing.T) {
	t.Parallel()
	file, _ := write(t, WriterOptions{}, sample(t)...)
	r := NewReader(bytes.NewReader(file), ReaderOptions{})
	var copied bytes.Buffer
	w := NewWriter(&copied, WriterOptions{})
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
	if !bytes.Equal(copied.Bytes(), file) {
		t.Error("the copy is not the same")
	}
}

func TestLargeBody(t *testing.T) {
	t.Parallel()
	// Larger than what is kept in memory between the two readings, compressible
	// in parts.
	body := make([]byte, 3*smallBody+17)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(body[smallBody:])
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	r := NewResponse("https://example.org/", when, head, File(path, int64(len(body))))
	r.PayloadDigest = SHA256Of(body)
	file, _ := write(t, WriterOptions{}, r)
	got, err := readAll(t, file, ReaderOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Body != string(body) {
		t.Error("the body is not the same")
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(r *Record)
		want   error
	}{
		"Injection":      {"A line break in a value would make a field.", func(r *Record) { r.Add("WARC-Page-ID", "1\r\nWARC-Type: x") }, ErrField},
		"InjectionLF":    {"A line feed alone would, too.", func(r *Record) { r.Add("WARC-Page-ID", "1\nx: y") }, ErrField},
		"InjectionURI":   {"URIs come from the web.", func(r *Record) { r.TargetURI += "\r\nx: y" }, ErrField},
		"InjectionType":  {"Content types come from the web.", func(r *Record) { r.ContentType += "\r\nx: y" }, ErrField},
		"InjectionName":  {"A name is a token.", func(r *Record) { r.Add("a: b\r\nc", "d") }, ErrField},
		"InjectionID":    {"An id is a URI.", func(r *Record) { r.ID = "urn:x>\r\n" }, ErrField},
		"InjectionOther": {"A revisit's digest is not computed.", func(r *Record) { r.Type = Revisit; r.PayloadDigest = "sha256:x\r\ny: z" }, ErrField},
		"SpaceInURI":     {"A URI has no spaces.", func(r *Record) { r.TargetURI += " x" }, ErrField},
		"NUL":            {"A NUL ends strings in some tools.", func(r *Record) { r.Add("x", "a\x00b") }, ErrField},
		"Own":            {"What has a member is not a field.", func(r *Record) { r.Add("content-length", "1") }, ErrField},
		"Twice":          {"Few fields may repeat.", func(r *Record) { r.Truncate("time"); r.Truncate("length") }, ErrField},
		"NoURI":          {"A response is about something.", func(r *Record) { r.TargetURI = "" }, ErrField},
		"NoDate":         {"A record has a date.", func(r *Record) { r.Date = time.Time{} }, ErrField},
		"Type":           {"Types are a closed list.", func(r *Record) { r.Type = "answer" }, ErrField},
		"HeadWithoutEnd": {"Nobody could find the body.", func(r *Record) { r.Head = []byte("HTTP/1.1 200 OK\r\n") }, ErrField},
		"HeadWithBody":   {"The body would be part of the head.", func(r *Record) { r.Head = []byte("HTTP/1.1 200 OK\r\n\r\n<p>") }, ErrField},
		"HeadOfResource": {"A resource has no head.", func(r *Record) { r.Type = Resource }, ErrField},
		"HugeHead": {"Readers have limits.", func(r *Record) {
			r.Head = []byte("HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", MaxHeader/6) + "\r\n")
		}, ErrField},
		"HugeHeader":   {"Readers have limits.", func(r *Record) { r.TargetURI += strings.Repeat("a", MaxHeader) }, ErrField},
		"BodyTooShort": {"The announced size is a promise.", func(r *Record) { r.Body = lying{"abc", 4} }, ErrSize},
		"BodyTooLong":  {"The announced size is a promise.", func(r *Record) { r.Body = lying{"abc", 2} }, ErrSize},
		"NoFile":       {"The spool file is gone.", func(r *Record) { r.Body = File("/nonexistent/file", 1) }, os.ErrNotExist},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			w := NewWriter(&b, WriterOptions{})
			r := NewResponse("https://example.org/", when, head, Text("x"))
			tc.change(r)
			if _, err := w.Write(r); !errors.Is(err, tc.want) {
				t.Errorf("\n%s\nWrite: got %v; want %v", tc.reason, err, tc.want)
			}
			if b.Len() != 0 || w.Offset() != 0 {
				t.Errorf("\n%s\n%d bytes were written", tc.reason, b.Len())
			}
			if _, err := w.Write(NewResponse("https://example.org/", when, head, Text("x"))); err != nil {
				t.Errorf("the next record is refused, too: %v", err)
			}
		})
	}
	t.Run("Digest", func(t *testing.T) {
		t.Parallel()
		r := NewResponse("https://example.org/", when, head, Text("x"))
		r.PayloadDigest = SHA256Of([]byte("y"))
		var mismatch *DigestError
		if _, err := NewWriter(io.Discard, WriterOptions{}).Write(r); !errors.As(err, &mismatch) {
			t.Errorf("got %v; want a *DigestError", err)
		}
	})
}

// lying is a body with another size than it says.
type lying struct {
	content string
	size    int64
}

func (l lying) Size() int64                  { return l.size }
func (l lying) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(l.content)), nil }

// changing is a body that is another each time it is opened.
type changing struct {
	size  int64
	opens int
}

func (c *changing) Size() int64 { return c.size }

func (c *changing) Open() (io.ReadCloser, error) {
	c.opens++
	return io.NopCloser(bytes.NewReader(bytes.Repeat([]byte{byte(c.opens)}, int(c.size)))), nil
}

func TestChangingBody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.warc.gz")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	good := NewResponse("https://example.org/", when, head, Text("x"))
	bad := NewResponse("https://example.org/", when, head, &changing{size: 4 * smallBody})

	w := NewWriter(f, WriterOptions{})
	for i, r := range []*Record{good, bad, good} {
		var mismatch *DigestError
		_, err := w.Write(r)
		if (r == bad) != errors.As(err, &mismatch) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, file, ReaderOptions{Verify: true}); err != nil || len(got) != 2 {
		t.Errorf("a file is cut back to whole records: got %d records, %v; want 2", len(got), err)
	}

	// What cannot be cut back takes no more.
	var b bytes.Buffer
	w = NewWriter(&b, WriterOptions{Plain: true})
	if _, err := w.Write(bad); err == nil {
		t.Error("a changed body was written")
	}
	if _, err := w.Write(good); err == nil {
		t.Error("a record was written after half a record")
	}
}

// full is a destination that takes a number of bytes.
type full struct {
	*os.File
	left int
}

func (f *full) Write(b []byte) (int, error) {
	if len(b) <= f.left {
		f.left -= len(b)
		return f.File.Write(b)
	}
	n, _ := f.File.Write(b[:f.left])
	f.left = 0
	return n, errors.New("no space left")
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.warc"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dst := &full{File: f, left: 1000}
	w := NewWriter(dst, WriterOptions{Plain: true})
	r := NewResponse("https://example.org/", when, head, Text("x"))
	wrote := 0
	for {
		if _, err = w.Write(r); err != nil {
			break
		}
		wrote++
	}
	if size, err := f.Seek(0, io.SeekEnd); err != nil || size != w.Offset() {
		t.Errorf("the file has %d bytes, its whole records %d (%v)", size, w.Offset(), err)
	}
	dst.left = 1 << 20
	if _, err := w.Write(r); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if n, _, err := Intact(f); err != nil || n != wrote+1 {
		t.Errorf("got %d records, %v; want %d", n, err, wrote+1)
	}
}

// TestCut cuts a file at every byte and expects all whole records before.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, opts := range []WriterOptions{{}, {Plain: true}} {
		file, written := write(t, opts, sample(t)...)
		for cut := range len(file) {
			want, wantSize := 0, int64(0)
			for _, w := range written {
				if w.Offset+w.Length <= int64(cut) {
					want, wantSize = want+1, w.Offset+w.Length
				}
			}
			n, size, err := Intact(bytes.NewReader(file[:cut]))
			if n != want || size != wantSize || err != nil {
				t.Fatalf("%+v: cut at %d: got %d records in %d bytes, %v; want %d in %d", opts, cut, n, size, err, want, wantSize)
			}
			_, err = readAll(t, file[:cut], ReaderOptions{})
			var atCut *CutError
			if errors.As(err, &atCut) != (wantSize < int64(cut)) || atCut != nil && atCut.Offset != wantSize {
				t.Fatalf("%+v: cut at %d: got error %v; want one at %d", opts, cut, err, wantSize)
			}
		}
	}
}

// TestFlip flips every byte of a file and expects an error, or bytes that are the
// same but for a header that no digest covers.
func TestFlip(t *testing.T) {
	t.Parallel()
	file, _ := write(t, WriterOptions{}, sample(t)...)
	want, err := readAll(t, file, ReaderOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	missed := 0
	for i := range file {
		flipped := bytes.Clone(file)
		flipped[i] ^= 0x20
		got, err := readAll(t, flipped, ReaderOptions{Verify: true})
		if err != nil {
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("byte %d flipped unnoticed:\n%s", i, diff)
		}
		missed++
	}
	// The gzip header has a few bytes that mean nothing (time, system).
	if limit := 7 * len(want); missed > limit {
		t.Errorf("%d flipped bytes made no difference; want at most %d", missed, limit)
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	const ok = "WARC/1.1\r\nWARC-Type: resource\r\nWARC-Record-ID: <urn:x>\r\nWARC-Date: 2026\r\n"
	cases := map[string]struct {
		reason, file, want string
	}{
		"NotWARC":       {"Something else.", "GET / HTTP/1.1\r\n\r\n", "starts with"},
		"Garbage":       {"Something else after a record.", ok + "Content-Length: 0\r\n\r\n\r\n\r\nxx\r\n", "offset 98: starts with"},
		"NoLength":      {"Without a length there is no end.", ok + "\r\n\r\n\r\n", "is missing"},
		"NegativeSize":  {"A length is not negative.", ok + "Content-Length: -1\r\n\r\n", "Content-Length"},
		"HugeSize":      {"A length fits.", ok + "Content-Length: 99999999999999999999\r\n\r\n", "Content-Length"},
		"TwoLengths":    {"Two tools would read two files.", ok + "Content-Length: 0\r\nContent-Length: 1\r\n\r\n", "twice"},
		"LengthTooBig":  {"The block swallows the line breaks.", ok + "Content-Length: 4\r\n\r\nabc\r\n\r\nWARC/1.1\r\n", "followed by"},
		"LengthTooLow":  {"The block is longer.", ok + "Content-Length: 2\r\n\r\nabcd\r\n\r\n", "followed by"},
		"HeaderTooLong": {"Memory is bounded.", ok + "x: " + strings.Repeat("a", 5000) + "\r\n\r\n", "larger than"},
		"NoField":       {"A line without a colon.", ok + "x\r\n\r\n", "no field"},
		"Fold":          {"Nothing to continue.", "WARC/1.1\r\n x\r\n\r\n", "continues no field"},
		"Date":          {"A date has a form.", "WARC/1.1\r\nWARC-Date: today\r\n\r\n", "WARC-Date"},
		"UnknownDigest": {"An unknown digest cannot be checked.", ok + "WARC-Block-Digest: crc:1\r\nContent-Length: 0\r\n\r\n\r\n\r\n", "unknown algorithm"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll(t, []byte(tc.file), ReaderOptions{MaxHeader: 4096, Verify: true})
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("\n%s\ngot %v; want a *FormatError with %q", tc.reason, err, tc.want)
			}
		})
	}
}

// TestReaderForeign reads what other tools write.
func TestReaderForeign(t *testing.T) {
	t.Parallel()
	file := "WARC/1.0\r\nwarc-type: Response\r\nWARC-Record-ID:<urn:x>\r\nWARC-Date: 2016-01-11T23:24:25.4Z\r\n" +
		"WARC-Target-URI: <http://example.org/>\r\nX-Folded: a\r\n  b\r\nContent-Type: application/http;msgtype=response\r\n" +
		"WARC-Payload-Digest: sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N\r\nWARC-Block-Digest: SHA-1:43a34659680d1ddd9b394cbe523a9b40c7b01427\r\n" +
		"Content-Length: 24\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello\r\n\r\n"
	got, err := readAll(t, []byte(file), ReaderOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	want := Record{
		Version: "WARC/1.0", Type: Response, ID: "urn:x", TargetURI: "http://example.org/",
		Date: time.Date(2016, 1, 11, 23, 24, 25, 4e8, time.UTC), ContentType: "application/http;msgtype=response",
		Fields:      []Field{{"X-Folded", "a b"}},
		Head:        []byte("HTTP/1.1 200 OK\r\n\r\n"),
		BlockDigest: "SHA-1:43a34659680d1ddd9b394cbe523a9b40c7b01427", PayloadDigest: "sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N",
	}
	if diff := cmp.Diff(want, got[0].Record); diff != "" || got[0].Body != "hello" {
		t.Errorf("-want, +got:\n%s\nbody %q", diff, got[0].Body)
	}
}

func TestDigestMismatchGoesOn(t *testing.T) {
	t.Parallel()
	file, _ := write(t, WriterOptions{Plain: true}, sample(t)[1:4]...)
	file = bytes.Replace(file, []byte("<p>Hello"), []byte("<p>Hullo"), 1)
	r := NewReader(bytes.NewReader(file), ReaderOptions{Verify: true})
	var types []Type
	mismatches := 0
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var mismatch *DigestError
		switch {
		case errors.As(err, &mismatch):
			mismatches++
		case err != nil:
			t.Fatal(err)
		default:
			types = append(types, rec.Type)
		}
	}
	if diff := cmp.Diff([]Type{Resource, Response, Request}, types); diff != "" || mismatches != 1 {
		t.Errorf("%d mismatches; types: -want, +got:\n%s", mismatches, diff)
	}
}

func TestBodyOnce(t *testing.T) {
	t.Parallel()
	file, _ := write(t, WriterOptions{}, sample(t)[2])
	rec, err := NewReader(bytes.NewReader(file), ReaderOptions{}).Next()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rec.Body.Open(); err != nil {
		t.Error(err)
	}
	if _, err := rec.Body.Open(); err == nil {
		t.Error("a body that is being read was opened again")
	}
}

func TestTwoRecordsInOneMember(t *testing.T) {
	t.Parallel()
	plain, _ := write(t, WriterOptions{Plain: true}, sample(t)[:2]...)
	_, err := readAll(t, gzipped(t, plain), ReaderOptions{})
	var format *FormatError
	if !errors.As(err, &format) || !strings.Contains(err.Error(), "gzip member") {
		t.Errorf("got %v; want a *FormatError", err)
	}
	short := bytes.Replace(plain[:bytes.Index(plain, []byte("WARC/1.1\r\nWARC-Type: resource"))], []byte("Content-Length: "), []byte("Content-Length: 9"), 1)
	if _, err = readAll(t, gzipped(t, short), ReaderOptions{}); !errors.As(err, &format) {
		t.Errorf("a length beyond the member: got %v; want a *FormatError", err)
	}
}
