package warc

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDechunkedHead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, head, want string }{
		"None":    {"Nothing to rename.", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"},
		"Chunked": {"Renamed, the rest to the byte.", "HTTP/1.1 200 OK\r\ntransfer-ENCODING :chunked \r\nA:b\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Crawlfleet-Orig-Transfer-Encoding :chunked \r\nA:b\r\n\r\n"},
		"Twice":   {"All of them.", "HTTP/1.1 200 OK\nTransfer-Encoding: a\nTransfer-Encoding: b\n\n", "HTTP/1.1 200 OK\nX-Crawlfleet-Orig-Transfer-Encoding: a\nX-Crawlfleet-Orig-Transfer-Encoding: b\n\n"},
		"Similar": {"Another name stays.", "HTTP/1.1 200 OK\r\nTransfer-Encodings: a\r\nX: Transfer-Encoding: b\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encodings: a\r\nX: Transfer-Encoding: b\r\n\r\n"},
		"Start":   {"The start line is no field.", "Transfer-Encoding: a\r\n\r\n", "Transfer-Encoding: a\r\n\r\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := []byte(tc.head)
			if got := string(DechunkedHead(in)); got != tc.want || string(in) != tc.head {
				t.Errorf("\n%s\nDechunkedHead(%q): got %q; want %q", tc.reason, tc.head, got, tc.want)
			}
		})
	}
}

func TestHTTPField(t *testing.T) {
	t.Parallel()
	head := []byte("HTTP/1.1 200 OK\r\nA: 1\r\nContent-type:  text/html;\r\n\tcharset=utf-8 \r\nA: 2\r\nEmpty:\r\n\r\nB: 3\r\n")
	orig := bytes.Clone(head)
	for name, want := range map[string]string{"a": "1", "Content-Type": "text/html; charset=utf-8", "Empty": "", "C": ""} {
		if got := HTTPField(head, name); got != want {
			t.Errorf("HTTPField(%q): got %q; want %q", name, got, want)
		}
	}
	if !bytes.Equal(head, orig) {
		t.Error("the head was changed")
	}
	if got := StartLine(head); got != "HTTP/1.1 200 OK" {
		t.Errorf("StartLine: got %q", got)
	}
}

func TestEscapeValue(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text, wörld": "plain text, wörld",
		" a\r\nb\x00\x7f ":  "a%0D%0Ab%00%7F",
		"\t":                "%09",
		"\u0085":            "",
		"\ufffd x":          "\ufffd x",
	} {
		got := EscapeValue(in)
		if got != want {
			t.Errorf("EscapeValue(%q): got %q; want %q", in, got, want)
		}
		if _, err := FormatFields([]Field{{"x", got}}); err != nil {
			t.Errorf("EscapeValue(%q) makes %q: %v", in, got, err)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	for _, d := range []Digest{
		"sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ", "sha-1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:4OYMIQUY7QOBJGX36TEJS35ZEQT24QPEMSNZGTFESWMRW6CSXBKQ====", "md5:d41d8cd98f00b204e9800998ecf8427e",
	} {
		h, sum, err := d.Parse()
		if err != nil {
			t.Errorf("%s: %v", d, err)
			continue
		}
		if !bytes.Equal(h.Sum(nil), sum) {
			t.Errorf("%s is not the digest of nothing", d)
		}
	}
	for _, d := range []Digest{"", "x", "sha256:", "sha256:abc", "sha1:!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", "sha3:00"} {
		if _, _, err := d.Parse(); err == nil {
			t.Errorf("%q: want an error", d)
		}
	}
}
