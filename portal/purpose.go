package portal

import (
	"net/http"
	"net/url"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// askedPurpose is the body of the page that asks what somebody looks for.
type askedPurpose struct {
	*access.PurposeNeeded
	// To is the address that a form was sent to before its purpose was said, and Fields are what it had: it is sent on
	// with the purpose. Empty for what is no form.
	To     string
	Fields url.Values
}

// Named is what a field is called: that of a form that is sent on is named as the header of programs, which no field of
// its own is.
func (a askedPurpose) Named(name, header string) string {
	if a.To != "" {
		return header
	}
	return name
}

// saidOn takes out of a form that is sent on what was said of its purpose. What is wrong with a form is for its handler to
// tell.
func saidOn(r *http.Request) (purpose, reference string, ok bool) {
	if readForm(r, maxCaseForm) != nil || !r.PostForm.Has(access.PurposeHeader) {
		return "", "", false
	}
	purpose, reference = strings.TrimSpace(r.PostForm.Get(access.PurposeHeader)), strings.TrimSpace(r.PostForm.Get(access.CaseHeader))
	for _, v := range []url.Values{r.PostForm, r.Form} {
		v.Del(access.PurposeHeader)
		v.Del(access.CaseHeader)
	}
	return purpose, reference, true
}

// purposeJSON is what a program is told that has to say what it looks for.
type purposeJSON struct {
	problem
	access.Asked
}

// askPurpose asks what somebody looks for: people with a page that goes on to where they wanted, programs with what they
// can say.
func (h handlers) askPurpose(w http.ResponseWriter, r *http.Request, asked *access.PurposeNeeded) {
	if wantsPage(r) {
		body := askedPurpose{PurposeNeeded: asked}
		if isForm(r) {
			if err := readForm(r, maxCaseForm); err != nil {
				h.fail(w, r, err)
				return
			}
			body.To, body.Fields = r.URL.RequestURI(), r.PostForm
		}
		h.render(w, r, asked.Status, "purpose.html", words.Match(r).Text("What are you looking for?"), body)
		return
	}
	told := purposeJSON{problem: refusal(&asked.Problem).in(words.English)}
	told.Asked, told.Hint = asked.Asked()
	h.writeAs(w, r, told.Status, told)
}
