package portal

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// TestProblemsAreSaidInDutch: to people who read Dutch, with their values. Programs are answered in English.
func TestProblemsAreSaidInDutch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.gated(t, allowing("list snapshots.crawlfleet.dev default"), access.Policy{})
	asked := newFixture(t)
	asked.sealed(t)
	asked.found(t, folder+"chunks/c0.wacz")
	asked.gated(t, allowing("get"), access.Policy{AskPurpose: access.AskLook, Purposes: []string{"screening"}})
	see := "/snapshots/" + string(idOf("c0", "Start"))
	for _, tc := range []struct {
		f             *fixture
		path          string
		header        []string
		dutch, inJSON string
	}{
		{f, "/?limit=x", nil, `limit is "x", en moet zijn: een getal van 1 tot 1000.`, `limit is \"x\": it must be a number from 1 to 1000.`},
		{f, "/timeline?url=http://", nil, "schrijf er een zoals https://example.org/page", ""},
		{f, "/cases/default/c-1", nil, "U mag dit niet in de namespace default.", "You may not do this in the namespace default."},
		{f, "/cases/default/c-1", nil, "Daarvoor is daar het recht “get cases.crawlfleet.dev” nodig. Vraag het aan wie", "there. Ask whoever grants rights"},
		{f, "/live/default/harbour", nil, "de rol crawlfleet-crawljob-viewer heeft het.", "the role crawlfleet-crawljob-viewer has it."},
		{f, "/crawls", []string{"Authorization", "Basic x"}, "Dit token wordt niet aanvaard.", ""},
		{asked, see, []string{access.PurposeHeader, "fishing"}, "het doel moet een van deze zijn: screening", "Programs say it in the headers Crawlfleet-Purpose and Crawlfleet-Case."},
		{asked, see, []string{access.PurposeHeader, "https://a.test"}, "het komt in het bewaarlogboek", ""},
	} {
		header := append([]string{"Authorization", "Bearer ann", "Accept-Language", "nl"}, tc.header...)
		page := html.UnescapeString(body(t, tc.f.get(tc.path, header...)))
		wantAll(t, tc.path, page, tc.dutch)
		if tc.inJSON != "" {
			wantAll(t, tc.path+" as JSON", body(t, tc.f.get(tc.path, append(header, "Accept", "application/json")...)), tc.inJSON)
		}
	}
}

// verb is where an argument goes in a text.
var verb = regexp.MustCompile(`%[.0-9]*[a-z]`)

// english are the longest pieces of all texts, of at least three words, that read otherwise in Dutch.
func english() (pieces []string) {
	for _, text := range words.All() {
		if words.Dutch.Text(text) == text {
			continue
		}
		longest := ""
		for _, piece := range verb.Split(text, -1) {
			if piece = strings.TrimSpace(piece); len(piece) > len(longest) {
				longest = piece
			}
		}
		if len(strings.Fields(longest)) >= 3 {
			pieces = append(pieces, longest)
		}
	}
	return pieces
}

// TestDutchPagesHaveNoEnglish asks for every page as everybody, and finds no English text of the portal in it.
func TestDutchPagesHaveNoEnglish(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	if _, err := f.server.Cases.Open(t.Context(), "default", "mooring", cases.Draft{By: "ann"}, "Mooring", ""); err != nil {
		t.Fatal(err)
	}
	added := cases.Event{Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture(a.Chunk, a.Page.ID)}}
	if _, err := f.server.Cases.Append(t.Context(), "default", "mooring", cases.Draft{By: "ann"}, added); err != nil {
		t.Fatal(err)
	}
	f.gated(t, readRoles(t), access.Policy{})
	pieces, pages := english(), 0
	look := func(pattern, path, content, who string) {
		method, _, _ := strings.Cut(pattern, " ")
		header := []string{"Accept-Language", "nl"}
		if who != "nobody" {
			header = append(header, "Authorization", "Bearer "+who)
		}
		kind := "application/x-www-form-urlencoded"
		if strings.HasPrefix(content, "{") {
			kind = "application/json"
		}
		res := f.send(method, path, kind, content, header...)
		page := html.UnescapeString(body(t, res))
		if res.StatusCode == http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			return
		}
		pages++
		for _, piece := range pieces {
			if strings.Contains(page, piece) {
				t.Errorf("%s: what %s is answered has %q", pattern, who, piece)
			}
		}
	}
	for pattern, d := range rows {
		for _, r := range roles {
			each := meant(a, b, "FOR", request(r.name, "text/html"), "WATCH", "none")
			look(pattern, each.Replace(d.path), "", r.name) // what is wrong is told, too
			look(pattern, each.Replace(d.path), each.Replace(sent[pattern]), r.name)
		}
	}
	for _, path := range []string{"/?limit=x", "/?q=%2A", "/?q=a*", "/?status=x", "/?kind=x", "/?language=x", "/?job=a/b/c", "/?host=a+b", "/?cursor=x", "/timeline", "/compare?a=x"} {
		look("GET "+path, path, "", "viewer")
	}
	if pages < 100 || len(pieces) < 100 {
		t.Errorf("only %d pages and %d texts", pages, len(pieces))
	}
}
