package portal

import (
	"encoding/json"
	"net/http"
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
