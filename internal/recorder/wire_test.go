package recorder

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWireForms sends answers in every form through the recorder: the record
// has the head as it was, the body without its framing, and the browser gets
// what it would have got without a proxy.
func TestWireForms(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 8<<10)                                                   // 128 KB
	longHead := lines("HTTP/1.1 200 OK", "Content-Length: 2", "X-Long: "+strings.Repeat("x", 100<<10)) // over 64 KB
	tests := map[string]struct {
		reason string
		method string
		wire   string // what the origin sends before it closes
		// head is the final head, body and truncated what the record says.
		head, body, truncated, failure string
		interim                        int
		note, trailer                  string
		// browser is what the browser gets, if not the wire itself.
		browser string
	}{
		"Length":        {reason: "The plain case.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 5") + "hello", body: "hello"},
		"Case":          {reason: "Case and order of fields are kept.", wire: lines("HTTP/1.1 200 okay Then", "x-B: 1", "X-a: 2", "cOnTeNt-LeNgTh: 5") + "hello", body: "hello"},
		"Duplicates":    {reason: "Duplicate fields are kept.", wire: lines("HTTP/1.1 200 OK", "Set-Cookie: a=1", "Content-Length: 0", "Set-Cookie: b=2", "Set-Cookie: a=1")},
		"SpaceAround":   {reason: "So is white space.", wire: lines("HTTP/1.1 200 OK", "X:  two \t", "Content-Length:2") + "ok", body: "ok"},
		"NonASCII":      {reason: "And bytes that are no ASCII.", wire: lines("HTTP/1.1 200 \xc3\xa9", "Set-Cookie: n=\xff\xfe\xc3\xa9", "Content-Length: 2") + "ok", body: "ok"},
		"EmptyValue":    {reason: "Empty values and empty names are kept.", wire: lines("HTTP/1.1 200 OK", "X-Empty:", ": nameless", "Content-Length: 2") + "ok", body: "ok"},
		"Folded":        {reason: "Folded lines are kept.", wire: lines("HTTP/1.1 200 OK", "X-Folded: a", "\tb", " c", "Content-Length: 2") + "ok", body: "ok"},
		"NoColon":       {reason: "A line that is no field is kept.", wire: lines("HTTP/1.1 200 OK", "nonsense", "Content-Length: 2") + "ok", body: "ok"},
		"BareLF":        {reason: "Lines may end in LF alone.", wire: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", head: "HTTP/1.1 200 OK\nContent-Length: 2\n\n", body: "ok"},
		"NoReason":      {reason: "There may be no reason phrase.", wire: lines("HTTP/1.1 200", "Content-Length: 2") + "ok", body: "ok"},
		"LongHead":      {reason: "Heads may be long.", wire: longHead + "ok", body: "ok"},
		"SpaceBefore":   {reason: "White space before the colon does not hide a field.", wire: lines("HTTP/1.1 200 OK", "Content-Length : 2") + "ok", body: "ok"},
		"Empty":         {reason: "An empty body has no file.", wire: lines("HTTP/1.1 404 Not Found", "Content-Length: 0")},
		"NoContent":     {reason: "204 has no body.", wire: lines("HTTP/1.1 204 No Content")},
		"NotModified":   {reason: "304 has no body whatever its length says.", wire: lines("HTTP/1.1 304 Not Modified", "Content-Length: 500", "ETag: \"x\"")},
		"Head":          {reason: "Neither has the answer to HEAD.", method: "HEAD", wire: lines("HTTP/1.1 200 OK", "Content-Length: 500")},
		"HeadChunked":   {reason: "Nor when it would be chunked.", method: "HEAD", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")},
		"Chunked":       {reason: "Chunks are taken apart.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", body: "hello!", browser: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "6\r\nhello!\r\n0\r\n\r\n"},
		"ChunkedExt":    {reason: "Extensions of chunks are passed over.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: Chunked") + "5;a=b\r\nhello\r\n0;c\r\n\r\n", body: "hello", browser: lines("HTTP/1.1 200 OK", "Transfer-Encoding: Chunked") + "5\r\nhello\r\n0\r\n\r\n"},
		"Trailer":       {reason: "Trailers are kept.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Trailer: X-T") + "2\r\nok\r\n0\r\nX-T: 1\r\nx-u: 2\r\n\r\n", body: "ok", trailer: "X-T: 1\r\nx-u: 2\r\n"},
		"ChunkedEmpty":  {reason: "No chunk at all.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
		"ChunkedTwice":  {reason: "Said twice, done once (browsertrix-crawler #607).", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked, chunked") + "2\r\nok\r\n0\r\n\r\n", body: "ok", note: "chunked more than once"},
		"ChunkedTwice2": {reason: "In two fields.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "2\r\nok\r\n0\r\n\r\n", body: "ok", note: "chunked more than once"},
		"ChunkedLength": {reason: "Chunked beats a length.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 1", "Transfer-Encoding: chunked") + "2\r\nok\r\n0\r\n\r\n", body: "ok", note: "chunked and with a length"},
		"GzipChunked":   {reason: "Another coding within the chunks stays.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked") + "2\r\nok\r\n0\r\n\r\n", body: "ok"},
		"ChunkedLast":   {reason: "A coding that is not delimited ends with the connection.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked, gzip") + "ok", body: "ok", note: "does not end with chunked"},
		"Chunked10":     {reason: "HTTP/1.0 has no chunks.", wire: lines("HTTP/1.0 200 OK", "Transfer-Encoding: chunked") + "2\r\nok\r\n0\r\n\r\n", body: "2\r\nok\r\n0\r\n\r\n", note: "HTTP/1.0"},
		"ChunkedBad":    {reason: "Chunks that make no sense.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "2\r\nok\r\nzz\r\n", body: "ok", truncated: "disconnect", failure: ReasonInvalidResponse, browser: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "2\r\nok\r\n"},
		"ChunkedShort":  {reason: "The connection ends within a chunk.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "a\r\nhello", body: "hello", truncated: "disconnect", failure: ReasonConnectionReset, browser: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "5\r\nhello\r\n"},
		"ChunkedOpen":   {reason: "The last chunk never comes.", wire: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "2\r\nok\r\n", body: "ok", truncated: "disconnect", failure: ReasonConnectionReset},
		"ToClose":       {reason: "No length: to the end of the connection.", wire: lines("HTTP/1.1 200 OK") + "hello", body: "hello"},
		"ToClose10":     {reason: "HTTP/1.0.", wire: lines("HTTP/1.0 200 OK", "Content-Type: text/plain") + "hello", body: "hello"},
		"Short":         {reason: "Less than the length.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 10") + "hello", body: "hello", truncated: "disconnect", failure: ReasonConnectionReset},
		"Long":          {reason: "More than the length is no part of the answer.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 5") + "hello, world", body: "hello", note: "7 bytes or more", browser: lines("HTTP/1.1 200 OK", "Content-Length: 5") + "hello"},
		"SameLengths":   {reason: "The same length twice is a length.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 2", "Content-Length: 2, 2") + "ok", body: "ok"},
		"OtherLengths":  {reason: "Different lengths are refused.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 2", "Content-Length: 3") + "ok", truncated: "unspecified", failure: ReasonInvalidResponse, browser: "HTTP/1.1 502 Bad Gateway\r\nX-Crawlfleet-Reason: InvalidResponse\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n"},
		"BadLength":     {reason: "A length that is no number is none, as in Chrome.", wire: lines("HTTP/1.1 200 OK", "Content-Length: many") + "ok", body: "ok", note: "not a number"},
		"SignedLength":  {reason: "Neither is one with a sign.", wire: lines("HTTP/1.1 200 OK", "Content-Length: +2") + "ok", body: "ok", note: "not a number"},
		"EarlyHints":    {reason: "Interim answers are kept apart.", wire: lines("HTTP/1.1 103 Early Hints", "Link: </a>") + lines("HTTP/1.1 102 Processing") + lines("HTTP/1.1 200 OK", "Content-Length: 2") + "ok", head: lines("HTTP/1.1 200 OK", "Content-Length: 2"), body: "ok", interim: 2},
		"Unasked101":    {reason: "A protocol that was not asked for.", wire: lines("HTTP/1.1 101 Switching Protocols", "Upgrade: foo", "Connection: Upgrade"), truncated: "unspecified", failure: ReasonInvalidResponse, browser: "HTTP/1.1 502 Bad Gateway\r\nX-Crawlfleet-Reason: InvalidResponse\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n"},
		"Binary":        {reason: "Bodies are bytes.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 6") + "\x00\xff\r\n\x00\n", body: "\x00\xff\r\n\x00\n"},
		"Encoded":       {reason: "Content codings are kept, also false ones.", wire: lines("HTTP/1.1 200 OK", "Content-Encoding: gzip", "Content-Length: 8") + "not gzip", body: "not gzip"},
		"Big":           {reason: "Bodies larger than a piece.", wire: lines("HTTP/1.1 200 OK", "Content-Length: 131072") + big, body: big},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t)
			address := answering(t, tc.wire, true)
			method := "GET"
			if tc.method != "" {
				method = tc.method
			}
			got := talk(t, s, lines(method+" http://"+address+"/x HTTP/1.1", "Host: "+address))
			e := endOne(t, s)
			want := tc.wire
			if tc.browser != "" {
				want = tc.browser
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: the browser got (-want +got):\n%s", tc.reason, diff)
			}
			if e.Response == nil {
				t.Fatalf("%s: no response: %s %s", tc.reason, e.Failure, e.Detail)
			}
			head := tc.head
			if head == "" {
				head = tc.wire[:strings.Index(tc.wire, "\r\n\r\n")+4]
			}
			if diff := cmp.Diff(head, string(e.Response.Head)); diff != "" {
				t.Errorf("%s: head (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.body, contents(t, e.Response.Body)); diff != "" {
				t.Errorf("%s: body (-want +got):\n%s", tc.reason, diff)
			}
			if e.Response.Body.Truncated != tc.truncated || e.Failure != tc.failure || string(e.Response.Trailer) != tc.trailer || len(e.Interim) != tc.interim {
				t.Errorf("%s: truncated %q failure %q (%s) trailer %q interim %q", tc.reason, e.Response.Body.Truncated, e.Failure, e.Detail, e.Response.Trailer, e.Interim)
			}
			if notes := strings.Join(e.Notes, "; "); !strings.Contains(notes, tc.note) || (notes == "") != (tc.note == "") {
				t.Errorf("%s: notes %q, want %q", tc.reason, notes, tc.note)
			}
		})
	}
}

