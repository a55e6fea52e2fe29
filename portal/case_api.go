package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

// apiCases lists cases for programs.
func (h handlers) apiCases(w http.ResponseWriter, r *http.Request) {
	all, _, err := h.readable(r)
	if err != nil {
		h.failAPI(w, r, err)
		return
	}
	if all == nil {
		all = []cases.Summary{}
	}
	h.writeJSON(w, r, map[string]any{"items": all})
}

// apiCase is a case for programs, with its history.
func (h handlers) apiCase(w http.ResponseWriter, r *http.Request) {
	c, err := h.Cases.Get(r.Context(), r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		h.failAPI(w, r, err)
		return
	}
	h.writeJSON(w, r, c)
}

// failAPI answers a program with what is wrong. What it sent that is not valid is named.
func (h handlers) failAPI(w http.ResponseWriter, r *http.Request, err error) {
	var bad unfit
	var conflict *cases.ConflictError
	switch {
	case errors.As(err, &conflict):
		p, _ := caseProblem(err)
		h.writeAs(w, r, p.Status, conflictJSON{p, conflict.Version, append([]cases.Entry{}, conflict.Since...)})
	case errors.As(err, &bad):
		h.problem(w, r, problem{Status: http.StatusUnprocessableEntity, Text: bad.Error(), Hint: "Something is missing or too long, or has control characters in it."})
	case errors.Is(err, chain.ErrInvalid) && !errors.Is(err, chain.ErrBroken):
		// The error is about what the program sent, and names nothing else.
		h.problem(w, r, problem{Status: http.StatusUnprocessableEntity, Text: err.Error(), Hint: "Something is missing or too long, or has control characters in it."})
	default:
		h.failCase(w, r, err)
	}
}

// conflictJSON is what a program is told that has not seen the case as it is.
type conflictJSON struct {
	problem
	// Version is that of the case as it is, Since what others did since the one that was seen.
	Version int64         `json:"version"`
	Since   []cases.Entry `json:"since"`
}

// writeAs answers a program with a status of its own.
func (h handlers) writeAs(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the visitor may have gone
}

// apiOpened is what a program opens a case with.
type apiOpened struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	// ID makes what is sent twice count once.
	ID string `json:"id,omitempty"`
}

// apiOpenCase opens a case.
func (h handlers) apiOpenCase(w http.ResponseWriter, r *http.Request) {
	var v apiOpened
	if err := readJSON(r, &v); err != nil {
		h.failAPI(w, r, err)
		return
	}
	namespace := r.PathValue("namespace")
	d := cases.Draft{By: access.From(r.Context()).Name, ID: v.ID}
	c, err := h.Cases.Open(r.Context(), namespace, v.Name, d, v.Title, v.Description)
	if err != nil {
		h.failAPI(w, r, err)
		return
	}
	w.Header().Set("Location", "/api/v1"+caseLink(namespace, v.Name))
	h.writeAs(w, r, http.StatusCreated, c.Summary())
}

