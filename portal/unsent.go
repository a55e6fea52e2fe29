package portal

import (
	"net/http"
	"net/url"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// unsent is a form that came after its sender's session had ended. A note can take longer to write
// than a session lasts, and the browser may not have it any more: pages are kept on no disk. So the
// answer has it, to be sent again once its sender is logged in.
type unsent struct {
	// To is the address that it was sent to, Fields are what it had.
	To     string
	Fields url.Values
	Login  string
}

// keepUnsent answers a form of somebody who is not logged in any more. It is false for what is no such
// form, and where nobody can log in.
func (h handlers) keepUnsent(w http.ResponseWriter, r *http.Request, refused *access.Problem) bool {
	if refused.Reason != access.ReasonNotLoggedIn || h.Gate.Provider == nil || !isForm(r) {
		return false
	}
	if err := readForm(r, maxCaseForm); err != nil {
		return false
	}
	body := unsent{To: r.URL.RequestURI(), Fields: r.PostForm, Login: access.LoginPath + "?return=%2F"}
	h.render(w, r, refused.Status, "unsent.html", words.Match(r).Text("You are not logged in any more."), body)
	return true
}

// isForm tells whether somebody sent a form from a page, to an address that it can be sent to again.
func isForm(r *http.Request) bool {
	to := r.URL.RequestURI()
	return r.Method == http.MethodPost && wantsPage(r) && access.LocalPath(to) == to
}
