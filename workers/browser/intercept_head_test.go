package browser

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequestHead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason, method, address string
		f                       fields
		want                    string
	}{
		"HTTP1": {
			reason: "As Chrome tells it.", method: "GET", address: "https://a.test/x?y=1#z", f: fields{"Host": "a.test", "Accept": "*/*", "sec-ch-ua": "x"},
			want: "GET /x?y=1 HTTP/1.1\r\nAccept: */*\r\nHost: a.test\r\nsec-ch-ua: x\r\n\r\n",
		},
		"HTTP2": {
			reason: "Pseudo fields become the start line and host.", method: "POST", address: "https://a.test/",
			f:    fields{":authority": "a.test:8443", ":method": "POST", ":path": "/p?q", ":scheme": "https", "accept": "*/*"},
			want: "POST /p?q HTTP/1.1\r\nhost: a.test:8443\r\naccept: */*\r\n\r\n",
		},
		"Folded": {
			reason: "What came more than once is told in one.", method: "GET", address: "https://a.test/", f: fields{"Host": "a.test", "X": "1\n2"},
			want: "GET / HTTP/1.1\r\nHost: a.test\r\nX: 1\r\nX: 2\r\n\r\n",
		},
		"Percent": {
			reason: "A sign that starts no escape.", method: "GET", address: "https://a.test/100%-cotton?5%", f: fields{"Host": "a.test"},
			want: "GET /100%-cotton?5% HTTP/1.1\r\nHost: a.test\r\n\r\n",
		},
		"Nothing": {
			reason: "There is always a host.", method: "GET", address: "https://[::1]:8443", want: "GET / HTTP/1.1\r\nhost: [::1]:8443\r\n\r\n",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, string(requestHead(tc.method, tc.address, tc.f))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestResponseHead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		status int
		text   string
		f      fields
		order  []pairOfFields
		want   string
	}{
		"Order": {
			reason: "The pause knows the order, the network service what pages may not see.", status: 200,
			f:     fields{"content-type": "text/html", "set-cookie": "a=1\nb=2", "x-a": "1\n2", "date": "d"},
			order: []pairOfFields{{"x-a", "1"}, {"content-type", "text/html"}, {"x-a", "2"}, {"date", "d"}},
			want:  "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-type: text/html\r\nx-a: 2\r\ndate: d\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n",
		},
		"PauseAlone": {
			reason: "Of a beacon there is nothing else.", status: 404, text: "Gone Fishing", order: []pairOfFields{{"A", "1"}, {"A", "1"}},
			want: "HTTP/1.1 404 Gone Fishing\r\nA: 1\r\nA: 1\r\n\r\n",
		},
		"Injection": {
			reason: "A head stays one.", status: 200, text: "O\r\nX: K", f: fields{"a\r\nb": "1", "c": "1\r2"}, order: []pairOfFields{{"d: e", "1"}},
			want: "HTTP/1.1 200 OX: K\r\nc: 12\r\n\r\n",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, string(responseHead(tc.status, tc.text, tc.f, tc.order))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodedHead(t *testing.T) {
	t.Parallel()
	got := decodedHead([]byte("HTTP/1.1 200 OK\r\nContent-encoding: gzip\r\nX: Content-Length: 1\r\nContent-Length: 20\r\n\r\n"), 99)
	want := "HTTP/1.1 200 OK\r\nx-orig-Content-encoding: gzip\r\nX: Content-Length: 1\r\nx-orig-Content-Length: 20\r\nContent-Length: 99\r\n\r\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for encoding, decoded := range map[string]bool{"": false, "identity": false, "gzip": true, "GZIP, br": true, "zstd": true, "gzip, secret": false, "deflate, identity": true} {
		if decodes(encoding) != decoded {
			t.Errorf("decodes(%q) = %v", encoding, !decoded)
		}
	}
}

func TestCipherSuite(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]securityDetails{
		"TLS_AES_128_GCM_SHA256":                        {Protocol: "TLS 1.3", Cipher: "AES_128_GCM"},
		"TLS_CHACHA20_POLY1305_SHA256":                  {Protocol: "TLS 1.3", Cipher: "CHACHA20_POLY1305"},
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384":         {Protocol: "TLS 1.2", KeyExchange: "ECDHE_RSA", Cipher: "AES_256_GCM"},
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": {Protocol: "TLS 1.2", KeyExchange: "ECDHE_ECDSA", Cipher: "CHACHA20_POLY1305"},
		"RSA AES_128_CBC HMAC-SHA1":                     {Protocol: "TLS 1.2", KeyExchange: "RSA", Cipher: "AES_128_CBC", MAC: "HMAC-SHA1"},
	} {
		if got := cipherSuite(&d); got != want {
			t.Errorf("%+v: %q, want %q", d, got, want)
		}
	}
}

// FuzzHeads: whatever the browser tells, a head is one head.
func FuzzHeads(f *testing.F) {
	f.Add("GET", "https://a.test/x", "Host", "a.test", "OK", 200)
	f.Add("G\r\nX", "https://a.test/\r\n\r\n", "a:b", "1\n2\r\n\r\n3", "\n\n", 99)
	f.Add("", "::", ":authority", "a\r\nb", "", -1)
	f.Fuzz(func(t *testing.T, method, address, name, value, reason string, status int) {
		both := fields{name: value}
		for _, head := range [][]byte{
			requestHead(method, address, both),
			responseHead(status, reason, both, []pairOfFields{{name, value}}),
			responseHead(status, reason, nil, []pairOfFields{{name, value}}),
		} {
			if bytes.Index(head, []byte("\r\n\r\n")) != len(head)-4 || bytes.Count(head, []byte("\r")) != bytes.Count(head, []byte("\n")) || bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) {
				t.Errorf("%q", head)
			}
			decoded := decodedHead(head, 7)
			if !bytes.HasSuffix(decoded, []byte("Content-Length: 7\r\n\r\n")) || strings.Contains(strings.ToLower(string(decoded)), "\r\ncontent-encoding:") {
				t.Errorf("decoded %q of %q", decoded, head)
			}
		}
	})
}

func TestSavedDocuments(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind, disposition string
		status            int
		want              bool
	}{
		{kind: "text/html; charset=utf-8"}, {kind: "application/xhtml+xml"}, {kind: "image/png"}, {kind: "application/json"}, {kind: ""}, {kind: "nonsense"},
		{kind: "application/zip", want: true}, {kind: "application/pdf", want: true}, {kind: "application/octet-stream", want: true}, {kind: "text/csv", want: true},
		{kind: "text/html", disposition: "attachment; filename=x.html", want: true}, {kind: "text/html", disposition: "inline"},
		{kind: "application/zip", status: http.StatusNotFound},
	} {
		p := takenPause{Status: tc.status, Headers: []pairOfFields{{"content-type", tc.kind}, {"Content-Disposition", tc.disposition}}}
		if p.Status == 0 {
			p.Status = http.StatusOK
		}
		if got := p.saved(); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
