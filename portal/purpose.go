package portal

import (
	"net/http"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// purposeJSON is what a program is told that has to say what it looks for.
type purposeJSON struct {
	problem
	// Wrong is what is wrong with what was said.
	Wrong string `json:"wrong,omitempty"`
	// Purposes are those to choose from; any will do where there are none.
	Purposes []string `json:"purposes"`
	// Case says whether the case has to be said, too: Required or Optional, as the policy of a CrawlFleet does.
	Case string `json:"case"`
}

// askPurpose asks what somebody looks for: people with a page that goes on to where they wanted, programs with what they
// can say.
func (h handlers) askPurpose(w http.ResponseWriter, r *http.Request, asked *access.PurposeNeeded) {
	if wantsPage(r) {
		h.render(w, r, asked.Status, "purpose.html", words.Match(r).Text("What are you looking for?"), asked)
		return
	}
	told := purposeJSON{
		problem: refusal(&asked.Problem).in(words.English), Wrong: asked.Wrong.String(),
		Purposes: append([]string{}, asked.Policy.Purposes...), Case: "Optional",
	}
	if asked.Policy.AskCase {
		told.Case = "Required"
	}
	switch {
	case told.Wrong != "":
		told.Hint = "Wrong: " + told.Wrong + ". " + told.Hint
	case len(told.Purposes) > 0:
		told.Hint = "One of: " + strings.Join(told.Purposes, ", ") + ". " + told.Hint
	}
	h.writeAs(w, r, told.Status, told)
}
