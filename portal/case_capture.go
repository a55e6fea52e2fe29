package portal

import (
	"net/http"
	"net/url"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// caseCapturePage is the body of the page of a capture in a case.
type caseCapturePage struct {
	casePage
	caseItem
	// Number is its place among the captures, from 1 on; Before and After are those beside it.
	Number        int
	Before, After catalog.ID
}

// caseCapture is the page on which people work on a capture of a case.
func (h handlers) caseCapture(w http.ResponseWriter, r *http.Request) {
	h.showCaseCapture(w, r, http.StatusOK, caseForm{})
}

func (h handlers) showCaseCapture(w http.ResponseWriter, r *http.Request, status int, f caseForm) {
	page, err := h.casePage(r)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	body, id := caseCapturePage{casePage: page}, catalog.ID(r.PathValue("id"))
	all := page.Case.Captures
	for i := range all {
		if all[i].ID != id {
			continue
		}
		body.Item, body.Number = &all[i], i+1
		if i > 0 {
			body.Before = all[i-1].ID
		}
		if i+1 < len(all) {
			body.After = all[i+1].ID
		}
	}
	if body.Item == nil {
		h.failCase(w, r, cases.ErrNotInCase)
		return
	}
	if page.MayFind {
		body.Page, err = h.found(r, id)
	}
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	var about []cases.Entry
	for _, e := range page.Case.History {
		if e.Event != nil && e.Event.Capture == id && e.Event.Kind == cases.Decided {
			about = append(about, e)
		}
	}
	body.Deeds = deeds(words.Match(r), about)
	body.Form = f
	body.Form.Seen = page.Case.Version
	h.render(w, r, status, "case_capture.html", captureTitle(words.Match(r), body.Page), body)
}

// captureTitle is what a capture is called, nil for one that is not shown.
func captureTitle(lang words.Lang, page *catalog.Capture) string {
	switch {
	case page == nil:
		return lang.Text("A capture that is not in the catalog")
	case page.Title != "":
		return page.Title
	}
	return shortURL(page.URL)
}

// sayOfCapture writes down what a person says about a capture, and leads to it or to the next one.
func (h handlers) sayOfCapture(w http.ResponseWriter, r *http.Request) {
	f, id := formOf(r, "say"), catalog.ID(r.PathValue("id"))
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	if err := h.appendAll(r, namespace, name, &f, f.said(id)...); err != nil {
		h.again(w, r, f, err, func(status int, f caseForm) { h.showCaseCapture(w, r, status, f) })
		return
	}
	to := string(id)
	if next := f.typed.Get("next"); next != "" {
		to = next
	}
	http.Redirect(w, r, caseLink(namespace, name)+"/captures/"+url.PathEscape(to), http.StatusSeeOther)
}

// removeCapture takes a capture out of a case.
func (h handlers) removeCapture(w http.ResponseWriter, r *http.Request) {
	f, namespace, name := formOf(r, "remove"), r.PathValue("namespace"), r.PathValue("name")
	if f.unread != nil {
		h.again(w, r, f, f.unread, func(status int, f caseForm) { h.showCaseCapture(w, r, status, f) })
		return
	}
	c, err := h.Cases.Get(r.Context(), namespace, name)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	it := c.Item(catalog.ID(r.PathValue("id")))
	if it == nil { // also when the form is sent twice
		http.Redirect(w, r, caseLink(namespace, name), http.StatusSeeOther)
		return
	}
	event := cases.Event{Kind: cases.Removed, Captures: []cases.Capture{it.Capture}, Reason: strings.TrimSpace(f.typed.Get("reason"))}
	if err := h.appendAll(r, namespace, name, &f, event); err != nil {
		h.again(w, r, f, err, func(status int, f caseForm) { h.showCaseCapture(w, r, status, f) })
		return
	}
	http.Redirect(w, r, caseLink(namespace, name), http.StatusSeeOther)
}