// apiEventBody is something that a program does in a case: an event whose captures are named by their
// IDs.
type apiEventBody struct {
	Kind     cases.Kind   `json:"kind"`
	Captures []catalog.ID `json:"captures,omitempty"`
	Capture  catalog.ID   `json:"capture,omitempty"`
	Text     string       `json:"text,omitempty"`
	Tags     []string     `json:"tags,omitempty"`
	Decision cases.Word   `json:"decision,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	// ID makes what is sent twice count once. Seen is the version of the case that was seen: another one
	// is a conflict; 0 is any.
	ID   string `json:"id,omitempty"`
	Seen int64  `json:"seen,omitempty"`
}

// aboutEvent is a request to do something in the case that the path names. To add captures takes that they
// may be found, too. What was read is put back for the handler.
func (h handlers) aboutEvent(r *http.Request) ([]access.Subject, error) {
	var v apiEventBody
	if err := readJSON(r, &v); err != nil {
		return nil, err
	}
	if v.Kind == cases.Added {
		if err := h.Gate.Rights.Check(r.Context(), access.From(r.Context()), access.Find, r.PathValue("namespace")); err != nil {
			return nil, err
		}
	}
	return access.InNamespace(r)
}

// apiEvent does something in a case.
func (h handlers) apiEvent(w http.ResponseWriter, r *http.Request) {
	var v apiEventBody
	err := readJSON(r, &v)
	var c *cases.Case
	if err == nil {
		c, err = h.doEvent(r, &v)
	}
	if err != nil {
		h.failAPI(w, r, err)
		return
	}
	h.writeJSON(w, r, c.Summary())
}

func (h handlers) doEvent(r *http.Request, v *apiEventBody) (*cases.Case, error) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	e := cases.Event{Kind: v.Kind, Capture: v.Capture, Text: v.Text, Tags: v.Tags, Decision: v.Decision, Reason: v.Reason}
	d := cases.Draft{By: access.From(r.Context()).Name, ID: v.ID, Seen: v.Seen}
	switch v.Kind {
	case cases.Opened:
		return nil, badInput{"kind", string(v.Kind), "an event of a case that is open: POST /api/v1/cases/NAMESPACE opens one"}
	case cases.Added:
		return h.addEvent(r, d, e, v.Captures)
	case cases.Removed:
		c, err := h.Cases.Get(r.Context(), namespace, name)
		if err != nil {
			return nil, err
		}
		if c.Has(d) {
			return c, nil // sent twice
		}
		if e.Captures, err = capturesIn(c, v.Captures); err != nil {
			return nil, err
		}
	case cases.Noted, cases.Tagged, cases.Untagged, cases.Decided, cases.Closed, cases.Reopened:
		if len(v.Captures) > 0 {
			return nil, badInput{"captures", fmt.Sprint(len(v.Captures)), "left out: this event is about one capture, or about the case"}
		}
	}
	return h.Cases.Append(r.Context(), namespace, name, d, e)
}

// addEvent adds captures that the catalog has.
func (h handlers) addEvent(r *http.Request, d cases.Draft, e cases.Event, ids []catalog.ID) (*cases.Case, error) {
	namespace := r.PathValue("namespace")
	for _, id := range ids {
		page, err := h.Catalog.Get(r.Context(), id)
		if err != nil {
			return nil, err
		}
		if page.Namespace != namespace {
			return nil, h.elsewhere(r, page)
		}
		e.Captures = append(e.Captures, cases.NewCapture(page.Chunk, page.Page.ID))
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	return h.add(r, namespace, r.PathValue("name"), d, e.Captures)
}

// elsewhere is what is said of a capture of another namespace than the case's: to who may not find it that there is
// none.
func (h handlers) elsewhere(r *http.Request, page catalog.Capture) error {
	finds, err := h.Gate.Rights.May(r.Context(), access.From(r.Context()), access.Find, page.Namespace)
	switch {
	case err != nil:
		return err
	case !finds:
		return catalog.ErrNotFound
	}
	return cases.ErrNamespace
}

// capturesIn are captures of a case by their IDs.
func capturesIn(c *cases.Case, ids []catalog.ID) (captures []cases.Capture, err error) {
	for _, id := range ids {
		it := c.Item(id)
		if it == nil {
			return nil, cases.ErrNotInCase
		}
		captures = append(captures, it.Capture)
	}
	return captures, nil
}

// apiSelection hands a case over as one WACZ file, apiDossier as a dossier: what the forms ask for is in
// the query.
func (h handlers) apiSelection(w http.ResponseWriter, r *http.Request) { h.apiHand(w, r, h.selection) }

func (h handlers) apiDossier(w http.ResponseWriter, r *http.Request) { h.apiHand(w, r, h.dossier) }

func (h handlers) apiHand(w http.ResponseWriter, r *http.Request, give func(*http.Request, *handed, url.Values) error) {
	if r.Method == http.MethodHead { // nothing would be handed over, and the custody log would say that it was
		h.notAllowed(w, r, http.MethodGet)
		return
	}
	// It is asked for with GET and is written into the custody log all the same: no page of another
	// site has a browser do that, as it has it do no POST.
	asked := r.Clone(r.Context())
	asked.Method = http.MethodPost
	if err := http.NewCrossOriginProtection().Check(asked); err != nil {
		h.fail(w, r, &access.Problem{
			Status: http.StatusForbidden, Reason: access.ReasonCrossOrigin, Err: err,
			Text: "Another site had your browser ask for this, so it was not done.", Hint: "Do it on the portal's own pages.",
		})
		return
	}
	out := &handed{ResponseWriter: w}
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // what is left out would hand over more than was asked for
		h.fail(w, r, badInput{"the query", err.Error(), "escaped as that of a URL is"})
		return
	}
	err = give(r, out, v)
	h.end(r, out, err, func() { h.failAPI(w, r, err) })
}
