package warc

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader reads anything, and expects of all that it can read and write that
// it is the same when it is read again.
func FuzzReader(f *testing.F) {
	plain, _ := write(f, WriterOptions{Plain: true}, sample(f)...)
	zipped, _ := write(f, WriterOptions{}, sample(f)[:3]...)
	f.Add(plain)
	f.Add(zipped)
	f.Add(plain[:len(plain)/2])
	f.Add([]byte("WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:x>\r\nWARC-Date: 2016\r\n" +
		"Content-Type: application/http\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := NewReader(bytes.NewReader(file), ReaderOptions{MaxHeader: 64 << 10, Verify: true})
		end := int64(0)
		for {
			rec, err := r.Next()
			if err != nil {
				return
			}
			if r.Location().Offset < end {
				t.Fatalf("record at %d starts before %d", r.Location().Offset, end)
			}
			body, err := rec.Body.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(io.LimitReader(body, 1<<20))
			if err != nil {
				return
			}
			done, err := r.Finish()
			if err != nil {
				return
			}
			end = done.Offset + done.Length
			if end > int64(len(file)) {
				t.Fatalf("record ends at %d of %d bytes", end, len(file))
			}
			if int64(len(content)) == rec.Body.Size() {
				checkWriteRead(t, rec, content)
			}
		}
	})
}

func checkWriteRead(t *testing.T, rec *Record, content []byte) {
	t.Helper()
	again := *rec
	again.Body = Bytes(content)
	var b bytes.Buffer
	w := NewWriter(&b, WriterOptions{Plain: true})
	done, err := w.Write(&again)
	if err != nil {
		return // the writer is stricter
	}
	got, err := readAll(t, b.Bytes(), ReaderOptions{Verify: true})
	if err != nil || len(got) != 1 {
		t.Fatalf("wrote %q, read %d records: %v", b.Bytes(), len(got), err)
	}
	want := again
	want.Body, want.Version = nil, "WARC/1.1"
	want.BlockDigest, want.PayloadDigest = done.BlockDigest, done.PayloadDigest
	want.Date = got[0].Record.Date
	if FormatDate(want.Date) != FormatDate(again.Date) {
		t.Fatalf("date: wrote %v, read %v", again.Date, want.Date)
	}
	if diff := cmp.Diff(want, got[0].Record); diff != "" || got[0].Body != string(content) {
		t.Fatalf("-written, +read:\n%s", diff)
	}
}
