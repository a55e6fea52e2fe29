package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// caseRequest is a request of each route of cases, and the rights that it takes.
type caseRequest struct {
	method, path string
	form         url.Values
	json         string
	needs        []string
	// other is what it answers to who has the rights, where that is not a page or a way on.
	other int
}

// TestCaseRights: each route is refused to who lacks one of the rights that it takes, and then tells nothing.
func TestCaseRights(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "SecretTitle", "SecondTitle")
	f.open(t, "c-1", ids[0])
	read, write, add, export := []string{"read"}, []string{"write", "read"}, []string{"write", "read", "find"}, []string{"export", "read"}
	const one = "/cases/default/c-1"
	capture := one + "/captures/" + ids[0]
	for _, tc := range []caseRequest{
		{method: "GET", path: "/cases?namespace=default", needs: read},
		{method: "GET", path: "/cases", needs: read},
		{method: "GET", path: "/cases/new", needs: []string{"write"}},
		{method: "POST", path: "/cases", form: url.Values{"namespace": {"default"}, "name": {"c-2"}, "title": {"T"}}, needs: write},
		{method: "GET", path: "/cases/add?id=" + ids[0], needs: add},
		{method: "POST", path: "/cases/add", form: url.Values{"namespace": {"default"}, "do": {"choose"}, "case": {"c-1"}, "id": ids}, needs: add},
		{method: "GET", path: one, needs: read},
		{method: "GET", path: one + "/history", needs: read},
		{method: "GET", path: capture, needs: read},
		{method: "POST", path: one, form: url.Values{"note": {"n"}}, needs: write},
		{method: "POST", path: capture, form: url.Values{"note": {"n"}}, needs: write},
		{method: "POST", path: capture + "/remove", form: url.Values{}, needs: write, other: 422},
		{method: "GET", path: one + "/keep", needs: write},
		{method: "POST", path: one + "/keep", form: url.Values{}, needs: write, other: 422},
		{method: "GET", path: one + "/erase", needs: write},
		{method: "POST", path: one + "/erase", form: url.Values{}, needs: write, other: 422},
		{method: "POST", path: one + "/close", form: url.Values{}, needs: write, other: 422},
		{method: "POST", path: one + "/reopen", form: url.Values{}, needs: write, other: 422},
		{method: "GET", path: one + "/handover", needs: export},
		{method: "POST", path: one + "/selection.wacz", form: url.Values{}, needs: export, other: 422},
		{method: "POST", path: one + "/dossier.zip", form: url.Values{}, needs: export, other: 404},
		{method: "GET", path: "/api/v1/cases", needs: read},
		{method: "GET", path: "/api/v1" + one, needs: read},
		{method: "POST", path: "/api/v1/cases/default", json: `{"name":"c-3","title":"T"}`, needs: write, other: 201},
		{method: "POST", path: "/api/v1" + one + "/events", json: `{"kind":"Noted","text":"n"}`, needs: write},
		{method: "POST", path: "/api/v1" + one + "/events", json: `{"kind":"Added","captures":["` + ids[1] + `"]}`, needs: add},
		{method: "GET", path: "/api/v1" + one + "/selection.wacz", needs: export, other: 422},
		{method: "GET", path: "/api/v1" + one + "/dossier.zip", needs: export, other: 404},
	} {
		what := tc.method + " " + tc.path + " " + tc.json
		if got := f.send(tc, "").StatusCode; got != http.StatusUnauthorized {
			t.Errorf("%s: nobody: %d", what, got)
		}
		every := []string{"read", "write", "find", "look", "copy", "export"}
		for _, missing := range tc.needs {
			some := slices.DeleteFunc(slices.Clone(every), func(s string) bool { return s == missing })
			res := f.send(tc, strings.Join(some, "-"))
			text := body(t, res)
			status := http.StatusForbidden
			if missing == "find" && strings.HasPrefix(tc.path, "/cases/add") {
				status = http.StatusNotFound // captures that one may not find are none
			}
			if res.StatusCode != status {
				t.Errorf("%s: without %s: %d", what, missing, res.StatusCode)
			}
			wantNone(t, what, text, "Harbour", "SecretTitle", "www.example.org")
		}
		res := f.send(tc, strings.Join(tc.needs, "-"))
		text := body(t, res)
		if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusSeeOther && res.StatusCode != tc.other {
			t.Errorf("%s: with %v: %d %s", what, tc.needs, res.StatusCode, text)
		}
		if !slices.Contains(tc.needs, "find") { // an address and a title are for who may find
			wantNone(t, what, text, "SecretTitle", "www.example.org")
		}
	}
	for _, path := range []string{"/cases?namespace=other", "/cases/other/c-1", "/api/v1/cases?namespace=other", "/cases/other/none"} {
		want(t, path, http.StatusForbidden, f.as(analyst, path, nil))
	}
	elsewhere := f.archive(t, "other", "c9", "Elsewhere")
	wantNone(t, "captures of another namespace", want(t, "choose", http.StatusNotFound, f.as(analyst, "/cases/add?id="+ids[0]+"&id="+elsewhere[0], nil)), "Elsewhere")
	for _, namespace := range []string{"", "other", "*", "default/"} {
		form := url.Values{"namespace": {namespace}, "name": {"c-9"}, "title": {"T"}}
		if res := f.as(analyst, "/cases", form); res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
			t.Errorf("namespace %q: %d", namespace, res.StatusCode)
		}
	}
}

