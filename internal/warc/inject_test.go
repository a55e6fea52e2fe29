package warc

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzFields writes a record with any text in every field that a page has a say in. Either
// it is refused, or the file has this one record with these fields: a value never makes
// another field, or another record.
func FuzzFields(f *testing.F) {
	for _, s := range []string{
		"text/html", "a\r\nWARC-Type: metadata", "a\nWARC-Type: metadata", "a\rb", "\r\n\r\nWARC/1.1\r\n", "a\r\n\r\n", "x\x00y", "\x1b[2J", " a", "a\t", "",
		"a: b", "---\nadmin: true", "\x85", "a\u2028b", "a\u0085b", "<urn:x>", "a\r\n b",
	} {
		f.Add("urn:"+s, s, s, s)
		f.Add("http://a.example/", s, "WARC-X", s)
	}
	f.Fuzz(func(t *testing.T, uri, mime, name, value string) {
		rec := NewResource(uri, time.Unix(0, 0), mime, Text("body"))
		rec.ID = "urn:uuid:00000000-0000-4000-8000-000000000001"
		rec.Add(name, value)
		var b bytes.Buffer
		if _, err := NewWriter(&b, WriterOptions{Plain: true}).Write(rec); err != nil {
			if !errors.Is(err, ErrField) || b.Len() > 0 {
				t.Fatalf("wrote %d bytes: %v", b.Len(), err)
			}
			return
		}
		header, _, _ := strings.Cut(b.String(), "\r\n\r\n")
		fields := strings.FieldsFunc(header, func(r rune) bool { return r == '\r' || r == '\n' })[1:]
		want := []string{"WARC-Type", "WARC-Record-ID", "WARC-Date", "WARC-Target-URI", name, "WARC-Payload-Digest", "WARC-Block-Digest", "Content-Type", "Content-Length"}
		if mime == "" {
			want = append(want[:7], want[8])
		}
		if len(fields) != len(want) {
			t.Fatalf("%d fields, want %d: %q", len(fields), len(want), header)
		}
		for i, field := range fields {
			if got, _, _ := strings.Cut(field, ": "); got != want[i] {
				t.Errorf("field %d is %q, want %q", i, got, want[i])
			}
		}
		all, err := readAll(t, b.Bytes(), ReaderOptions{Verify: true})
		if err != nil || len(all) != 1 {
			t.Fatalf("read %d records of %q: %v", len(all), b.Bytes(), err)
		}
		got := all[0].Record
		if v, _ := got.Get(name); got.TargetURI != uri || got.ContentType != mime || v != value || len(got.Fields) != 1 || all[0].Body != "body" {
			t.Errorf("read %+v", got)
		}
	})
}

// FuzzEscapeValue: what was escaped can be written, whatever it was.
func FuzzEscapeValue(f *testing.F) {
	f.Add("a\r\nWARC-Type: metadata")
	f.Add(" \x1b[2J\x00 ")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := FormatFields([]Field{{"description", EscapeValue(s)}}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}