// TestNoAnswer are origins that give no head that could be passed on.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason, wire, failure, detail string
	}{
		"Nothing":  {"It closes without a word.", "", ReasonConnectionReset, "without an answer"},
		"Half":     {"It closes within the head.", "HTTP/1.1 200 OK\r\nContent-", ReasonConnectionReset, "within the head"},
		"HTTP09":   {"It speaks HTTP/0.9.", "<html>\r\n\r\n", ReasonInvalidResponse, "does not begin"},
		"HTTP2":    {"It speaks HTTP/2.", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\n\n", ReasonInvalidResponse, "does not begin"},
		"NoStatus": {"It has no status.", "HTTP/1.1 OK\r\n\r\n", ReasonInvalidResponse, "no status"},
		"Endless":  {"Its head has no end.", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1100<<10), ReasonInvalidResponse, "more than 1024 KB"},
		"Interims": {"It keeps clearing its throat.", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), ReasonInvalidResponse, "interim"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t)
			address := answering(t, tc.wire, true)
			got := talk(t, s, lines("GET http://"+address+"/ HTTP/1.1", "Host: x"))
			e := endOne(t, s)
			if e.Failure != tc.failure || !strings.Contains(e.Detail, tc.detail) || e.Response != nil {
				t.Errorf("%s: got %s, %q, %+v", tc.reason, e.Failure, e.Detail, e.Response)
			}
			if e.Conn == nil || e.Conn.Remote.String() != address {
				t.Errorf("%s: the connection is a fact: %+v", tc.reason, e.Conn)
			}
			if !strings.Contains(got, "HTTP/1.1 502 Bad Gateway\r\n"+ReasonHeader+": "+tc.failure+"\r\n") {
				t.Errorf("%s: the browser got %q", tc.reason, got)
			}
		})
	}
}

