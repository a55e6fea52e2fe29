package portal

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// TestProgramsAreToldWhichPurpose: what is wrong with what a program said, and what it can say, as the description has it.
func TestProgramsAreToldWhichPurpose(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.found(t, folder+"chunks/c0.wacz")
	see := "/api/v1/snapshots/" + string(idOf("c0", "Start"))
	for _, tc := range []struct {
		what           string
		policy         access.Policy
		header         []string
		wrong, hint    string
		purposes, need string
	}{
		{"nothing said", access.Policy{AskPurpose: access.AskLook, Purposes: []string{"screening", "research"}}, nil, "", "One of: screening, research.", "screening research", "Optional"},
		{"another purpose", access.Policy{AskPurpose: access.AskLook, Purposes: []string{"screening", "research"}}, []string{access.PurposeHeader, "fishing"},
			"the purpose must be one of: screening, research", "Wrong: the purpose must be one of: screening, research.", "screening research", "Optional"},
		{"no case", access.Policy{AskPurpose: access.AskLook, AskCase: true}, []string{access.PurposeHeader, "fishing"}, "name the case", "Wrong: name the case.", "", "Required"},
		{"an address", access.Policy{AskPurpose: access.AskLook}, []string{access.PurposeHeader, "https://a.test"},
			"the purpose must not hold the address of a page: it goes into the custody log", "Wrong: the purpose must not hold", "", "Optional"},
	} {
		f.gated(t, allowing("get"), tc.policy)
		res := f.get(see, append([]string{"Authorization", "Bearer ann", "Accept", "application/json"}, tc.header...)...)
		text := want(t, tc.what, http.StatusPreconditionRequired, res)
		var said struct {
			Status                    int
			Reason, Hint, Wrong, Case string
			Purposes                  []string
		}
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			t.Fatal(err)
		}
		if said.Status != 428 || said.Reason != "PurposeNeeded" || said.Wrong != tc.wrong || said.Case != tc.need || said.Purposes == nil || !slices.Equal(said.Purposes, strings.Fields(tc.purposes)) {
			t.Errorf("%s: %s", tc.what, text)
		}
		wantAll(t, tc.what, said.Hint, tc.hint, "Crawlfleet-Purpose")
		if err := validate(t, "get", "/api/v1/snapshots/{id}", "428", []byte(text)); err != nil {
			t.Errorf("%s: %v", tc.what, err)
		}
	}
}

// TestWhatIsTypedOutlivesThePurpose: a form that is sent before its purpose was said is kept in the page that asks for it,
// and sent on with it.
func TestWhatIsTypedOutlivesThePurpose(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	f.server.Gate.Policy = access.Policy{AskPurpose: access.AskExport, Purposes: []string{"screening", "research"}, AskCase: true}
	f.rewire(t)
	const path = "/cases/default/c-17/selection.wacz"
	sent := url.Values{"to": {"police-3 <b>"}, "decision": {"HandOver", "NeedsReview"}}
	page := want(t, "without a purpose", http.StatusPreconditionRequired, f.as(exporter, path, sent))
	kept := func(page string) url.Values {
		t.Helper()
		_, form, ok := strings.Cut(page, `<form method="post" action="`+path+`" class="form">`)
		if !ok {
			t.Fatalf("no form that is sent on:\n%s", page)
		}
		form, _, _ = strings.Cut(form, "</form>")
		again := url.Values{}
		for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(form, -1) {
			again.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
		wantAll(t, "the form", form, `name="Crawlfleet-Purpose"`, `name="Crawlfleet-Case"`)
		return again
	}
	wantNone(t, "the page", page, "<b>", `name="return"`)
	wantAll(t, "the page", page, "is kept in this page")
	if again := kept(page); again.Encode() != sent.Encode() {
		t.Errorf("the page has %v, sent was %v", again, sent)
	}
	again := kept(page)
	again.Set("Crawlfleet-Purpose", "fishing")
	again.Set("Crawlfleet-Case", "17/2026")
	page = want(t, "another purpose", http.StatusPreconditionRequired, f.as(exporter, path, again))
	wantAll(t, "another purpose", page, "the purpose must be one of: screening, research", `value="17/2026"`)
	if again := kept(page); again.Encode() != sent.Encode() {
		t.Errorf("the page has %v, sent was %v", again, sent)
	}
	if got := f.logged(t); len(got) != 2 {
		t.Errorf("the log has %q", got)
	}
	again.Set("Crawlfleet-Purpose", "research")
	res := f.as(exporter, path, again)
	want(t, "with a purpose", http.StatusOK, res)
	if got := f.logged(t); len(got) != 3 || got[2] != "Exported "+exporter+" c-17 police-3%20<b> b1.wacz" {
		t.Errorf("the log has %q", got)
	}
	var cookies []string
	for _, c := range res.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	want(t, "for the session", http.StatusOK, f.as(exporter, path, sent, "Cookie", strings.Join(cookies, "; ")))
	wantAll(t, "in Dutch", want(t, "in Dutch", http.StatusPreconditionRequired, f.as(exporter, path, sent, "Cookie", "lang=nl")), "bewaard in deze pagina")
	// What cannot be read is not asked for a purpose first.
	res = f.post(path, "to=x&%zz=%", "Authorization", "Bearer "+exporter, "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded")
	want(t, "malformed", http.StatusBadRequest, res)
}
