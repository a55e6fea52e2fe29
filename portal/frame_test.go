package portal

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// current are the links of the main navigation that are marked, and as what.
var current = regexp.MustCompile(`<a href="([^"]+)" aria-current="([a-z]+)">`)

// TestWhereOneIs: the navigation marks the part of the portal that a page is in.
func TestWhereOneIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	for path, want := range map[string]string{
		"/": "/ page", "/?q=x": "/ page", "/snapshots/" + string(a.ID): "/ true", "/timeline?url=" + board: "/ true", comparePath(a, b): "/ true",
		"/crawls": "/crawls page", "/runs/" + a.Namespace + "/" + a.Job + "/" + a.UID: "/crawls true", "/cases": "/cases page", "/cases/new": "/cases true",
		"/live": "/live page", "/live/default/harbour": "/live true", "/watches": "/watches page", "/watches/new": "/watches true", "/nowhere": "",
	} {
		page := body(t, f.get(path))
		nav, _, _ := strings.Cut(page[strings.Index(page, "<nav aria-label"):], "</nav>")
		var got []string
		for _, m := range current.FindAllStringSubmatch(nav, -1) {
			got = append(got, m[1]+" "+m[2])
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		wantAll(t, path, page, `class="keys"`, "Keys: / searches")
	}
	for _, path := range []string{"/", "/crawls", "/live", "/runs/" + a.Namespace + "/" + a.Job + "/" + a.UID} { // j and k go through them
		wantAll(t, path, body(t, f.get(path)), `class="hit"`)
	}
	wantAll(t, "with a cluster", body(t, f.get("/")), `href="/live"`)
	f.server.Board = nil
	wantNone(t, "without a cluster", body(t, f.get("/")), `href="/live"`)
}

// TestWhoOneIs: each page says who is logged in, and for what, with a way to change it.
func TestWhoOneIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.twoVisits(t)
	wantNone(t, "at this machine", body(t, f.get("/")), `class="who"`, "/logout")
	f.gated(t, readRoles(t), access.Policy{AskPurpose: access.AskLook, Purposes: []string{"screening", "research"}, AskCase: true})
	as := []string{"Authorization", "Bearer viewer"}
	page := body(t, f.get("/?q=x", as...))
	wantAll(t, "before anything was said", page, `<bdi>viewer</bdi>`, `action="/logout"`)
	wantNone(t, "before anything was said", page, "/purpose?")
	said := append(as, access.PurposeHeader, "research", access.CaseHeader, "17/2026")
	wantAll(t, "when something was said", body(t, f.get("/?q=x", said...)), "Purpose: <bdi>research</bdi>", "Case: <bdi>17/2026</bdi>", `href="/purpose?return=%2F%3Fq%3Dx"`)
	res := f.get("/purpose?return=%2F%3Fq%3Dx", said...)
	page = body(t, res)
	if res.StatusCode != http.StatusOK {
		t.Errorf("the form: %d", res.StatusCode)
	}
	wantAll(t, "the form", page, `name="return" value="/?q=x"`, "<option selected>research", `name="case" value="17/2026"`)
	wantNone(t, "the form", page, `role="alert"`)
	wantAll(t, "the form of who comes from elsewhere", body(t, f.get("/purpose?return=//evil.example/", said...)), `name="return" value="/"`)
}
