package browser

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// told is an event as Chrome tells it.
type told struct{ method, params string }

// orders are all ways in which two lists, each in its own order, can come together.
func orders(a, b []told) [][]told {
	if len(a) == 0 || len(b) == 0 {
		return [][]told{append(append([]told(nil), a...), b...)}
	}
	var out [][]told
	for _, rest := range orders(a[1:], b) {
		out = append(out, append([]told{a[0]}, rest...))
	}
	for _, rest := range orders(a, b[1:]) {
		out = append(out, append([]told{b[0]}, rest...))
	}
	return out
}

// TestExtraInfoInAnyOrder: the network service tells the true heads of requests and answers
// in its own time, before, between or after what the page's process tells of them. In every
// order the record is the same, and so is the ledger.
func TestExtraInfoInAnyOrder(t *testing.T) {
	t.Parallel()
	request := func(method, address string) string {
		return fmt.Sprintf(`{"url":%q,"method":%q,"headers":{"User-Agent":"page"}}`, address, method)
	}
	response := func(status int, address string) string {
		return fmt.Sprintf(`{"url":%q,"status":%d,"mimeType":"text/html","headers":{"X-Seen":"page"},"connectionId":1,"protocol":"http/1.1"}`, address, status)
	}
	const first, second = "https://a.test/first", "https://a.test/second"
	extras := []told{
		{"Network.requestWillBeSentExtraInfo", `{"requestId":"1","headers":{"Cookie":"a=1","User-Agent":"wire"}}`},
		{"Network.responseReceivedExtraInfo", `{"requestId":"1","statusCode":302,"headers":{"Location":"/second","Set-Cookie":"b=2"},"headersText":"HTTP/1.1 302 Found\r\nLocation: /second\r\nSet-Cookie: b=2\r\n\r\n"}`},
		{"Network.requestWillBeSentExtraInfo", `{"requestId":"1","headers":{"Cookie":"a=1; b=2","User-Agent":"wire"}}`},
		{"Network.responseReceivedExtraInfo", `{"requestId":"1","statusCode":200,"headers":{"Set-Cookie":"c=3"},"headersText":"HTTP/1.1 200 OK\r\nSet-Cookie: c=3\r\nContent-Length: 0\r\n\r\n"}`},
	}
	sent := `"requestId":"1","loaderId":"1","frameId":"main","type":"Document"`
	tests := map[string]struct {
		reason       string
		page, extras []told
		heads        []string // of the requests, then of the answers
	}{
		"Redirect": {"A redirect and what it leads to have one ID.", []told{
			{"Network.requestWillBeSent", `{` + sent + `,"request":` + request("GET", first) + `}`},
			{"Network.requestWillBeSent", `{` + sent + `,"request":` + request("GET", second) + `,"redirectHasExtraInfo":true,"redirectResponse":` + response(302, first) + `}`},
			{"Network.responseReceived", `{"requestId":"1","type":"Document","hasExtraInfo":true,"response":` + response(200, second) + `}`},
			{"Network.loadingFinished", `{"requestId":"1"}`},
		}, extras, []string{
			"GET /first HTTP/1.1\r\nhost: a.test\r\nCookie: a=1\r\nUser-Agent: wire\r\n\r\n",
			"GET /second HTTP/1.1\r\nhost: a.test\r\nCookie: a=1; b=2\r\nUser-Agent: wire\r\n\r\n",
			"HTTP/1.1 302 Found\r\nLocation: /second\r\nSet-Cookie: b=2\r\n\r\n",
			"HTTP/1.1 200 OK\r\nSet-Cookie: c=3\r\nContent-Length: 0\r\n\r\n",
		}},
		"NotModified": {"The page is shown what is in the cache for a 304.", []told{
			{"Network.requestWillBeSent", `{` + sent + `,"request":` + request("GET", first) + `}`},
			{"Network.responseReceived", `{"requestId":"1","type":"Document","hasExtraInfo":true,"response":` + response(200, first) + `}`},
			{"Network.loadingFinished", `{"requestId":"1"}`},
		}, []told{
			{"Network.requestWillBeSentExtraInfo", `{"requestId":"1","headers":{"If-None-Match":"x"}}`},
			{"Network.responseReceivedExtraInfo", `{"requestId":"1","statusCode":304,"headers":{"Etag":"x"}}`},
		}, []string{"GET /first HTTP/1.1\r\nhost: a.test\r\nIf-None-Match: x\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nEtag: x\r\n\r\n"}},
		"Failed": {"An answer that breaks off after its head.", []told{
			{"Network.requestWillBeSent", `{` + sent + `,"request":` + request("GET", first) + `}`},
			{"Network.responseReceived", `{"requestId":"1","type":"Document","hasExtraInfo":true,"response":` + response(200, first) + `}`},
			{"Network.loadingFailed", `{"requestId":"1","errorText":"net::ERR_CONNECTION_RESET"}`},
		}, extras[:1:1], nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []recorder.Exchange
			var lines []Line
			ways := orders(tc.page, tc.extras)
			if len(ways) < 4 {
				t.Fatalf("%d orders", len(ways))
			}
			for i, events := range ways {
				got, ledger := takenDown(t, events)
				if i == 0 {
					want, lines = got, ledger
					continue
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s: in the order %v the record is another (-want +got):\n%s", tc.reason, events, diff)
				}
				if diff := cmp.Diff(lines, ledger); diff != "" {
					t.Fatalf("%s: in the order %v the ledger is another (-want +got):\n%s", tc.reason, events, diff)
				}
			}
			var heads []string
			for _, e := range want {
				heads = append(heads, string(e.Request.Head))
			}
			for _, e := range want {
				heads = append(heads, string(e.Response.Head))
			}
			if diff := cmp.Diff(tc.heads, heads); tc.heads != nil && diff != "" {
				t.Errorf("%s: heads (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// takenDown is what is made of events at a time that stands still.
func takenDown(t *testing.T, events []told) ([]recorder.Exchange, []Line) {
	t.Helper()
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	a := newAccount(now, "main", "")
	k := &intercept{
		account: a, now: now, byID: map[string]*chain{}, sock: map[string]*socket{},
		chainOf: map[string][][]byte{"a.test:443": nil}, // asked for already
	}
	k.ctx, k.end = context.WithCancel(t.Context())
	s := new(session)
	for _, ev := range events {
		if !k.event(s, false, ev.method, jsonv2.Value(ev.params)) {
			a.event(ev.method, jsonv2.Value(ev.params))
		}
	}
	k.stop()
	var out []recorder.Exchange
	for _, e := range k.exchanges() {
		out = append(out, e.Exchange)
	}
	var lines []Line
	for _, l := range a.lines {
		lines = append(lines, *l)
	}
	return out, lines
}