// TestRequestHeads: the origin gets the browser's bytes but for what the
// package comment lists.
func TestRequestHeads(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason, target string
		fields         []string
		want           []string // the whole head
		url            string
	}{
		"Plain":      {"The absolute form becomes the origin form.", "/a?b=c", []string{"Host: h", "X: 1"}, []string{"GET /a?b=c HTTP/1.1", "Host: h", "X: 1"}, "/a?b=c"},
		"NoPath":     {"An empty path is a slash.", "", []string{"Host: h"}, []string{"GET / HTTP/1.1", "Host: h"}, "/"},
		"QueryOnly":  {"Also before a query.", "?q", []string{"Host: h"}, []string{"GET /?q HTTP/1.1", "Host: h"}, "/?q"},
		"Escapes":    {"Escapes and odd bytes stay as they are.", "/%7e%2F/../a|b\xc3\xa9?%zz", []string{"Host: h"}, []string{"GET /%7e%2F/../a|b\xc3\xa9?%zz HTTP/1.1", "Host: h"}, "/%7e%2F/../a|b\xc3\xa9?%zz"},
		"ProxyConn":  {"Proxy-Connection is Connection without a proxy.", "/", []string{"Host: h", "Proxy-Connection: keep-alive", "user-AGENT: x"}, []string{"GET / HTTP/1.1", "Host: h", "Connection: keep-alive", "user-AGENT: x"}, "/"},
		"BothConn":   {"It is dropped where there is one.", "/", []string{"Proxy-Connection: keep-alive", "Host: h", "Connection: close"}, []string{"GET / HTTP/1.1", "Host: h", "Connection: close"}, "/"},
		"ProxyAuth":  {"Credentials for the proxy go no further.", "/", []string{"Host: h", "proxy-authorization: Basic eA==", "Authorization: Basic eQ=="}, []string{"GET / HTTP/1.1", "Host: h", "Authorization: Basic eQ=="}, "/"},
		"Duplicates": {"Order, case, duplicates and folding stay.", "/", []string{"x-B: 1", "Host: h", "X-b: 2", "x-F: a", "  b", "x-B: 1"}, []string{"GET / HTTP/1.1", "x-B: 1", "Host: h", "X-b: 2", "x-F: a", "  b", "x-B: 1"}, "/"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t)
			heads := make(chan string, 1)
			address := rawServer(t, func(c net.Conn, br *bufio.Reader) {
				heads <- readRequestHead(br)
				_, _ = io.WriteString(c, lines("HTTP/1.1 200 OK", "Content-Length: 0", "Connection: close"))
			})
			talk(t, s, lines(append([]string{"GET http://" + address + tc.target + " HTTP/1.1"}, tc.fields...)...))
			e := endOne(t, s)
			want := lines(tc.want...)
			if diff := cmp.Diff(want, <-heads); diff != "" {
				t.Errorf("%s: the origin got (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(want, string(e.Request.Head)); diff != "" {
				t.Errorf("%s: recorded (-want +got):\n%s", tc.reason, diff)
			}
			if want := "http://" + address + tc.url; e.URL != want || e.Method != http.MethodGet {
				t.Errorf("%s: %s %s, want %s", tc.reason, e.Method, e.URL, want)
			}
		})
	}
}

