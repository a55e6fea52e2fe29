package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// TestVisit: what a later visit is compared with is what the records hold.
func TestVisit(t *testing.T) {
	t.Parallel()
	const address = "http://a.example/"
	long := strings.Repeat("the same page ", 40)
	get := func(p *pageBuilder, status, head, body string) *pageBuilder {
		return p.get(address, "Document", status, head, body)
	}
	for name, tc := range map[string]struct {
		reason string
		make   func(p *pageBuilder)
		want   visits.Visit // URL and At, but for pages without a document, are filled in
	}{
		"Plain": {"Digest and validators are those of the answer.", func(p *pageBuilder) {
			get(p, "200 OK", "ETag: W/\"1\"\r\nLast-Modified: Wed, 21 Oct 2030 07:28:00 GMT\r\n", "page")
		}, visits.Visit{Status: 200, Digest: digestOf("page"), ETag: `W/"1"`, LastModified: "Wed, 21 Oct 2030 07:28:00 GMT"}},
		"Text": {"The text is known by its own digest.", func(p *pageBuilder) {
			p.page.TextFile = get(p, "200 OK", "", "page").file("text", "what it shows")
		}, visits.Visit{Status: 200, Digest: digestOf("page"), Text: digestOf("what it shows")}},
		"Empty": {"Nothing is a body too.", func(p *pageBuilder) { get(p, "404 Not Found", "", "") }, visits.Visit{Status: 404, Digest: digestOf("")}},
		"Coded": {"What is on the wire is coded.", func(p *pageBuilder) { get(p, "200 OK", "Content-Encoding: GZIP\r\n", "packed") },
			visits.Visit{Status: 200, Digest: digestOf("packed"), Coding: "gzip"}},
		"Decoded": {"What the browser tells is not.", func(p *pageBuilder) {
			get(p, "200 OK", "Content-Encoding: gzip\r\n", "plain").page.Exchanges[0].Account = &recorder.Account{Decoded: true}
		}, visits.Visit{Status: 200, Digest: digestOf("plain")}},
		"CutOff": {"A part is no document.", func(p *pageBuilder) {
			get(p, "200 OK", "", "pa").page.Exchanges[0].Response.Body.Truncated = "length"
		}, visits.Visit{Status: 200}},
		"TwoTags": {"Two tags are none.", func(p *pageBuilder) { get(p, "200 OK", "ETag: \"1\"\r\nETag: \"2\"\r\n", "page") },
			visits.Visit{Status: 200, Digest: digestOf("page")}},
		"Elsewhere": {"A redirect leads to the document.", func(p *pageBuilder) {
			get(p, "302 Found", "Location: /there\r\n", "").get("http://a.example/there", "Document", "200 OK", "", "page")
		}, visits.Visit{Status: 200, Digest: digestOf("page"), Document: "http://a.example/there"}},
		"Repeated": {"A body that the chunk has already is the same body.", func(p *pageBuilder) {
			p.get("http://a.example/copy", "Other", "200 OK", "", long)
			get(p, "200 OK", "", long)
		}, visits.Visit{Status: 200, Digest: digestOf(long)}},
		"NotModified": {"The document is what the cache held.", func(p *pageBuilder) {
			p.get(address, "Other", "200 OK", "ETag: \"1\"\r\n", "held")
			get(p, "304 Not Modified", "ETag: \"1\"\r\n", "")
		}, visits.Visit{Status: 200, Digest: digestOf("held"), ETag: `"1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChunk(t)
			p := newPage(t, "p", address)
			tc.make(p)
			p.page.Earlier = &visits.Earlier{Run: visits.Run{Run: "uid", Name: "before"}}
			add(t, c, p)
			entry := c.Last()
			_, r := closed(t, c)
			main := p.page.MainExchange()
			want := tc.want
			want.URL, want.At = address, main.Started
			if diff := cmp.Diff(want, entry.Visit, cmpopts.IgnoreFields(visits.Visit{}, "Record")); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", tc.reason, diff)
			}
			for _, rec := range records(t, r) {
				if rec.ID == entry.Visit.Record && (!rec.rec.Date.Equal(entry.Visit.At) || rec.URI != main.URL || rec.Type != warc.Response && rec.Type != warc.Revisit) {
					t.Errorf("%s: the visit names the %s of %s", tc.reason, rec.Type, rec.URI)
				}
			}
			if entry.Visit.Record == "" || entry.Compared.Verdict != visits.New || entry.Compared.With.Name != "before" {
				t.Errorf("%s: %+v, compared %+v", tc.reason, entry.Visit, entry.Compared)
			}
		})
	}
}

// TestVisitWithoutDocument: it is a visit all the same, and nothing is said of it that is not
// known.
func TestVisitWithoutDocument(t *testing.T) {
	t.Parallel()
	c := newChunk(t)
	lost := newPage(t, "lost", "http://a.example/lost").get("http://a.example/lost", "Document", "304 Not Modified", "", "")
	none := newPage(t, "none", "http://a.example/none")
	for _, p := range []*pageBuilder{lost, none} {
		p.page.Earlier = &visits.Earlier{Visit: &visits.Visit{URL: p.page.URL, Record: "r", Status: 200}}
		add(t, c, p)
		entry := c.Last()
		if diff := cmp.Diff(visits.Visit{URL: p.page.URL, At: testTime}, entry.Visit); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p.page.ID, diff)
		}
		if entry.Compared.Verdict != visits.NotCompared || entry.Compared.By != visits.ByNoDocument {
			t.Errorf("%s: %+v", p.page.ID, entry.Compared)
		}
	}
}

// TestComparedIsWritten: the page's record and the list of pages say how a page is beside an
// earlier visit, and name that; where there is none to compare with, nothing is said.
func TestComparedIsWritten(t *testing.T) {
	t.Parallel()
	c := newChunk(t)
	before := &visits.Visit{
		URL: "http://a.example/same", At: testTime.Add(-time.Hour), Status: 200, Record: "urn:uuid:1", Chunk: "ns/before/u/chunks/b.wacz", Digest: digestOf("page"),
	}
	same := newPage(t, "same", before.URL).get(before.URL, "Document", "200 OK", "", "page")
	same.page.Earlier = &visits.Earlier{Run: visits.Run{Run: "u", Name: "before"}, Visit: before}
	alone := newPage(t, "alone", "http://a.example/alone").get("http://a.example/alone", "Document", "200 OK", "", "page")
	add(t, c, same, alone)
	if c.Last().Compared != nil {
		t.Errorf("%+v", c.Last().Compared)
	}
	_, r := closed(t, c)
	listed := map[string]any{}
	for p, err := range r.Pages() {
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := p.Extra["compared"]; ok {
			listed[p.URL] = v
		}
	}
	if diff := cmp.Diff(map[string]any{before.URL: "Unchanged"}, listed); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	all := records(t, r)
	var info struct{ Compared *visits.Comparison }
	if err := json.Unmarshal([]byte(find(t, all, warc.Metadata, "urn:pageinfo:"+before.URL).Body), &info); err != nil {
		t.Fatal(err)
	}
	want := &visits.Comparison{With: visits.Run{Run: "u", Name: "before"}, Verdict: visits.Unchanged, By: visits.ByDigest, Earlier: before}
	if diff := cmp.Diff(want, info.Compared); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if body := find(t, all, warc.Metadata, "urn:pageinfo:http://a.example/alone").Body; strings.Contains(body, "compared") {
		t.Errorf("of a page that is compared with nothing it is said: %s", body)
	}
	if n := count(all, warc.Response, before.URL); n != 1 {
		t.Errorf("an unchanged page has %d responses", n)
	}
}
