package portal

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// TestWhatIsTypedOutlivesTheSession: a note that is sent after the session has ended is in the answer, to be
// sent again.
func TestWhatIsTypedOutlivesTheSession(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms")
	f.open(t, "c-1", ids...)
	f.server.Gate.Provider = &access.Provider{}
	const path = "/cases/default/c-1"
	note := "two lines:\r\na <b> & \"quotes\""
	form := formIn(t, page0(t, f, path), `action="`+path+`"`)
	form.Set("note", note)
	form["twice"] = []string{"a", "b"}
	send := func(header ...string) *http.Response {
		return f.post(path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
	}
	page := want(t, "after the session", http.StatusUnauthorized, send("Accept", "text/html"))
	wantAll(t, "the page", page, `href="/login?return=%2F" target="_blank"`, `<form method="post" action="`+path+`">`, "Send it again")
	wantNone(t, "the page", page, "<b>")
	again := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page[strings.Index(page, `class="steps"`):], -1) {
		again.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	if again.Encode() != form.Encode() {
		t.Errorf("the page has %v, sent was %v", again, form)
	}
	if c := f.read(t, "c-1"); len(c.Notes) != 0 {
		t.Errorf("somebody who is not logged in wrote %+v", c.Notes)
	}
	want(t, "sent again", http.StatusSeeOther, f.as(analyst, path, again))
	if c := f.read(t, "c-1"); len(c.Notes) != 1 || c.Notes[0].Text != strings.ReplaceAll(note, "\r\n", "\n") {
		t.Errorf("notes: %+v", c.Notes)
	}
	wantAll(t, "a program", want(t, "a program", http.StatusUnauthorized, send("Accept", "application/json")), `"reason":"NotLoggedIn"`)
}
