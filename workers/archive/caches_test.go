package archive

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// What a 304 stands for is what the browser that asked had in its cache, whatever record
// that has become.
func TestNotModifiedStandsForWhatTheCacheHeld(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 300), strings.Repeat("b", 300)
	type answer struct {
		cache               int64
		url, body, tag, ask string // no body: 304
	}
	for name, tc := range map[string]struct {
		answers []answer
		want    string // body that the last answer, a 304, refers to; empty for none
	}{
		"the last one":          {[]answer{{1, "/x", a, "", ""}, {1, "/x", b, "", ""}, {1, "/x", "", "", ""}}, b},
		"one that came back":    {[]answer{{1, "/x", a, "", ""}, {1, "/x", b, "", ""}, {1, "/x", a, "", ""}, {1, "/x", "", "", ""}}, a},
		"a copy of another's":   {[]answer{{1, "/y", a, "", ""}, {1, "/x", a, "", ""}, {1, "/x", "", "", ""}}, a},
		"another browser's":     {[]answer{{1, "/x", a, "", ""}, {2, "/x", b, "", ""}, {1, "/x", "", "", ""}}, a},
		"only another browser":  {[]answer{{2, "/x", a, "", ""}, {1, "/x", "", "", ""}}, ""},
		"the tag agrees":        {[]answer{{1, "/x", a, `"1"`, ""}, {1, "/x", "", `W/"1"`, ""}}, a},
		"the tag is another's":  {[]answer{{1, "/x", a, `"1"`, ""}, {1, "/x", "", `"2"`, ""}}, ""},
		"one of those asked":    {[]answer{{1, "/x", a, `"1"`, ""}, {1, "/x", "", "", `"0", "1"`}}, a},
		"none of those asked":   {[]answer{{1, "/x", a, `"1"`, ""}, {1, "/x", "", "", `"7"`}}, ""},
		"without any tag":       {[]answer{{1, "/x", a, "", ""}, {1, "/x", "", `"2"`, ""}}, a},
		"nothing was ever held": {[]answer{{1, "/x", "", "", ""}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChunk(t)
			for i, at := range tc.answers {
				p := newPage(t, fmt.Sprint("p", i), "http://a.example/").get("http://a.example/", "Document", "200 OK", "", fmt.Sprint("page ", i))
				status, head := "200 OK", ""
				if at.body == "" {
					status = "304 Not Modified"
				}
				if at.tag != "" {
					head = "ETag: " + at.tag + "\r\n"
				}
				p.get("http://a.example"+at.url, "Script", status, head, at.body)
				e := &p.page.Exchanges[1]
				e.Started = testTime.Add(time.Duration(i) * time.Second)
				if at.ask != "" {
					e.Request.Head = []byte("GET /x HTTP/1.1\r\nif-none-match: " + at.ask + "\r\n\r\n")
				}
				p.page.Cache = at.cache
				add(t, c, p)
			}
			_, r := closed(t, c)
			all := records(t, r)
			last := lastOf(all, "http://a.example/x")
			if tc.want == "" {
				if last.Type != warc.Response || last.Refers != "" {
					t.Errorf("the 304 became %+v, want a response that refers to nothing", last)
				}
				return
			}
			i := slices.IndexFunc(all, func(r record) bool { return r.ID == last.Refers })
			if last.Type != warc.Revisit || i < 0 || all[i].Body != tc.want {
				t.Errorf("the 304 became %+v, want a revisit of %.5s…", last, tc.want)
			}
		})
	}
}

func lastOf(all []record, uri string) record {
	var last record
	for _, r := range all {
		if r.URI == uri && (r.Type == warc.Response || r.Type == warc.Revisit) {
			last = r
		}
	}
	return last
}

// A line of the ledger that was answered from the cache has the record that was there at
// that time, and not one that came after.
func TestCachedLineHasTheRecordOfItsTime(t *testing.T) {
	t.Parallel()
	const x = "http://a.example/x"
	first, second := strings.Repeat("1", 300), strings.Repeat("2", 300)
	before := newPage(t, "p0", "http://a.example/").get("http://a.example/", "Document", "200 OK", "", "zero").get(x, "Script", "200 OK", "", "old")
	page := newPage(t, "p1", "http://a.example/").get("http://a.example/", "Document", "200 OK", "", "one").
		get(x, "Script", "200 OK", "", first).get(x, "Script", "200 OK", "", second)
	for _, at := range []time.Duration{5, 25, 35} { // answers at 20 and 30 ms
		page.line(browser.Line{RequestID: fmt.Sprint("c", int(at)), URL: x, Method: "GET", Type: "Script", Outcome: browser.OutcomeCache, Started: at * time.Millisecond})
	}
	c := newChunk(t)
	add(t, c, before, page)
	_, r := closed(t, c)
	all := records(t, r)
	ids := map[string]string{}
	for _, rec := range all {
		if rec.URI == x && rec.Type == warc.Response {
			ids[rec.Body] = rec.ID
		}
	}
	info := all[slices.IndexFunc(all, func(r record) bool {
		return r.URI == "urn:pageinfo:http://a.example/" && strings.Contains(r.Body, `"c25"`)
	})]
	var got []string
	for _, part := range strings.Split(info.Body, `"requestId":"c`)[1:] {
		_, rest, _ := strings.Cut(part, `"record":"`)
		id, _, _ := strings.Cut(rest, `"`)
		got = append(got, id)
	}
	if want := []string{ids["old"], ids[first], ids[second]}; !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

// A document that a service worker made up has no record. The page says so, and counts as
// incomplete; one that the worker took from what it had stored before has the record of that.
func TestDocumentOfAServiceWorker(t *testing.T) {
	t.Parallel()
	document := func(id, address string) *pageBuilder {
		return newPage(t, id, address).line(browser.Line{RequestID: "1", URL: address, Method: "GET", Type: "Document", FrameID: "F", Outcome: browser.OutcomeInternal})
	}
	c := newChunk(t)
	first := newPage(t, "p0", "http://a.example/").get("http://a.example/", "Document", "200 OK", "", "one")
	stored, made := document("p1", "http://a.example/"), document("p2", "http://a.example/made-up")
	add(t, c, first, stored, made)
	if why := stored.page.Incomplete(); why != "" {
		t.Errorf("what was stored is incomplete: %s", why)
	}
	if why := made.page.Incomplete(); !strings.Contains(why, "answered by a service worker") {
		t.Errorf("what was made up is incomplete: %q", why)
	}
	_, r := closed(t, c)
	info := find(t, records(t, r), warc.Metadata, "urn:pageinfo:http://a.example/made-up")
	if !strings.Contains(info.Body, `"name":"NoDocument"`) {
		t.Errorf("the page's info does not tell: %s", info.Body)
	}
}
