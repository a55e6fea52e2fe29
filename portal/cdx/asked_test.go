package cdx

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// TestProgramsAreToldWhichPurpose: a program that has to say what it looks for is told what it can say, as by the portal's
// own API.
func TestProgramsAreToldWhichPurpose(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "default/job/uid/chunks/c0.wacz", page("https://example.org/", 0, "Hello"))
	f.refuse = &access.PurposeNeeded{
		Problem: access.Problem{Status: http.StatusPreconditionRequired, Reason: access.ReasonPurposeNeeded, Text: "Say what you look for.", Hint: "Say it."},
		Policy:  access.Policy{AskPurpose: access.AskLook, Purposes: []string{"screening", "research"}, AskCase: true},
	}
	for _, path := range []string{"/memento/20260314120000/https://example.org/", "/cdx/warc/default/job/uid/chunks/c0.wacz/data.warc.gz"} {
		res, text := f.get(t, path)
		wantProblem(t, path, res, text, http.StatusPreconditionRequired)
		var said struct {
			Reason, Hint, Case string
			Purposes           []string
		}
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			t.Fatal(err)
		}
		if said.Reason != access.ReasonPurposeNeeded || said.Case != "Required" || !slices.Equal(said.Purposes, []string{"screening", "research"}) || said.Hint != "One of: screening, research. Say it." {
			t.Errorf("%s: %s", path, text)
		}
	}
}
