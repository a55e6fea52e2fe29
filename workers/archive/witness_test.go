package archive

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestBrowsersAccount: records of what the browser took down say so, the page's info says
// who recorded it, and of two captures of a page the superseded one is not listed first.
func TestBrowsersAccount(t *testing.T) {
	t.Parallel()
	const address = "https://a.example/"
	wire := newPage(t, "p", address).get(address, "Document", "403 Forbidden", "", "no")
	wire.page.Status, wire.page.Superseded = 403, true

	conn := &recorder.Connection{ID: 7, Protocol: "h2", Opened: testTime, TLS: &recorder.TLS{Chain: [][]byte{{1}}}}
	taken := newPage(t, "p", address).over(conn).
		get(address, "Document", "200 OK", "x-orig-content-encoding: br\r\n", "the page").
		get("https://a.example/moved", "Fetch", "302 Found", "Location: /\r\n", "").
		get("http://a.example/plain", "Image", "200 OK", "", "plain")
	p := taken.page
	p.Recorder, p.RetryOf, p.Challenge = browser.RecorderBrowser, "it was answered 403 Forbidden", "cf-mitigated: challenge"
	p.Exchanges[0].Account = &recorder.Account{Decoded: true}
	p.Exchanges[1].Account = &recorder.Account{ResponseText: true, NoBody: "the browser hands out no body of a redirect"}
	p.Exchanges[1].Response.Body.Truncated = "unspecified"
	p.Exchanges[2].Conn = nil
	p.Tunnels = []recorder.Tunnel{
		{Host: "a.example:443", Conn: conn, Sent: 10, Received: 20, Started: testTime, Ended: testTime.Add(time.Second)},
		{Host: "b.example:443", Started: testTime, Ended: testTime, Failure: browser.ReasonAddressBlocked, Detail: "private"},
	}
	c := newChunk(t)
	add(t, c, taken, wire)
	file, r := closed(t, c)
	if len(file.Pages) != 2 {
		t.Errorf("entries %+v", file.Pages)
	}
	var marks []string
	var infos []string
	for _, rec := range records(t, r) {
		if mark, ok := rec.rec.Get(fieldRecorder); ok {
			marks = append(marks, string(rec.Type)+" "+rec.URI+" "+mark)
		}
		if strings.HasPrefix(rec.URI, "urn:pageinfo:") {
			infos = append(infos, rec.Body)
		}
	}
	want := []string{
		"response https://a.example/ browser; head=fields; body=decoded", "request https://a.example/ browser; head=fields",
		"response https://a.example/moved browser; head=text; body=identity", "request https://a.example/moved browser; head=fields",
	}
	if strings.Join(marks, "\n") != strings.Join(want, "\n") {
		t.Errorf("marked:\n%s\nwant\n%s", strings.Join(marks, "\n"), strings.Join(want, "\n"))
	}
	var second, first struct {
		Recorder, RetryOf, Refusal, Challenge string
		Tunnels                               []tunnelInfo
		Ledger                                []struct{ URL, Record, BodyNotCaptured string }
	}
	if len(infos) != 2 || json.Unmarshal([]byte(infos[0]), &second) != nil || json.Unmarshal([]byte(infos[1]), &first) != nil {
		t.Fatalf("page infos: %q", infos)
	}
	if second.Recorder != "Browser" || second.RetryOf == "" || second.Refusal != "" || second.Challenge == "" {
		t.Errorf("the second capture's info: %+v", second)
	}
	if len(second.Tunnels) != 2 || second.Tunnels[0].Exchanges != 2 || second.Tunnels[1].Failure != browser.ReasonAddressBlocked {
		t.Errorf("tunnels: %+v", second.Tunnels)
	}
	if l := second.Ledger[1]; l.BodyNotCaptured == "" || l.Record == "" {
		t.Errorf("the redirect's line: %+v", l)
	}
	if first.Recorder != "Wire" || first.Refusal != "it was answered 403 Forbidden" {
		t.Errorf("the first capture's info: %+v", first)
	}
	for list, want := range map[string]any{wacz.PagesPath: 200.0, wacz.ExtraPagesPath: 403.0} {
		for page, err := range r.PageList(list) {
			if err != nil || page.Extra["status"] != want {
				t.Errorf("%s lists %+v (%v), want one page of status %v", list, page, err, want)
			}
		}
	}
}
