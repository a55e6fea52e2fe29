package portal

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// TestHandlesWithoutTheirSign: who looks for a handle that no text has with its @ is led to the name alone, and nobody
// else is.
func TestHandlesWithoutTheirSign(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known.Identifiers = catalog.Contacts{Regions: []string{"NL"}}
	f.capture(t, visit{Key: "c0", URL: "https://board.test/1", Title: "Rooms", Text: "Write to harbourlight77 or to @riverboat88."})
	for _, tc := range []struct{ query, link, text string }{
		{"@harbourlight77", `href="?q=harbourlight77"`, "Look for harbourlight77"},
		{"rooms @harbourlight77", `href="?q=rooms&#43;harbourlight77"`, "Look for rooms harbourlight77"},
		{"@harbourlight77&job=default%2Fads", `href="?job=default%2Fads&amp;q=harbourlight77"`, "Look for harbourlight77"},
	} {
		wantAll(t, tc.query, body(t, f.get("/?q="+strings.ReplaceAll(tc.query, " ", "+"))), "Nothing was found.", "where it stands with its @", tc.link, tc.text)
	}
	for _, query := range []string{"@riverboat88", "none", "-@harbourlight77", "jo@harbourlight77.test"} {
		wantNone(t, query, body(t, f.get("/?q="+query)), "where it stands with its @")
	}
	wantAll(t, "without it", body(t, f.get("/?q=harbourlight77")), "1 snapshot")
	if dutch := words.Lang("nl").Text("Look for %s", "x"); dutch != "Zoek naar x" {
		t.Errorf("in Dutch: %q", dutch)
	}
}
