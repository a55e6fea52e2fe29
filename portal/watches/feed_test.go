package watches

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var feed = Feed{
	Title: "What I watch <3", Author: "crawlfleet", Base: "https://portal.example/", Self: "https://portal.example/watches.atom?namespace=research", Since: when, Words: english,
}

// english says a notice in English.
func english(n Notice) (title, text string) {
	what := map[Kind]string{NewCapture: "Captured again", Changed: "Changed", Gone: "Gone", Back: "Back"}[n.Kind]
	text = n.Time.UTC().Format("2006-01-02 15:04:05 UTC")
	if len(n.Parts) > 0 {
		var parts []string
		for _, p := range n.Parts {
			parts = append(parts, strings.ToLower(string(p)))
		}
		text += "; changed: " + strings.Join(parts, ", ")
	}
	if n.Status > 0 {
		text += fmt.Sprintf("; status %d", n.Status)
	}
	if n.Reason != "" {
		text += "; " + n.Reason
	}
	return what + ": " + n.URL, text
}

var notice = Notice{
	Kind: Changed, URL: "https://site.example/?a=1&b=<2>", Watch: "w", Capture: id(2), Before: id(1), Time: when.Add(time.Hour + 5*time.Millisecond), Parts: []Part{Text, Document}, Status: 200,
}

func TestAtom(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	gone := Notice{Kind: Gone, URL: "https://site.example/", Watch: "w", Capture: id(3), Time: when.Add(2 * time.Hour), Reason: "DNSFailed"}
	if err := feed.Atom(&b, []Notice{notice, gone}); err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <id>` + feed.id() + `</id>
  <title>What I watch &lt;3</title>
  <updated>2026-05-04T14:00:00Z</updated>
  <author>
    <name>crawlfleet</name>
  </author>
  <link rel="self" type="application/atom+xml" href="https://portal.example/watches.atom?namespace=research"></link>
  <link rel="alternate" type="text/html" href="https://portal.example/watches"></link>
  <entry>
    <id>` + gone.id() + `</id>
    <title>Gone: https://site.example/</title>
    <updated>2026-05-04T14:00:00Z</updated>
    <category term="Gone"></category>
    <link rel="alternate" type="text/html" href="https://portal.example/snapshots/00000000000000000000000000000003"></link>
    <summary type="text">2026-05-04 14:00:00 UTC; DNSFailed</summary>
  </entry>
  <entry>
    <id>` + notice.id() + `</id>
    <title>Changed: https://site.example/?a=1&amp;b=&lt;2&gt;</title>
    <updated>2026-05-04T13:00:00Z</updated>
    <category term="Changed"></category>
    <link rel="alternate" type="text/html" href="https://portal.example/snapshots/00000000000000000000000000000002"></link>
    <link rel="related" type="text/html" href="https://portal.example/compare?a=00000000000000000000000000000001&amp;b=00000000000000000000000000000002"></link>
    <summary type="text">2026-05-04 13:00:00 UTC; changed: text, document; status 200</summary>
  </entry>
</feed>
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, id := range []string{feed.id(), notice.id(), gone.id()} {
		if !strings.HasPrefix(id, "urn:uuid:") {
			t.Errorf("id %q is no IRI", id)
		}
	}
}

// TestFeedIsBounded: a feed has the newest notices, is one while there are none, and whatever
// stands in an address makes no other XML of it.
func TestFeedIsBounded(t *testing.T) {
	t.Parallel()
	var many []Notice
	for i := range MaxFeed + 50 {
		many = append(many, Notice{Kind: NewCapture, URL: "https://site.example/\x00]]><entry/>", Watch: "w", Capture: id(i), Time: when.Add(time.Duration(i) * time.Minute)})
	}
	f := feed
	f.Words = func(n Notice) (string, string) { return fmt.Sprintf("Nieuw: %s", n.URL), "" }
	for name, test := range map[string]struct {
		notices []Notice
		want    int
		updated string
	}{
		"none": {nil, 0, "2026-05-04T12:00:00Z"},
		"many": {many, MaxFeed, "2026-05-04T16:09:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := f.Atom(&b, test.notices); err != nil {
				t.Fatal(err)
			}
			var read atomFeed
			if err := xml.Unmarshal(b.Bytes(), &read); err != nil {
				t.Fatal(err)
			}
			if len(read.Entries) != test.want || read.Updated != test.updated {
				t.Errorf("%d entries, updated %s", len(read.Entries), read.Updated)
			}
			ids := map[string]bool{}
			for _, e := range read.Entries {
				ids[e.ID] = true
			}
			if len(ids) != test.want {
				t.Errorf("%d ids of %d entries", len(ids), test.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := feed.JSON(&b, []Notice{notice}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"version": "https://jsonfeed.org/version/1.1", "title": "What I watch <3", "home_page_url": "https://portal.example/watches", "feed_url": feed.Self,
		"authors": []any{map[string]any{"name": "crawlfleet"}},
		"items": []any{map[string]any{
			"id": notice.id(), "url": "https://portal.example/snapshots/" + string(id(2)), "title": "Changed: " + notice.URL,
			"content_text": "2026-05-04 13:00:00 UTC; changed: text, document; status 200", "date_published": "2026-05-04T13:00:00Z", "tags": []any{"Changed"},
			"_crawlfleet": map[string]any{
				"kind": "Changed", "url": notice.URL, "watch": "w", "capture": string(id(2)), "before": string(id(1)), "time": "2026-05-04T13:00:00.005Z",
				"parts": []any{"Text", "Document"}, "status": 200.0, "seen": false,
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	b.Reset()
	if err := feed.JSON(&b, nil); err != nil || !strings.Contains(b.String(), `"items": []`) {
		t.Errorf("%s %v", b.String(), err)
	}
}