// TestBadRequests never reach an origin.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"Origin form without a tunnel": lines("GET / HTTP/1.1", "Host: h"),
		"Another scheme":               lines("GET ftp://127.0.0.1/ HTTP/1.1", "Host: h"),
		"HTTPS without a tunnel":       lines("GET https://127.0.0.1/ HTTP/1.1", "Host: h"),
		"User in the URL":              lines("GET http://u:p@127.0.0.1/ HTTP/1.1", "Host: h"),
		"No host":                      lines("GET http:/// HTTP/1.1", "Host: h"),
		"CONNECT without a port":       lines("CONNECT 127.0.0.1 HTTP/1.1", "Host: h"),
		"HTTP/2":                       lines("PRI * HTTP/2.0"),
		"Two lengths":                  lines("POST http://127.0.0.1/ HTTP/1.1", "Content-Length: 1", "Content-Length: 2") + "x",
		"Length and chunked":           lines("POST http://127.0.0.1/ HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		"Unknown coding":               lines("POST http://127.0.0.1/ HTTP/1.1", "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
		"No request line":              "\r\n\r\nnonsense\r\n\r\n",
	}
	for name, wire := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t)
			if got := talk(t, s, wire); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
				t.Errorf("got %q", got)
			}
			if list := end(t, s); len(list) != 0 {
				t.Errorf("recorded %+v", list)
			}
		})
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd":  "gzip, deflate, br",
		"zstd, gzip":               "gzip",
		"gzip, br, zstd, dcb, dcz": "gzip, br",
		"zstd":                     "",
		"gzip;q=1.0, ZSTD;q=0.5":   "gzip;q=1.0",
		"gzip, deflate":            "gzip, deflate",
		"":                         "",
	} {
		if got := string(new(request).readable([]byte(accept))); got != want {
			t.Errorf("%q became %q, want %q", accept, got, want)
		}
	}
}