// send asks as who has rights, nobody when there are none.
func (f *caseFixture) send(tc caseRequest, who string) *http.Response {
	header := []string{"Accept", "text/html"}
	if who != "" {
		header = append(header, "Authorization", "Bearer "+who)
	}
	if tc.method == http.MethodGet {
		return f.get(tc.path, header...)
	}
	content, kind := tc.form.Encode(), "application/x-www-form-urlencoded"
	if tc.json != "" {
		content, kind = tc.json, "application/json"
	}
	return f.post(tc.path, content, append(header, "Content-Type", kind)...)
}

// TestOtherSitesWriteNothing: what a page of another site has a browser send is refused.
func TestOtherSitesWriteNothing(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms")
	f.open(t, "c-1", ids...)
	before := f.read(t, "c-1").Version
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for path, form := range map[string]url.Values{
			"/cases":                            {"namespace": {"default"}, "name": {"c-2"}, "title": {"T"}},
			"/cases/add":                        {"namespace": {"default"}, "do": {"choose"}, "case": {"c-1"}, "id": ids},
			"/cases/default/c-1":                {"note": {"n"}},
			"/cases/default/c-1/erase":          {"why": {"w"}, "name": {"c-1"}, "seen": {"2"}},
			"/cases/default/c-1/selection.wacz": {"to": {"eve"}},
		} {
			want(t, path, http.StatusForbidden, f.as("ann-read-write-find-export", path, form, header...))
		}
		want(t, "with GET", http.StatusForbidden, f.as("ann-read-export", "/api/v1/cases/default/c-1/selection.wacz?to=eve", nil, header...))
	}
	if c := f.read(t, "c-1"); c.Version != before || len(f.log.entries) != 1 {
		t.Errorf("%+v, %v", c, f.log.events())
	}
}

// TestPurposeOfHandingOver is asked for where a case is handed over, before anything is filled in.
func TestPurposeOfHandingOver(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	f.open(t, "c-1")
	f.server.Gate.Policy = access.Policy{AskPurpose: access.AskExport}
	page := want(t, "hand over", http.StatusPreconditionRequired, f.as("ann-read-export", "/cases/default/c-1/handover", nil))
	wantAll(t, "hand over", page, `name="return" value="/cases/default/c-1/handover"`)
	want(t, "with one", 200, f.as("ann-read-export", "/cases/default/c-1/handover", nil, access.PurposeHeader, "screening"))
}
